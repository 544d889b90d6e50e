// Values as text: what string() gives, and the CEL literal that reads back as the value.
#pragma once

#include <string>
#include <string_view>

#include "cep/event/value.h"

namespace vigil::rules::cel {

// A number, bool, time or text without quotes.
std::string FormatScalar(const cep::Value& value);
// The CEL expression of a value, canonical: equal values of one type give equal texts. Bounded by
// kMaxValueNesting.
std::string FormatLiteral(const cep::Value& value);
// A string literal in double quotes.
std::string QuoteString(std::string_view text);

}  // namespace vigil::rules::cel
