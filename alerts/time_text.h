// Times as text: RFC 3339 timestamps in UTC and durations in seconds.
#pragma once

#include <cstdint>
#include <string>

namespace vigil::alerts {

// `2023-11-14T22:13:20.000Z`. A year outside 0..9999, which RFC 3339 does not have, is written as
// ISO 8601 and ECMAScript do: with a sign and at least six digits.
void AppendTimeMs(int64_t ms_since_epoch, std::string* out);

// `2023-11-14T22:13:20.5Z`: as many digits of the fraction as it takes, none for whole seconds.
//   nanos   0..999,999,999
void AppendTimestamp(int64_t seconds_since_epoch, int32_t nanos, std::string* out);

// `3.5s`, `-0.25s`, `60s`. The nanoseconds have the sign of the seconds.
void AppendDuration(int64_t seconds, int32_t nanos, std::string* out);

}  // namespace vigil::alerts
