// Pieces of JSON, appended to a string: what every record is written with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vigil::alerts {

// `text` as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes
// that are not UTF-8 replaced by U+FFFD.
void AppendJsonEscaped(std::string_view text, std::string* out);

// `text` as a JSON string.
void AppendJsonString(std::string_view text, std::string* out);

void AppendInt(int64_t value, std::string* out);
void AppendUint(uint64_t value, std::string* out);

// The shortest digits that read back as `value`, in ECMAScript's choice of notation (an exponent
// below 1e-6 and from 1e21); null for NaN and the infinities, which JSON does not have.
void AppendJsonDouble(double value, std::string* out);

// Base 64 with padding (RFC 4648).
void AppendBase64(std::string_view bytes, std::string* out);

}  // namespace vigil::alerts
