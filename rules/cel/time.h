// Timestamps and durations: text, range and arithmetic.
//
// A timestamp is in the years 1 to 9999, a duration within ±315,537,897,599 s (the span of those
// years); both have nanoseconds. What would leave the range is an error. Source: google/cel-spec
// doc/langdef.md, RFC 3339.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cep/event/value.h"

namespace vigil::rules::cel {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;
inline constexpr std::string_view kTimeOutOfRange = "timestamp out of range: years 1 to 9999";
inline constexpr std::string_view kDurationOutOfRange = "duration out of range";

// A timestamp or duration of seconds plus nanoseconds (any sign, any size), or an error if out of
// range.
cep::Value MakeTimestamp(int64_t seconds, int64_t nanos);
cep::Value MakeDuration(int64_t seconds, int64_t nanos);

// `a` a timestamp or duration, `b` a duration (AddTimes) or either (SubtractTimes).
cep::Value AddTimes(const cep::Value& a, const cep::Value& b);
cep::Value SubtractTimes(const cep::Value& a, const cep::Value& b);

// RFC 3339: `2009-02-13T23:31:30.5Z`, `...+01:00`. An error value if it is none or out of range.
cep::Value ParseTimestamp(std::string_view text);
// `1h30m`, `-1.5s`, `250ms`. An error value if it is none or out of range.
cep::Value ParseDuration(std::string_view text);

// Whether there is a time zone of this name: `Europe/Paris`, `UTC`, `+02:00`.
bool IsTimeZone(std::string_view name);

std::string FormatTimestamp(
    const cep::Value& timestamp);  // RFC 3339 in UTC, the fraction without trailing zeros
std::string FormatDuration(const cep::Value& duration);  // seconds: `90.5s`

}  // namespace vigil::rules::cel
