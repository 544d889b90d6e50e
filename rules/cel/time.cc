#include "rules/cel/time.h"

#include <array>

#include <absl/strings/str_format.h>
#include <absl/time/civil_time.h>
#include <absl/time/time.h>

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr int64_t kMinSeconds = -62'135'596'800;     // 0001-01-01T00:00:00Z
constexpr int64_t kMaxSeconds = 253'402'300'799;     // 9999-12-31T23:59:59Z
constexpr int64_t kDurationBound = 315'537'897'599;  // exclusive

// Brings nanoseconds into the range [0, 1e9); false on overflow of the seconds.
bool Normalise(int64_t& seconds, int64_t& nanos) {
  int64_t carry = nanos / kNanosPerSecond;
  nanos %= kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --carry;
  }
  return !__builtin_add_overflow(seconds, carry, &seconds);
}

// Reads fixed-width parts of a time.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool Digits(int count, int& value) {
    value = 0;
    for (int i = 0; i < count; ++i, ++at_) {
      if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') return false;
      value = value * 10 + (text_[at_] - '0');
    }
    return true;
  }
  bool Char(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // One to nine digits after a point, as nanoseconds.
  bool Fraction(int& nanos) {
    int scale = static_cast<int>(kNanosPerSecond);
    nanos = 0;
    const size_t start = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && scale > 1; ++at_) {
      scale /= 10;
      nanos += (text_[at_] - '0') * scale;
    }
    return at_ > start;
  }
  bool AtEnd() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// `Z` or `+hh:mm`, in seconds.
bool ReadOffset(Reader& reader, int& offset) {
  offset = 0;
  if (reader.Char('Z') || reader.Char('z')) return true;
  const bool negative = reader.Char('-');
  if (!negative && !reader.Char('+')) return false;
  int hours = 0;
  int minutes = 0;
  if (!reader.Digits(2, hours) || !reader.Char(':') || !reader.Digits(2, minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  offset = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
  return true;
}

struct UnitRow {
  std::string_view name;
  int64_t nanos;
};

// Longer names come before their prefixes.
constexpr std::array kUnits = {
    UnitRow{"ns", 1},
    UnitRow{"us", 1'000},
    UnitRow{"\xC2\xB5s", 1'000},  // the micro sign
    UnitRow{"\xCE\xBCs", 1'000},  // the Greek letter mu
    UnitRow{"ms", 1'000'000},
    UnitRow{"s", kNanosPerSecond},
    UnitRow{"m", 60 * kNanosPerSecond},
    UnitRow{"h", 3600 * kNanosPerSecond},
};

const UnitRow* TakeUnit(std::string_view& text) {
  for (const UnitRow& row : kUnits) {
    if (text.substr(0, row.name.size()) == row.name) {
      text.remove_prefix(row.name.size());
      return &row;
    }
  }
  return nullptr;
}

// One `12.5h` of a duration, added to `total` nanoseconds; digits past a nanosecond are cut off.
bool TakePart(std::string_view& text, __int128& total) {
  constexpr __int128 kBound = static_cast<__int128>(1) << 90;
  __int128 number = 0;
  __int128 scale = 1;
  bool digits = false;
  bool point = false;
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text.front();
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits = true;
      if (point && scale >= static_cast<__int128>(1'000'000'000'000'000)) continue;
      number = number * 10 + (c - '0');
      if (point) scale *= 10;
      if (number > kBound) return false;
    } else {
      break;
    }
  }
  const UnitRow* unit = digits ? TakeUnit(text) : nullptr;
  if (unit == nullptr || number / scale > kBound / unit->nanos) return false;
  total += (number / scale) * unit->nanos + (number % scale) * unit->nanos / scale;
  return total <= kBound;
}

std::string FormatFraction(int64_t nanos) {
  if (nanos == 0) return "";
  std::string text = absl::StrFormat(".%09d", nanos);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

}  // namespace

Value MakeTimestamp(int64_t seconds, int64_t nanos) {
  if (!Normalise(seconds, nanos) || seconds < kMinSeconds || seconds > kMaxSeconds) {
    return Value::Error(kTimeOutOfRange);
  }
  return Value::Time(ValueTag::kTimestamp, seconds, static_cast<int32_t>(nanos));
}

Value MakeDuration(int64_t seconds, int64_t nanos) {
  if (!Normalise(seconds, nanos)) return Value::Error(kDurationOutOfRange);
  if (seconds < 0 && nanos > 0) {  // the nanoseconds take the sign of the seconds
    ++seconds;
    nanos -= kNanosPerSecond;
  }
  if (seconds <= -kDurationBound || seconds >= kDurationBound) {
    return Value::Error(kDurationOutOfRange);
  }
  return Value::Time(ValueTag::kDuration, seconds, static_cast<int32_t>(nanos));
}

Value AddTimes(const Value& a, const Value& b) {
  const int64_t nanos = int64_t{a.nanos()} + b.nanos();
  // In range, both: the sum of the seconds cannot overflow.
  return a.tag == ValueTag::kTimestamp ? MakeTimestamp(a.i + b.i, nanos)
                                       : MakeDuration(a.i + b.i, nanos);
}

Value SubtractTimes(const Value& a, const Value& b) {
  const int64_t nanos = int64_t{a.nanos()} - b.nanos();
  return a.tag == ValueTag::kTimestamp && b.tag == ValueTag::kDuration
             ? MakeTimestamp(a.i - b.i, nanos)
             : MakeDuration(a.i - b.i, nanos);
}

Value ParseTimestamp(std::string_view text) {
  static constexpr std::string_view kMalformed = "not an RFC 3339 timestamp";
  Reader reader(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, nanos = 0, offset = 0;
  const bool read = reader.Digits(4, year) && reader.Char('-') && reader.Digits(2, month) &&
                    reader.Char('-') && reader.Digits(2, day) &&
                    (reader.Char('T') || reader.Char('t')) && reader.Digits(2, hour) &&
                    reader.Char(':') && reader.Digits(2, minute) && reader.Char(':') &&
                    reader.Digits(2, second) && (!reader.Char('.') || reader.Fraction(nanos)) &&
                    ReadOffset(reader, offset) && reader.AtEnd();
  if (!read || hour > 23 || minute > 59 || second > 59) return Value::Error(kMalformed);
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  if (civil.month() != month || civil.day() != day) return Value::Error(kMalformed);
  return MakeTimestamp(civil - absl::CivilSecond(1970, 1, 1) - offset, nanos);
}

Value ParseDuration(std::string_view text) {
  static constexpr std::string_view kMalformed = "not a duration such as 1h30m or 1.5s";
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (negative || text.front() == '+')) text.remove_prefix(1);
  if (text == "0") return Value::Time(ValueTag::kDuration, 0, 0);
  if (text.empty()) return Value::Error(kMalformed);
  __int128 total = 0;
  while (!text.empty()) {
    if (!TakePart(text, total)) return Value::Error(kMalformed);
  }
  if (total / kNanosPerSecond > kDurationBound) return Value::Error(kDurationOutOfRange);
  if (negative) total = -total;
  return MakeDuration(static_cast<int64_t>(total / kNanosPerSecond),
                      static_cast<int64_t>(total % kNanosPerSecond));
}

std::string FormatTimestamp(const Value& timestamp) {
  const absl::CivilSecond civil = absl::CivilSecond(1970, 1, 1) + timestamp.i;
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d%sZ", civil.year(), civil.month(),
                         civil.day(), civil.hour(), civil.minute(), civil.second(),
                         FormatFraction(timestamp.nanos()));
}

std::string FormatDuration(const Value& duration) {
  const bool negative = duration.i < 0 || duration.nanos() < 0;
  const int64_t seconds = duration.i < 0 ? -duration.i : duration.i;
  const int64_t nanos = duration.nanos() < 0 ? -int64_t{duration.nanos()} : duration.nanos();
  return absl::StrFormat("%s%d%ss", negative ? "-" : "", seconds, FormatFraction(nanos));
}

}  // namespace vigil::rules::cel
