// Numbers as texts write them: the JSON grammar (RFC 8259 section 6), checked and converted.
//
// Both JSON parsers and CSV convert through these functions, so a number means the same wherever it
// was found. simdjson 3.0.1 is not asked: compiled without AVX2, its on-demand parser misreads long
// fractions such as 0.36865690235132986533.
// Source: eight digits at once as in simdjson's parse_eight_digits_unrolled; exact short decimals
// as in Clinger (1990).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vigil::ingest {

enum class NumberError : uint8_t {
  kNone,
  kMalformed,   // not a JSON number
  kNotInteger,  // a JSON number with a fraction or an exponent
  kOutOfRange,  // an integer beyond int64, or a magnitude beyond double
};

namespace internal {

inline uint64_t LoadEight(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline bool AreEightDigits(uint64_t v) {
  return ((v & 0xF0F0F0F0F0F0F0F0) | (((v + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
         0x3333333333333333;
}

// The number that eight digits make; the first one is in the lowest byte.
inline uint64_t EightDigits(uint64_t v) {
  v = (v & 0x0F0F0F0F0F0F0F0F) * 2561 >> 8;
  v = (v & 0x00FF00FF00FF00FF) * 6553601 >> 16;
  return (v & 0x0000FFFF0000FFFF) * 42949672960001 >> 32;
}

// The first `n` (1 to 8) of eight digits with zero digits before them.
inline uint64_t AlignRight(uint64_t v, size_t n) {
  constexpr uint64_t kZeros = 0x3030303030303030;
  return n == 8 ? v : v << (8 * (8 - n)) | kZeros >> (8 * n);
}

inline constexpr double kPowersOfTen[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};

}  // namespace internal

NumberError ParseIntSlow(std::string_view text, int64_t* out);

// An integer of digits only that fits int64. `1.0` and `1e3` are kNotInteger.
inline NumberError ParseInt(std::string_view text, int64_t* out) {
  const size_t n = text.size();
  if (n >= 8 && n <= 16 && text[0] != '0') {
    const uint64_t first = internal::LoadEight(text.data());
    const uint64_t last = internal::LoadEight(text.data() + n - 8);
    if (internal::AreEightDigits(first) && internal::AreEightDigits(last)) {
      // The digits before the last eight: shifting makes the missing ones zero.
      const uint64_t high = n == 8 ? 0 : internal::EightDigits(first << (8 * (16 - n)));
      *out = static_cast<int64_t>(high * 100000000 + internal::EightDigits(last));
      return NumberError::kNone;
    }
  }
  return ParseIntSlow(text, out);
}

// The same where eight bytes from the text's start may be read, however long it is: short numbers
// without a loop.
inline NumberError ParseIntPadded(std::string_view text, int64_t* out) {
  const size_t n = text.size();
  if (n == 0 || n >= 8 || (text[0] == '0' && n > 1)) return ParseInt(text, out);
  const uint64_t digits = internal::AlignRight(internal::LoadEight(text.data()), n);
  if (!internal::AreEightDigits(digits)) return ParseIntSlow(text, out);
  *out = static_cast<int64_t>(internal::EightDigits(digits));
  return NumberError::kNone;
}

// The nearest double. A magnitude beyond the largest double is kOutOfRange; one too small becomes
// zero or subnormal.
NumberError ParseDouble(std::string_view text, double* out);

// The same where eight bytes from the text's start may be read, however long it is: `12.34` without
// a loop.
inline NumberError ParseDoublePadded(std::string_view text, double* out) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kTops = 0x8080808080808080;
  const size_t n = text.size();
  if (n < 3 || n > 8) return ParseDouble(text, out);
  // Digits become 0..9 and a point 0x1E.
  const uint64_t bytes =
      internal::AlignRight(internal::LoadEight(text.data()), n) ^ 0x3030303030303030;
  const uint64_t points = bytes ^ (kOnes * 0x1E);
  const uint64_t found = (points - kOnes) & ~points & kTops;
  const auto point =
      static_cast<size_t>(std::countr_zero(found)) / 8;  // of the eight bytes; 8: none
  // Digits on both sides of the point, and no zero before another digit.
  if (point <= 8 - n || point >= 7 || (text[0] == '0' && point != 9 - n)) {
    return ParseDouble(text, out);
  }
  const uint64_t before = bytes & ((uint64_t{1} << (8 * point)) - 1);
  const uint64_t digits = before << 8 | (bytes >> (8 * point) >> 8) << (8 * point) << 8;
  if (((digits + kOnes * 0x76) | digits) & kTops) return ParseDouble(text, out);
  *out = static_cast<double>(internal::EightDigits(digits)) / internal::kPowersOfTen[7 - point];
  return NumberError::kNone;
}

// Whether the text, not empty, is a JSON scalar of the usual kinds: an integer of up to 16 digits,
// a decimal of up to 8 bytes, true, false or null. Others may be valid, too. Eight bytes from the
// text's start may be read.
inline bool IsPlainScalar(std::string_view text) {
  const size_t n = text.size();
  const uint64_t head = internal::LoadEight(text.data());
  if (n <= 8) {
    if (internal::AreEightDigits(internal::AlignRight(head, n))) return text[0] != '0' || n == 1;
    const auto first_four = static_cast<uint32_t>(head);
    if (n == 4 && (first_four == 0x65757274 || first_four == 0x6C6C756E))
      return true;                                                     // true, null
    if (n == 5 && (head & 0xFFFFFFFFFF) == 0x65736C6166) return true;  // false
    double ignored;
    return n >= 3 && text[0] <= '9' && text[0] >= '0' &&
           ParseDoublePadded(text, &ignored) == NumberError::kNone;
  }
  if (n > 16 || text[0] == '0') return false;
  return internal::AreEightDigits(head) &&
         internal::AreEightDigits(internal::LoadEight(text.data() + n - 8));
}

// Whether `text` is a JSON number, whatever its size.
bool IsNumber(std::string_view text);

// The end of the number that starts at `p`, whatever its size and whatever follows; null if none
// does.
const char* SkipNumber(const char* p, const char* end);

// An exact decimal: (-1)^negative * digits * 10^exponent, plus something smaller than one unit of
// `digits` if `inexact`.
struct Decimal {
  bool negative = false;
  bool inexact = false;
  uint64_t digits = 0;  // at most 19 significant digits
  int64_t exponent = 0;
};
// False if `text` is not a JSON number.
bool ParseDecimal(std::string_view text, Decimal* out);

}  // namespace vigil::ingest
