// The event time of a record: int64 milliseconds since the Unix epoch from a number or a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cep/base/status.h"

namespace vigil::ingest {

// How a number says a time. Texts are RFC 3339 whatever the unit is.
enum class TimeUnit : uint8_t {
  kSeconds,
  kMillis,
  kMicros,
  kNanos,
  kRfc3339,  // numbers are refused
};

struct TimeSpec {
  std::string field = "ts";
  TimeUnit unit = TimeUnit::kMillis;
};

// `s`, `ms`, `us`, `ns`, `rfc3339`; INVALID_ARGUMENT for anything else.
StatusOr<TimeUnit> ParseTimeUnit(std::string_view name);

// Event times are those of years 0001 to 9999, as CEL's timestamps are: a wrong unit shows at once,
// and adding bounds and windows to a time never overflows.
inline constexpr int64_t kMinEventTime = -62'135'596'800'000;
inline constexpr int64_t kMaxEventTime = 253'402'300'799'999;

// The floor of a number in `unit`, fractions and exponents included, computed in decimal:
// 1700000000.123 s is 1700000000123 ms, whatever binary makes of it. On failure `why` says what is
// wrong (a static text).
bool EventTimeOfNumber(std::string_view number, TimeUnit unit, int64_t* ms, const char** why);

// The floor of an RFC 3339 text.
bool EventTimeOfText(std::string_view text, int64_t* ms, const char** why);

// A number of `unit` (kRfc3339: milliseconds) as whole seconds and 0..999,999,999 nanoseconds,
// rounded down.
bool SecondsOfNumber(std::string_view number, TimeUnit unit, int64_t* seconds, int32_t* nanos);

}  // namespace vigil::ingest
