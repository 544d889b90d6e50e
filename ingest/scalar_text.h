// Numbers as texts write them: the JSON grammar (RFC 8259 section 6), checked and converted.
//
// Both JSON parsers and CSV convert through these functions, so a number means the same wherever it
// was found. simdjson 3.0.1 is not asked: compiled without AVX2, its on-demand parser misreads long
// fractions such as 0.36865690235132986533.
// Source: eight digits at once as in simdjson's parse_eight_digits_unrolled, 16 with the
// multiply-add instructions of SSE as W. Muła describes them; exact short decimals as in Clinger
// (1990).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <immintrin.h>
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

// Those that a double holds exactly.
inline constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// A text of up to 16 bytes as a vector; of a longer one nothing holds. 16 bytes from its start are
// read.
class Sixteen {
 public:
  explicit Sixteen(std::string_view text)
      : size_(text.size()),
        bytes_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data()))),
        values_(_mm_sub_epi8(bytes_, _mm_set1_epi8('0'))),
        text_bits_(size_ <= 16 ? (1u << size_) - 1 : 0),
        digit_bits_(Bits(_mm_cmpeq_epi8(_mm_min_epu8(values_, _mm_set1_epi8(9)), values_)) &
                    text_bits_) {}

  // An integer of JSON without a sign.
  bool has_digits_only() const {
    return digit_bits_ == text_bits_ && text_bits_ != 0 && (!starts_with_zero() || size_ == 1);
  }

  // Digits, a point, digits, as JSON has them; says where the point is.
  bool is_decimal(size_t* point) const {
    const uint32_t points = text_bits_ & ~digit_bits_;
    if (points == 0 || (points & (points - 1)) != 0) return false;
    *point = static_cast<size_t>(std::countr_zero(points));
    return (Bits(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8('.'))) & points) != 0 && *point > 0 &&
           *point + 1 < size_ && (!starts_with_zero() || *point == 1);
  }

  // The text's digits at the end of 16, zeros before them.
  __m128i AlignedDigits() const { return Align(values_); }

  // The same for the digits on both sides of a point: those before it take its place.
  __m128i AlignedDigitsAround(size_t point) const {
    const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i is_behind = _mm_cmpgt_epi8(places, _mm_set1_epi8(static_cast<char>(point)));
    return Align(_mm_blendv_epi8(_mm_slli_si128(values_, 1), values_, is_behind));
  }

  // The number that 16 digits (0 to 9) make.
  static uint64_t Number(__m128i digits) {
    const __m128i tens = _mm_setr_epi8(10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1);
    const __m128i pairs = _mm_maddubs_epi16(digits, tens);
    const __m128i fours = _mm_madd_epi16(pairs, _mm_setr_epi16(100, 1, 100, 1, 100, 1, 100, 1));
    const __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours),
                                          _mm_setr_epi16(10000, 1, 10000, 1, 10000, 1, 10000, 1));
    const auto both = static_cast<uint64_t>(_mm_cvtsi128_si64(eights));
    return (both & 0xFFFFFFFF) * 100000000 + (both >> 32);
  }

 private:
  static uint32_t Bits(__m128i mask) { return static_cast<uint32_t>(_mm_movemask_epi8(mask)); }

  bool starts_with_zero() const { return (_mm_cvtsi128_si32(bytes_) & 0xFF) == '0'; }

  // Moves the text's bytes to the end and fills with zeros.
  __m128i Align(__m128i values) const {
    // Read at n, the shuffle that does it for n bytes.
    alignas(32) static constexpr uint8_t kPlaces[32] = {
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
        0x80, 0x80, 0x80, 0x80, 0x80, 0,    1,    2,    3,    4,    5,
        6,    7,    8,    9,    10,   11,   12,   13,   14,   15};
    return _mm_shuffle_epi8(values,
                            _mm_loadu_si128(reinterpret_cast<const __m128i*>(kPlaces + size_)));
  }

  size_t size_;
  __m128i bytes_;
  __m128i values_;       // of digits
  uint32_t text_bits_;   // a bit a byte of the text
  uint32_t digit_bits_;  // those that are digits
};

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

// The same where 16 bytes from the text's start may be read, however long it is: the usual numbers
// without a loop.
inline NumberError ParseIntPadded(std::string_view text, int64_t* out) {
  const internal::Sixteen bytes(text);
  if (!bytes.has_digits_only()) return ParseIntSlow(text, out);
  *out = static_cast<int64_t>(internal::Sixteen::Number(bytes.AlignedDigits()));
  return NumberError::kNone;
}

// The nearest double. A magnitude beyond the largest double is kOutOfRange; one too small becomes
// zero or subnormal.
NumberError ParseDouble(std::string_view text, double* out);

// The same where 16 bytes from the text's start may be read, however long it is: `12.34` without a
// loop.
inline NumberError ParseDoublePadded(std::string_view text, double* out) {
  const internal::Sixteen bytes(text);
  size_t point;
  if (!bytes.is_decimal(&point)) return ParseDouble(text, out);
  // At most 15 digits, so both operands are exact and their quotient is the nearest double.
  *out = static_cast<double>(internal::Sixteen::Number(bytes.AlignedDigitsAround(point))) /
         internal::kPowersOfTen[text.size() - 1 - point];
  return NumberError::kNone;
}

// Whether the text, not empty, is a JSON scalar of the usual kinds: an integer of up to 16 digits,
// a decimal of up to 16 bytes, true, false or null. Others may be valid, too. 16 bytes from the
// text's start may be read.
inline bool IsPlainScalar(std::string_view text) {
  if (static_cast<unsigned char>(text[0]) > '9') {
    const uint64_t head = internal::LoadEight(text.data());
    const auto first_four = static_cast<uint32_t>(head);
    if (text.size() == 4) return first_four == 0x65757274 || first_four == 0x6C6C756E;
    return text.size() == 5 && (head & 0xFFFFFFFFFF) == 0x65736C6166;  // false
  }
  const internal::Sixteen bytes(text);
  size_t point;
  return bytes.has_digits_only() || bytes.is_decimal(&point);
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
