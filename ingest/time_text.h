// Times as texts write them: RFC 3339 timestamps and CEL durations.
#pragma once

#include <cstdint>
#include <string_view>

namespace vigil::ingest {

struct SecondsNanos {
  int64_t seconds = 0;
  int32_t nanos = 0;
};

// `2023-11-14T22:13:20.5Z`: a date, `T`, `t` or a space, a time with up to nine digits of fraction
// (more are cut), `Z`, `z` or an offset. Years 0001 to 9999, UTC; nanos 0..999,999,999. A leap
// second (:60) counts as the next second.
bool ParseRfc3339(std::string_view text, SecondsNanos* out);

// `1h30m`, `-1.5s`, `250ms`: numbers with a unit of h, m, s, ms, us or ns, as CEL's duration()
// takes them. At most 315,576,000,000 seconds (10,000 years) either way; nanos have the sign of the
// seconds.
bool ParseDurationText(std::string_view text, SecondsNanos* out);

}  // namespace vigil::ingest
