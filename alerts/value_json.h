// A cep::Value as JSON.
//
// int, uint and double are numbers; a timestamp is RFC 3339 text, a duration text like "3.5s",
// bytes are base 64, a type is its name; the keys of a map become text. What has no value (absent,
// failed) and what is nested deeper than kMaxValueDepth is null.
#pragma once

#include <cstdint>
#include <string>

#include "cep/event/value.h"

namespace vigil::alerts {

inline constexpr uint32_t kMaxValueDepth = 1024;

void AppendValueJson(const cep::Value& value, std::string* out);

// As a person reads it: what JSON writes as a string without its quotes and escapes, anything else
// as JSON.
void AppendValueText(const cep::Value& value, std::string* out);

}  // namespace vigil::alerts
