#include "alerts/time_text.h"

#include <cstddef>

#include "alerts/json_writer.h"

namespace vigil::alerts {
namespace {

constexpr int64_t kSecondsPerDay = 86400;

struct Quotient {
  int64_t quotient;
  uint64_t remainder;
};

// Division towards minus infinity; safe for every dividend.
Quotient FloorDivide(int64_t value, int64_t by) {
  const int64_t rest = value % by;
  if (rest < 0) return {value / by - 1, static_cast<uint64_t>(rest + by)};
  return {value / by, static_cast<uint64_t>(rest)};
}

// `value` in at least `width` digits.
void AppendPadded(uint64_t value, size_t width, std::string* out) {
  const size_t begin = out->size();
  AppendUint(value, out);
  const size_t digits = out->size() - begin;
  if (digits < width) out->insert(begin, width - digits, '0');
}

void AppendTwo(uint64_t value, char after, std::string* out) {
  out->push_back(static_cast<char>('0' + value / 10));
  out->push_back(static_cast<char>('0' + value % 10));
  out->push_back(after);
}

void AppendYear(int64_t year, std::string* out) {
  if (year >= 0 && year <= 9999) {
    AppendPadded(static_cast<uint64_t>(year), 4, out);
    return;
  }
  out->push_back(year < 0 ? '-' : '+');
  AppendPadded(static_cast<uint64_t>(year < 0 ? -year : year), 6, out);
}

// Proleptic Gregorian date of a day since 1970-01-01. Source: Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms", civil_from_days; names are the paper's.
void AppendDate(int64_t days, std::string* out) {
  const int64_t z = days + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<uint64_t>(z - era * 146097);
  const uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const uint64_t mp = (5 * doy + 2) / 153;
  const uint64_t month = mp < 10 ? mp + 3 : mp - 9;
  AppendYear(static_cast<int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0), out);
  out->push_back('-');
  AppendTwo(month, '-', out);
  AppendTwo(doy - (153 * mp + 2) / 5 + 1, 'T', out);
}

// Date and time up to the seconds' last digit.
void AppendSeconds(int64_t seconds, std::string* out) {
  const auto [days, of_day] = FloorDivide(seconds, kSecondsPerDay);
  AppendDate(days, out);
  AppendTwo(of_day / 3600, ':', out);
  AppendTwo(of_day / 60 % 60, ':', out);
  AppendTwo(of_day % 60, '.', out);
  out->pop_back();  // whether a fraction follows is the caller's matter
}

// `.5`; nothing for zero.
void AppendFraction(uint32_t nanos, std::string* out) {
  if (nanos == 0) return;
  out->push_back('.');
  AppendPadded(nanos, 9, out);
  out->erase(out->find_last_not_of('0') + 1);
}

}  // namespace

void AppendTimeMs(int64_t ms_since_epoch, std::string* out) {
  const auto [seconds, ms] = FloorDivide(ms_since_epoch, 1000);
  AppendSeconds(seconds, out);
  out->push_back('.');
  AppendPadded(ms, 3, out);
  out->push_back('Z');
}

void AppendTimestamp(int64_t seconds_since_epoch, int32_t nanos, std::string* out) {
  AppendSeconds(seconds_since_epoch, out);
  AppendFraction(static_cast<uint32_t>(nanos), out);
  out->push_back('Z');
}

void AppendDuration(int64_t seconds, int32_t nanos, std::string* out) {
  const bool negative = seconds < 0 || nanos < 0;
  if (negative) out->push_back('-');
  const auto magnitude = static_cast<uint64_t>(seconds);
  AppendUint(negative ? 0 - magnitude : magnitude, out);
  AppendFraction(static_cast<uint32_t>(nanos < 0 ? -nanos : nanos), out);
  out->push_back('s');
}

}  // namespace vigil::alerts
