#include "ingest/json_flat.h"

#include <bit>
#include <cstring>

#include <simdjson.h>

#include "ingest/cpu.h"
#include "ingest/json_text.h"

namespace vigil::ingest {
namespace {

enum class Collect : uint8_t { kNames, kScalars };

// What a byte is to the scan. The top bit is the one that movemask reads without a shift.
enum ByteClass : uint8_t {
  kQuote = 0x80,
  kColon = 0x40,
  kComma = 0x20,
  kSpace = 0x10,
  kBracket = 0x08,  // { } [ ]
  kHigh = 0x04,     // not ASCII
  kControl = 0x02,  // below 0x20
  kBackslash = 0x01,
};

// A byte's class is the common bits of what its two halves may be.
constexpr std::array<uint8_t, 16> kLowHalf = [] {
  std::array<uint8_t, 16> table{};
  for (uint8_t& entry : table) entry = kControl | kHigh;
  table[0x0] |= kSpace;
  table[0x2] |= kQuote;
  table[0xA] |= kColon;
  table[0xB] |= kBracket;
  table[0xC] |= kComma | kBackslash;
  table[0xD] |= kBracket;
  return table;
}();
constexpr std::array<uint8_t, 16> kHighHalf = {kControl, kControl, kQuote | kComma | kSpace,
                                               kColon,   0,        kBracket | kBackslash,
                                               0,        kBracket, kHigh,
                                               kHigh,    kHigh,    kHigh,
                                               kHigh,    kHigh,    kHigh,
                                               kHigh};

// One bit per byte of a block of 64.
struct Masks {
  uint64_t quote = 0;
  uint64_t colon = 0;
  uint64_t comma = 0;
  uint64_t space = 0;      // only filled when there are gaps
  uint64_t forbidden = 0;  // outside strings
};

// The scan's state from block to block. Masks with `after_` hold the bits that a shift carries into
// the next block. kGap is the number of spaces behind each colon and comma.
template <int kGap, Collect kCollect>
class Structure {
 public:
  explicit Structure(uint32_t* positions) : positions_(positions) {}

  // Of the positions stored in the text between the braces: a name's first byte behind its quote, a
  // scalar's first byte.
  static constexpr uint32_t kOrigin = kCollect == Collect::kNames ? 2 : 1;
  static constexpr uint8_t kForbidden = kBracket | kHigh | (kGap == 0 ? kSpace : 0);

  // First part of a block: given the masks (no bits behind the text) and the prefix xor of the
  // quotes. Returns the mask whose prefix xor Finish() needs.
  VIGIL_INLINE uint64_t Begin(const Masks& m, uint64_t quote_prefix) {
    string_ = quote_prefix ^ in_string_;  // from an opening quote up to before its closing one
    in_string_ = Spread(string_);
    colon_ = m.colon & ~string_;
    comma_ = m.comma & ~string_;
    return colon_ | comma_;
  }

  // Second part. `toggles` is what Begin() returned; `valid` has the bits of the text.
  VIGIL_INLINE void Finish(const Masks& m, uint64_t toggles, uint64_t toggle_prefix, uint64_t valid,
                           uint32_t base) {
    // From a colon up to before the next comma: where values are.
    const uint64_t value = toggle_prefix ^ in_value_;
    in_value_ = Spread(value);
    const uint64_t open = m.quote & string_;
    const uint64_t close = m.quote & ~string_;
    const uint64_t name_start = Shift<1 + kGap>(comma_, &after_comma_);
    const uint64_t value_start = Shift<1 + kGap>(colon_, &after_colon_);
    const uint64_t name_end = Shift<1>(close & ~value, &after_name_);
    const uint64_t value_end = Shift<1>(close & value, &after_value_);

    uint64_t bad = (colon_ & ~value) | (comma_ & value);  // they alternate
    bad |= (open & ~value) ^ name_start;  // a string starts each field, and no other
    bad |= colon_ ^ name_end;             // a colon follows it
    bad |= open & value & ~value_start;   // a string is a whole value
    bad |= value_end & ~comma_;
    bad |= value_start & comma_;  // no value is empty
    bad |= m.forbidden & ~string_;
    if constexpr (kGap > 0) bad |= (m.space & ~string_) ^ Shift<1>(toggles, &after_toggle_);
    bad_ |= bad & valid;

    Store(kCollect == Collect::kNames ? open & ~value : value_start & ~m.quote & valid,
          base + kOrigin);
  }

  bool ok() const { return (bad_ | in_string_) == 0 && in_value_ != 0; }
  bool full() const { return count_ > FlatObject::kMaxFields; }
  size_t count() const { return count_; }

 private:
  // All ones if the top bit is set: what holds at the end of this block holds at the start of the
  // next.
  static VIGIL_INLINE uint64_t Spread(uint64_t mask) {
    return static_cast<uint64_t>(static_cast<int64_t>(mask) >> 63);
  }

  template <int kBy>
  static VIGIL_INLINE uint64_t Shift(uint64_t mask, uint64_t* carried) {
    const uint64_t shifted = (mask << kBy) | *carried;
    *carried = mask >> (64 - kBy);
    return shifted;
  }

  VIGIL_INLINE void Store(uint64_t mask, uint32_t base) {
    count_ = static_cast<size_t>(AppendPositions(mask, base, positions_ + count_) - positions_);
  }

  uint32_t* const positions_;
  size_t count_ = 0;
  uint64_t string_ = 0;
  uint64_t colon_ = 0;
  uint64_t comma_ = 0;
  uint64_t in_string_ = 0;
  uint64_t in_value_ = 0;
  uint64_t after_comma_ = 1;  // the first name follows the brace as others follow a comma
  uint64_t after_colon_ = 0;
  uint64_t after_name_ = 0;
  uint64_t after_value_ = 0;
  uint64_t after_toggle_ = 0;
  uint64_t bad_ = 0;
};

VIGIL_INLINE __m256i LoadBytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

VIGIL_INLINE __m256i LoadTable(const std::array<uint8_t, 16>& table) {
  return _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(table.data())));
}

VIGIL_INLINE __m256i Classify(const char* p) {
  const __m256i low_table = LoadTable(kLowHalf);
  const __m256i high_table = LoadTable(kHighHalf);
  const __m256i half = _mm256_set1_epi8(0x0F);
  const __m256i bytes = LoadBytes(p);
  const __m256i low = _mm256_shuffle_epi8(low_table, _mm256_and_si256(bytes, half));
  const __m256i high =
      _mm256_shuffle_epi8(high_table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
  return _mm256_and_si256(low, high);
}

// The top bits of 64 bytes after a shift to the left that brings another bit there.
template <int kShift>
VIGIL_INLINE uint64_t Mask(__m256i a, __m256i b) {
  const auto low = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(a, kShift)));
  const auto high = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(b, kShift)));
  return (uint64_t{high} << 32) | low;
}

VIGIL_INLINE uint64_t MaskOfAny(__m256i a, __m256i b, uint8_t classes) {
  const __m256i wanted = _mm256_set1_epi8(static_cast<char>(classes));
  const __m256i zero = _mm256_setzero_si256();
  const __m256i none_a = _mm256_cmpeq_epi8(_mm256_and_si256(a, wanted), zero);
  const __m256i none_b = _mm256_cmpeq_epi8(_mm256_and_si256(b, wanted), zero);
  return ~Mask<0>(none_a, none_b);
}

VIGIL_INLINE uint64_t PrefixXorClmul(uint64_t bits) {
  const __m128i ones = _mm_set1_epi8(static_cast<char>(0xFF));
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<int64_t>(bits)), ones, 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

// 64 bytes of the text of which the last `64 - unused` are to be looked at.
struct Block {
  const char* bytes;
  size_t unused;
};

// The block that starts at `base`. Nothing behind the text is read: its last block ends with it and
// begins in the one before, or is copied to `copy` when the text is shorter than a block.
VIGIL_INLINE Block BlockAt(const char* data, size_t size, size_t base, char (&copy)[64]) {
  const size_t left = size - base;
  if (left >= 64) return {data + base, 0};
  if (size >= 64) return {data + size - 64, 64 - left};
  std::memset(copy, '0', sizeof copy);  // a byte of no class
  std::memcpy(copy + 64 - left, data, left);
  return {copy, 64 - left};
}

// What ScanAvx2() says besides the positions.
struct Found {
  bool structure = false;  // it is that of a flat object
  bool declined = false;   // there is a backslash or control character
  bool high = false;       // there are bytes beyond ASCII
  size_t count = 0;
};

template <int kGap, Collect kCollect>
Found ScanAvx2(const char* data, size_t size, uint32_t* positions) {
  using State = Structure<kGap, kCollect>;
  State state(positions);
  __m256i seen = _mm256_setzero_si256();
  char copy[64];
  for (size_t base = 0; base < size; base += 64) {
    const Block block = BlockAt(data, size, base, copy);
    const __m256i a = Classify(block.bytes);
    const __m256i b = Classify(block.bytes + 32);
    seen = _mm256_or_si256(seen, _mm256_or_si256(a, b));
    Masks m;
    m.quote = Mask<0>(a, b) >> block.unused;
    m.colon = Mask<1>(a, b) >> block.unused;
    m.comma = Mask<2>(a, b) >> block.unused;
    if constexpr (kGap > 0) m.space = Mask<3>(a, b) >> block.unused;
    m.forbidden = MaskOfAny(a, b, State::kForbidden) >> block.unused;
    const uint64_t toggles = state.Begin(m, PrefixXorClmul(m.quote));
    state.Finish(m, toggles, PrefixXorClmul(toggles), ~uint64_t{0} >> block.unused,
                 static_cast<uint32_t>(base));
    if (state.full()) return {};
  }
  Found found;
  found.structure = state.ok();
  found.declined = _mm256_testz_si256(seen, _mm256_set1_epi8(kControl | kBackslash)) == 0;
  found.high = _mm256_testz_si256(seen, _mm256_set1_epi8(kHigh)) == 0;
  found.count = state.count();
  return found;
}

// Adds what the bit arithmetic leaves open: the ends of the text, and UTF-8 where there is any.
template <Collect kCollect>
bool ScanText(std::string_view text, uint32_t* positions, size_t* count, uint32_t* gap) {
  const size_t size = text.size();
  if (size < 6 || size > UINT32_MAX - 64) return false;
  if (text[0] != '{' || text[size - 1] != '}') return false;
  const char last = text[size - 2];
  if (last == ',' || last == ':' || last == ' ') return false;  // of no string, if all are closed
  const auto* const colon = static_cast<const char*>(std::memchr(text.data(), ':', size));
  if (colon == nullptr) return false;
  *gap = colon[1] == ' ' ? 1 : 0;
  const auto scan = *gap == 0 ? ScanAvx2<0, kCollect> : ScanAvx2<1, kCollect>;
  const Found found = scan(text.data() + 1, size - 2, positions);
  if (!found.structure || found.declined) return false;
  *count = found.count;
  return !found.high || simdjson::validate_utf8(text.data(), size);
}

}  // namespace

bool ScanFlatNames(std::string_view text, FlatObject* object) {
  if (!ScanText<Collect::kNames>(text, object->names.data(), &object->count, &object->gap)) {
    return false;
  }
  object->names[object->count] = static_cast<uint32_t>(text.size()) + 1 + object->gap;
  return true;
}

bool IsValidFlatObject(std::string_view text) {
  uint32_t starts[FlatObject::kPositions];
  size_t count = 0;
  uint32_t gap = 0;
  if (!ScanText<Collect::kScalars>(text, starts, &count, &gap)) return false;
  const char* const end = text.data() + text.size();
  for (size_t i = 0; i < count; ++i) {
    if (SkipJsonScalar(text.data() + starts[i], end) == nullptr) return false;
  }
  return true;
}

}  // namespace vigil::ingest
