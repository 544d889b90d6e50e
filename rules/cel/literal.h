// The values of CEL literals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rules/cel/issues.h"

namespace vigil::rules::cel {

// The bytes that a string or bytes literal stands for. `token` includes prefix and quotes and
// starts at `offset` of the expression; a bad escape is reported at its own place.
std::optional<std::string> DecodeString(std::string_view token, uint32_t offset, IssueList& issues);

// `text` is an unsigned number token, without `u`; `negative` if a minus precedes it. Nothing if
// out of range.
std::optional<int64_t> DecodeInt(std::string_view text, bool negative);
std::optional<uint64_t> DecodeUint(std::string_view text);
// Too small gives zero, as IEEE 754 rounds; too large gives nothing.
std::optional<double> DecodeDouble(std::string_view text);

// Appends a code point as UTF-8.
void AppendUtf8(uint32_t code_point, std::string& out);

}  // namespace vigil::rules::cel
