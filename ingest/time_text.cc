#include "ingest/time_text.h"

#include <cstddef>

namespace vigil::ingest {
namespace {

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

// Takes parts off the front of a text.
struct Cursor {
  std::string_view rest;

  bool Digits(size_t count, int* out) {
    if (rest.size() < count) return false;
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!IsDigit(rest[i])) return false;
      value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    *out = value;
    return true;
  }

  bool OneOf(std::string_view chars) {
    if (rest.empty() || chars.find(rest[0]) == std::string_view::npos) return false;
    rest.remove_prefix(1);
    return true;
  }
};

// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, days_from_civil).
int64_t DaysSinceEpoch(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return int64_t{era} * 146097 + day_of_era - 719468;
}

int DaysInMonth(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

bool ParseDate(Cursor* in, int64_t* days) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!in->Digits(4, &year) || !in->OneOf("-") || !in->Digits(2, &month) || !in->OneOf("-") ||
      !in->Digits(2, &day)) {
    return false;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month))
    return false;
  *days = DaysSinceEpoch(year, month, day);
  return true;
}

bool ParseClock(Cursor* in, int* seconds) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!in->Digits(2, &hour) || !in->OneOf(":") || !in->Digits(2, &minute) || !in->OneOf(":") ||
      !in->Digits(2, &second)) {
    return false;
  }
  *seconds = (hour * 60 + minute) * 60 + second;
  return hour <= 23 && minute <= 59 && second <= 60;
}

// `.5` in nanoseconds; digits after the ninth are cut.
bool ParseFraction(Cursor* in, int32_t* nanos) {
  *nanos = 0;
  if (!in->OneOf(".")) return true;
  int32_t unit = 100'000'000;
  size_t digits = 0;
  for (; digits < in->rest.size() && IsDigit(in->rest[digits]); ++digits) {
    *nanos += unit * (in->rest[digits] - '0');
    unit /= 10;
  }
  in->rest.remove_prefix(digits);
  return digits > 0;
}

bool ParseOffset(Cursor* in, int* seconds) {
  *seconds = 0;
  if (in->OneOf("Zz")) return true;
  const bool west = !in->rest.empty() && in->rest[0] == '-';
  int hours = 0;
  int minutes = 0;
  if (!in->OneOf("+-") || !in->Digits(2, &hours) || !in->OneOf(":") || !in->Digits(2, &minutes)) {
    return false;
  }
  if (hours > 23 || minutes > 59) return false;
  *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
  return true;
}

constexpr int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z

struct DurationUnit {
  std::string_view name;
  int64_t nanos;
};
// Longer names before those they begin with.
constexpr DurationUnit kUnits[] = {
    {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1},
    {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
};
constexpr __int128 kMaxDuration = __int128{315'576'000'000} * 1'000'000'000;

// Takes `NUMBER UNIT` off the front and adds it to `total`, in nanoseconds.
bool AddDurationPart(std::string_view* rest, __int128* total) {
  __int128 whole = 0;
  __int128 fraction = 0;
  __int128 scale = 1;
  size_t i = 0;
  size_t digits = 0;
  for (; i < rest->size() && IsDigit((*rest)[i]); ++i, ++digits) {
    whole = whole * 10 + ((*rest)[i] - '0');
    if (whole > kMaxDuration) return false;
  }
  if (i < rest->size() && (*rest)[i] == '.') {
    for (++i; i < rest->size() && IsDigit((*rest)[i]); ++i, ++digits) {
      if (scale >= 1'000'000'000'000'000) continue;  // below a nanosecond for every unit
      fraction = fraction * 10 + ((*rest)[i] - '0');
      scale *= 10;
    }
  }
  if (digits == 0) return false;
  rest->remove_prefix(i);
  for (const DurationUnit& unit : kUnits) {
    if (!rest->starts_with(unit.name)) continue;
    rest->remove_prefix(unit.name.size());
    *total += whole * unit.nanos + fraction * unit.nanos / scale;
    return *total <= kMaxDuration;
  }
  return false;
}

}  // namespace

bool ParseRfc3339(std::string_view text, SecondsNanos* out) {
  Cursor in{text};
  int64_t days = 0;
  int seconds = 0;
  int offset = 0;
  if (!ParseDate(&in, &days) || !in.OneOf("Tt ") || !ParseClock(&in, &seconds) ||
      !ParseFraction(&in, &out->nanos) || !ParseOffset(&in, &offset) || !in.rest.empty()) {
    return false;
  }
  out->seconds = days * 86400 + seconds - offset;
  return out->seconds >= kFirstSecond && out->seconds <= kLastSecond;
}

bool ParseDurationText(std::string_view text, SecondsNanos* out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") {
    *out = {};
    return true;
  }
  if (text.empty()) return false;
  __int128 total = 0;
  while (!text.empty()) {
    if (!AddDurationPart(&text, &total)) return false;
  }
  if (negative) total = -total;
  out->seconds = static_cast<int64_t>(total / 1'000'000'000);
  out->nanos = static_cast<int32_t>(total % 1'000'000'000);
  return true;
}

}  // namespace vigil::ingest
