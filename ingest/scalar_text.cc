#include "ingest/scalar_text.h"

#include <cmath>
#include <limits>

#include <absl/strings/charconv.h>

namespace vigil::ingest {
namespace {

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

// A number's parts, found while its grammar is checked.
struct Parts {
  bool negative = false;
  bool integer = true;    // no fraction, no exponent
  bool exact = true;      // `mantissa` holds all digits
  uint64_t mantissa = 0;  // of integer and fraction
  int64_t exponent = 0;   // of ten, for the mantissa
};

constexpr uint64_t kRoomForDigit = (std::numeric_limits<uint64_t>::max() - 9) / 10;
constexpr int64_t kMaxExponent =
    1'000'000;  // far beyond what a double holds; larger ones are cut to it

class Scanner {
 public:
  explicit Scanner(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

  bool Scan(Parts* parts) {
    parts->negative = Take('-');
    if (!ScanInteger(parts) || !ScanFraction(parts) || !ScanExponent(parts)) return false;
    return p_ == end_;
  }

 private:
  bool Take(char c) {
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }

  bool AtDigit() const { return p_ < end_ && IsDigit(*p_); }

  bool ScanInteger(Parts* parts) {
    if (!AtDigit()) return false;
    if (*p_ == '0') {
      ++p_;
      return !AtDigit();  // no leading zero
    }
    for (; AtDigit(); ++p_) {
      if (!AddDigit(parts)) ++parts->exponent;
    }
    return true;
  }

  bool ScanFraction(Parts* parts) {
    if (!Take('.')) return true;
    parts->integer = false;
    if (!AtDigit()) return false;
    for (; AtDigit(); ++p_) {
      if (AddDigit(parts)) --parts->exponent;
    }
    return true;
  }

  bool ScanExponent(Parts* parts) {
    if (!Take('e') && !Take('E')) return true;
    parts->integer = false;
    const bool negative = Take('-');
    if (!negative) Take('+');
    if (!AtDigit()) return false;
    int64_t exponent = 0;
    for (; AtDigit(); ++p_) {
      if (exponent < kMaxExponent) exponent = exponent * 10 + (*p_ - '0');
    }
    parts->exponent += negative ? -exponent : exponent;
    return true;
  }

  // False if the mantissa has no room for the digit: it is dropped.
  bool AddDigit(Parts* parts) {
    if (parts->exact && parts->mantissa <= kRoomForDigit) {
      parts->mantissa = parts->mantissa * 10 + static_cast<uint64_t>(*p_ - '0');
      return true;
    }
    parts->exact = false;
    return false;
  }

  const char* p_;
  const char* end_;
};

const char* SkipDigits(const char* p, const char* end) {
  while (end - p >= 8 && internal::AreEightDigits(internal::LoadEight(p))) p += 8;
  while (p < end && IsDigit(*p)) ++p;
  return p;
}

using internal::kPowersOfTen;

constexpr uint64_t kExactMantissa = uint64_t{1} << 53;

}  // namespace

NumberError ParseIntSlow(std::string_view text, int64_t* out) {
  Parts parts;
  if (!Scanner(text).Scan(&parts)) return NumberError::kMalformed;
  if (!parts.integer) return NumberError::kNotInteger;
  const uint64_t limit = uint64_t{1} << 63;
  if (!parts.exact || parts.mantissa > limit || (!parts.negative && parts.mantissa == limit)) {
    return NumberError::kOutOfRange;
  }
  *out = static_cast<int64_t>(parts.negative ? 0 - parts.mantissa : parts.mantissa);
  return NumberError::kNone;
}

NumberError ParseDouble(std::string_view text, double* out) {
  Parts parts;
  if (!Scanner(text).Scan(&parts)) return NumberError::kMalformed;
  if (parts.exact && parts.mantissa <= kExactMantissa && parts.exponent >= -22 &&
      parts.exponent <= 22) {
    // Both operands are exact, so the one rounding of the operation gives the nearest double.
    const auto mantissa = static_cast<double>(parts.mantissa);
    const double value = parts.exponent < 0 ? mantissa / kPowersOfTen[-parts.exponent]
                                            : mantissa * kPowersOfTen[parts.exponent];
    *out = parts.negative ? -value : value;
    return NumberError::kNone;
  }
  double value = 0;
  const absl::from_chars_result result =
      absl::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range && std::fabs(value) > 1) {
    return NumberError::kOutOfRange;
  }
  *out = value;
  return NumberError::kNone;
}

bool IsNumber(std::string_view text) {
  const char* const end = text.data() + text.size();
  return SkipNumber(text.data(), end) == end && !text.empty();
}

const char* SkipNumber(const char* p, const char* end) {
  if (p < end && *p == '-') ++p;
  const char* const integer = p;
  p = SkipDigits(p, end);
  if (p == integer || (*integer == '0' && p - integer > 1)) return nullptr;
  if (p < end && *p == '.') {
    const char* const fraction = ++p;
    p = SkipDigits(p, end);
    if (p == fraction) return nullptr;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p < end && (*p == '-' || *p == '+')) ++p;
    const char* const exponent = p;
    p = SkipDigits(p, end);
    if (p == exponent) return nullptr;
  }
  return p;
}

bool ParseDecimal(std::string_view text, Decimal* out) {
  Parts parts;
  if (!Scanner(text).Scan(&parts)) return false;
  *out = {parts.negative, !parts.exact, parts.mantissa, parts.exponent};
  return true;
}

}  // namespace vigil::ingest
