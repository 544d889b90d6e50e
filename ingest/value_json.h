// Values as JSON: how events of binary formats look in alerts.
//
// int, uint, double   numbers; NaN and the infinities are the texts "NaN", "Infinity", "-Infinity"
// bytes               base64 text; timestamp RFC 3339 text; duration text such as "1.5s"
// list, map           arrays and objects; a map's keys become text
// absent              left out
#pragma once

#include <string>

#include "cep/event/value.h"

namespace vigil::ingest {

// Appends `value`, whose texts are UTF-8, in one line.
void AppendValueJson(const cep::Value& value, std::string* out);

// The exact text of digits * 10^-scale: `-12.30` for -1230 and 2. `digits` is decimal.
std::string DecimalText(bool is_negative, std::string digits, uint32_t scale);

}  // namespace vigil::ingest
