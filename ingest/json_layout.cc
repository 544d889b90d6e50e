#include "ingest/json_layout.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <simdjson.h>

#include "ingest/cpu.h"
#include "ingest/json_text.h"
#include "ingest/scalar_text.h"

namespace vigil::ingest {
namespace {

// Input that has no layouts is left to simdjson, but for one line in so many that is tried again.
constexpr uint32_t kGiveUpAfter = 64;
constexpr uint32_t kRetryEvery = 64;

#if VIGIL_HAVE_AVX2

VIGIL_AVX2 VIGIL_INLINE __m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

VIGIL_AVX2 VIGIL_INLINE uint64_t Mask(__m256i low, __m256i high) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
         uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(high))} << 32;
}

// Not zero where one of the 16 bytes at `p` cannot be in a token: `,:[]{}`, space, what is beyond
// ASCII.
VIGIL_INLINE __m128i NoTokenBytes(const char* p) {
  // A byte's class is the common bits of what its two halves may be: 1 space and comma, 2 colon, 4
  // brackets, 8 high.
  const __m128i low_table = _mm_setr_epi8(9, 8, 8, 8, 8, 8, 8, 8, 8, 8, 10, 12, 9, 12, 8, 8);
  const __m128i high_table = _mm_setr_epi8(0, 0, 1, 2, 0, 4, 0, 4, 8, 8, 8, 8, 8, 8, 8, 8);
  const __m128i half = _mm_set1_epi8(0x0F);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i low = _mm_shuffle_epi8(low_table, _mm_and_si128(bytes, half));
  const __m128i high = _mm_shuffle_epi8(high_table, _mm_and_si128(_mm_srli_epi16(bytes, 4), half));
  return _mm_and_si128(low, high);
}

#endif

// Whether all that is odd about the text is that it goes beyond ASCII.
[[maybe_unused]] bool IsPlainUtf8(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\\') return false;
  }
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace

bool JsonLayoutParser::Parse(std::string_view line, FieldTexts* texts) {
  if (declined_ >= kGiveUpAfter && ++declined_ % kRetryEvery != 0) return false;
  if (!ScanLine(line, &scan_) || !Find(line)) return false;
  declined_ = 0;
  std::fill(texts->begin(), texts->end(), std::string_view());
  const Layout& layout = layouts_[current_];
  for (const Use& use : layout.uses) {
    const uint32_t start = scan_.colons[use.field] + layout.after_colon[use.field] - use.quote;
    const uint32_t end =
        scan_.colons[use.field + 1] - layout.before_colon[use.field + 1] + use.quote;
    (*texts)[use.place] = {line.data() + start, end - start};
  }
  return true;
}

bool JsonLayoutParser::CheckReadScalars(std::string_view line) {
  const Layout& layout = layouts_[current_];
  return CheckScalars(layout.read_scalars, layout, line);
}

// Makes the layout that accepts the line the current one.
bool JsonLayoutParser::Find(std::string_view line) {
  for (size_t tried = 0, i = current_; tried < layouts_.size(); ++tried) {
    const Layout& layout = layouts_[i];
    if (Matches(layout, line, scan_)) {
      is_valid_json_ = true;
      if (CheckScalars(layout.unread_scalars, layout, line)) {
        current_ = i;
        return true;
      }
    }
    i = i + 1 < layouts_.size() ? i + 1 : 0;
  }
  return false;
}

#if VIGIL_HAVE_AVX2

namespace {

// A block of 64 bytes of a line.
struct Block {
  __m256i a;
  __m256i b;

  VIGIL_AVX2 VIGIL_INLINE explicit Block(const char* p) : a(Load(p)), b(Load(p + 32)) {}

  VIGIL_AVX2 VIGIL_INLINE uint64_t Equal(char c) const {
    const __m256i all = _mm256_set1_epi8(c);
    return Mask(_mm256_cmpeq_epi8(a, all), _mm256_cmpeq_epi8(b, all));
  }
  // Not zero where a backslash, a control character or a byte beyond ASCII is: such bytes are
  // negative, so one comparison finds them and control characters.
  VIGIL_AVX2 VIGIL_INLINE static __m256i Odd(__m256i bytes) {
    return _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes),
                           _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
  }
};

// The colons that follow a quote, from masks of both; `carry` is 1 if the block before ended with a
// quote.
VIGIL_INLINE uint64_t NameEnds(uint64_t quotes, uint64_t colons, uint64_t* carry) {
  const uint64_t ends = colons & (quotes << 1 | *carry);
  *carry = quotes >> 63;
  return ends;
}

}  // namespace

VIGIL_AVX2 bool JsonLayoutParser::ScanLine(std::string_view line, Scan* scan) {
  if (!HasAvx2() || line.size() > INT32_MAX) return false;
  const auto size = static_cast<uint32_t>(line.size());
  uint32_t* const first = scan->colons.data();
  uint32_t* out = first;
  uint32_t quotes = 0;
  uint64_t carry = 0;
  __m256i odd = _mm256_setzero_si256();
  uint32_t base = 0;
  for (; base + 64 <= size; base += 64) {
    const Block block(line.data() + base);
    odd = _mm256_or_si256(odd, _mm256_or_si256(Block::Odd(block.a), Block::Odd(block.b)));
    const uint64_t quote_bits = block.Equal('"');
    quotes += static_cast<uint32_t>(std::popcount(quote_bits));
    out = AppendPositions(NameEnds(quote_bits, block.Equal(':'), &carry), base, out);
    if (out > first + kMaxFields) return false;
  }
  uint64_t odd_at_end = 0;
  if (base < size) {
    const Block block(line.data() + base);
    const uint64_t valid = (uint64_t{1} << (size - base)) - 1;
    odd_at_end = Mask(Block::Odd(block.a), Block::Odd(block.b)) & valid;
    const uint64_t quote_bits = block.Equal('"') & valid;
    quotes += static_cast<uint32_t>(std::popcount(quote_bits));
    out = AppendPositions(NameEnds(quote_bits, block.Equal(':') & valid, &carry), base, out);
    if (out > first + kMaxFields) return false;
  }
  scan->count = static_cast<uint32_t>(out - first);
  scan->quotes = quotes;
  // Eight places behind the last one are read, and must not look like more of the line.
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_set1_epi32(static_cast<int>(size)));
  out[8] = size;
  if (odd_at_end == 0 && _mm256_testz_si256(odd, odd) != 0) [[likely]]
    return true;
  return IsPlainUtf8(line);
}

VIGIL_AVX2 bool JsonLayoutParser::Matches(const Layout& layout, std::string_view line,
                                          const Scan& scan) {
  const size_t texts = layout.texts.size();
  const uint32_t* colons = scan.colons.data();
  if (scan.quotes != layout.quotes || scan.count + 1 != texts) return false;
  if (colons[0] != layout.before_colon[0]) return false;
  // Every text ends at or before the next one's start; this also keeps what is read inside the
  // line.
  __m256i too_near = _mm256_setzero_si256();
  for (size_t i = 0; i < layout.least_gap.size(); i += 8) {
    const __m256i gap = _mm256_sub_epi32(Load(colons + i + 1), Load(colons + i));
    too_near =
        _mm256_or_si256(too_near, _mm256_cmpgt_epi32(Load(layout.least_gap.data() + i), gap));
  }
  if (_mm256_testz_si256(too_near, too_near) == 0) return false;
  __m256i differs = _mm256_setzero_si256();
  const Text* text = layout.texts.data();
  const uint32_t* before = layout.before_colon.data();
  for (size_t i = 0; i < texts; ++i) {
    const __m256i found = Load(line.data() + (colons[i] - before[i]));
    differs = _mm256_or_si256(differs,
                              _mm256_and_si256(_mm256_xor_si256(found, Load(text[i].bytes.data())),
                                               Load(text[i].mask.data())));
  }
  return _mm256_testz_si256(differs, differs) != 0;
}

namespace {

// Whether the text is one token, as far as where it ends goes.
bool IsToken(const char* at, size_t left) {
  // 16 bytes of ones, then as many of zeros: read at 16 - n it is a mask of n bytes.
  static constexpr std::array<uint8_t, 32> kWindow = [] {
    std::array<uint8_t, 32> window{};
    for (size_t i = 0; i < 16; ++i) window[i] = 0xFF;
    return window;
  }();
  __m128i wrong = _mm_setzero_si128();
  for (; left > 16; left -= 16, at += 16) wrong = _mm_or_si128(wrong, NoTokenBytes(at));
  const __m128i valid =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kWindow.data() + 16 - left));
  wrong = _mm_or_si128(wrong, _mm_and_si128(NoTokenBytes(at), valid));
  return _mm_testz_si128(wrong, wrong) != 0;
}

}  // namespace

// True if each of the scalars is one token; notes if one is not valid.
bool JsonLayoutParser::CheckScalars(const std::vector<uint32_t>& fields, const Layout& layout,
                                    std::string_view line) {
  for (const uint32_t field : fields) {
    const char* start = line.data() + scan_.colons[field] + layout.after_colon[field];
    const char* end = line.data() + scan_.colons[field + 1] - layout.before_colon[field + 1];
    const auto size = static_cast<size_t>(end - start);
    if (IsPlainScalar({start, size}) || SkipJsonScalar(start, end) == end) [[likely]]
      continue;
    is_valid_json_ = false;
    if (!IsToken(start, size)) return false;
  }
  return true;
}

#else

bool JsonLayoutParser::ScanLine(std::string_view, Scan*) { return false; }
bool JsonLayoutParser::Matches(const Layout&, std::string_view, const Scan&) { return false; }
bool JsonLayoutParser::CheckScalars(const std::vector<uint32_t>&, const Layout&, std::string_view) {
  return false;
}

#endif  // VIGIL_HAVE_AVX2

void JsonLayoutParser::Learn(std::string_view line) {
  Layout layout;
  if (ScanFlatNames(line, &object_) && MakeLayout(line, &layout)) {
    Keep(std::move(layout));
  } else if (declined_ < kGiveUpAfter) {
    ++declined_;
  }
}

bool JsonLayoutParser::MakeLayout(std::string_view line, Layout* layout) const {
  if (object_.count > kMaxFields) return false;
  uint32_t before = 0;  // where the text before the value at hand starts
  uint32_t quote = 0;   // whether the last value was a string
  const auto add = [&](uint32_t end, uint32_t colon) {
    Text text;
    if (end - before > kMaxText) return false;
    std::copy(line.data() + before, line.data() + end, text.bytes.begin());
    std::fill_n(text.mask.begin(), end - before, uint8_t{0xFF});
    if (!layout->texts.empty()) {
      const uint32_t scalar = 1 - quote;  // one byte at least
      layout->least_gap.push_back(layout->after_colon.back() + scalar + colon - before);
    }
    layout->texts.push_back(text);
    layout->before_colon.push_back(colon - before);
    layout->after_colon.push_back(end - colon);
    return true;
  };
  for (uint32_t i = 0; i < object_.count; ++i) {
    const size_t start = object_.names[i];
    const std::string_view name = line.substr(start, line.find('"', start) - start);
    const std::string_view value = object_.Value(line, i, name.size());
    const uint32_t is_string = value[0] == '"' ? 1 : 0;
    layout->quotes += 2 + 2 * is_string;
    const auto value_start = static_cast<uint32_t>(value.data() - line.data());
    if (!add(value_start + is_string, static_cast<uint32_t>(start + name.size() + 1))) return false;
    quote = is_string;
    before = value_start + static_cast<uint32_t>(value.size()) - quote;
    const int place = projection_.Find(name);
    if (is_string == 0) {
      (place >= 0 ? layout->read_scalars : layout->unread_scalars).push_back(i);
    }
    // Of two uses of one place the later one is done last and counts.
    if (place >= 0) layout->uses.push_back({i, static_cast<uint32_t>(place), quote});
  }
  const auto size = static_cast<uint32_t>(line.size());
  if (!add(size, size)) return false;
  layout->least_gap.resize((layout->least_gap.size() + 7) / 8 * 8);
  return true;
}

void JsonLayoutParser::Keep(Layout layout) {
  if (layouts_.size() < kMaxLayouts) {
    current_ = layouts_.size();
    layouts_.push_back(std::move(layout));
  } else {
    current_ = oldest_;
    oldest_ = (oldest_ + 1) % kMaxLayouts;
    layouts_[current_] = std::move(layout);
  }
}

}  // namespace vigil::ingest
