#include "ingest/event_time.h"

#include <absl/strings/str_cat.h>

#include "ingest/scalar_text.h"
#include "ingest/time_text.h"

namespace vigil::ingest {
namespace {

struct UnitRow {
  std::string_view name;
  TimeUnit unit;
  int digits;  // of fraction that a second has in this unit
};
constexpr UnitRow kUnits[] = {
    {"s", TimeUnit::kSeconds, 0}, {"ms", TimeUnit::kMillis, 3},       {"us", TimeUnit::kMicros, 6},
    {"ns", TimeUnit::kNanos, 9},  {"rfc3339", TimeUnit::kRfc3339, 3},
};

int DigitsOf(TimeUnit unit) {
  for (const UnitRow& row : kUnits) {
    if (row.unit == unit) return row.digits;
  }
  return 3;
}

constexpr __int128 kHuge = __int128{1} << 100;

// floor(decimal * 10^shift), or +-kHuge where the magnitude is beyond that.
__int128 ScaledFloor(const Decimal& decimal, int64_t shift) {
  __int128 value = decimal.digits;
  bool remainder = decimal.inexact;
  int64_t exponent = decimal.exponent + shift;
  for (; exponent > 0 && value != 0 && value < kHuge; --exponent) value *= 10;
  for (; exponent < 0 && value != 0; ++exponent) {
    remainder = remainder || value % 10 != 0;
    value /= 10;
  }
  if (value > kHuge) value = kHuge;
  if (!decimal.negative) return value;
  return -value - (remainder ? 1 : 0);
}

}  // namespace

StatusOr<TimeUnit> ParseTimeUnit(std::string_view name) {
  for (const UnitRow& row : kUnits) {
    if (row.name == name) return row.unit;
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown time unit `", std::string(name),
                                                 "`: expected s, ms, us, ns or rfc3339"));
}

bool EventTimeOfNumber(std::string_view number, TimeUnit unit, int64_t* ms, const char** why) {
  if (unit == TimeUnit::kRfc3339) {
    *why = "expected RFC 3339 text";
    return false;
  }
  if (unit != TimeUnit::kMillis || ParseInt(number, ms) != NumberError::kNone) {
    Decimal decimal;
    if (!ParseDecimal(number, &decimal)) {
      *why = "neither a number nor text";
      return false;
    }
    const __int128 value = ScaledFloor(decimal, 3 - DigitsOf(unit));
    *ms = value < kMinEventTime   ? kMinEventTime - 1
          : value > kMaxEventTime ? kMaxEventTime + 1
                                  : static_cast<int64_t>(value);
  }
  if (*ms < kMinEventTime || *ms > kMaxEventTime) {
    *why = "outside the years 0001 to 9999 (is the time unit right?)";
    return false;
  }
  return true;
}

bool EventTimeOfText(std::string_view text, int64_t* ms, const char** why) {
  SecondsNanos time;
  if (!ParseRfc3339(text, &time)) {
    *why = "not an RFC 3339 time";
    return false;
  }
  *ms = time.seconds * 1000 + time.nanos / 1'000'000;
  return true;
}

bool SecondsOfNumber(std::string_view number, TimeUnit unit, int64_t* seconds, int32_t* nanos) {
  Decimal decimal;
  if (!ParseDecimal(number, &decimal)) return false;
  const __int128 total = ScaledFloor(decimal, 9 - DigitsOf(unit));
  constexpr __int128 kNanosPerMilli = 1'000'000;
  if (total < kMinEventTime * kNanosPerMilli || total >= (kMaxEventTime + 1) * kNanosPerMilli) {
    return false;
  }
  __int128 whole = total / 1'000'000'000;
  if (total % 1'000'000'000 < 0) --whole;
  *seconds = static_cast<int64_t>(whole);
  *nanos = static_cast<int32_t>(total - whole * 1'000'000'000);
  return true;
}

}  // namespace vigil::ingest
