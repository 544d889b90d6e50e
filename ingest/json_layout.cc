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

// Input that has no layouts is left to simdjson, but for a line in each group that is tried again.
constexpr uint32_t kGiveUpAfter = 64;

VIGIL_INLINE __m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

VIGIL_INLINE void Store(__m256i v, void* p) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

VIGIL_INLINE uint64_t Mask(__m256i low, __m256i high) {
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

// Whether all that is odd about the text is that it goes beyond ASCII.
bool IsPlainUtf8(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\\') return false;
  }
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace

JsonLayoutParser::JsonLayoutParser(const Projection& projection, SimdLevel simd)
    : projection_(projection),
      simd_(simd),
      colons_(kMaxGroup * (kMaxFields + kAfterColons) + kColonsRoom),
      spans_(kMaxGroup * 2 * (kMaxFields + 16)) {}

void JsonLayoutParser::Scan(const std::string_view* lines, size_t count) {
  std::copy(lines, lines + count, lines_.begin());
  std::fill_n(scanned_.begin(), count, Line());
  // Input without layouts is tried again with the first line of each group.
  if (declined_ >= kGiveUpAfter) count = 1;
  uint32_t* at = colons_.data();
  for (size_t i = 0; i < count; ++i) {
    scanned_[i].colons = static_cast<uint32_t>(at - colons_.data());
    at = simd_ == SimdLevel::kAvx512 ? ScanLine512(lines[i], at, &scanned_[i])
                                     : ScanLine(lines[i], at, &scanned_[i]);
  }
}

size_t JsonLayoutParser::Match(size_t first, size_t most) {
  first_ = first;
  valid_json_ = 0;
  if (scanned_[first].fields == 0 || !FindLayout()) return 0;
  declined_ = 0;
  const Layout& layout = layouts_[current_];
  size_t matched = 1;
  while (matched < most && Matches(layout, matched)) ++matched;
  valid_json_ = ~uint64_t{0} >> (64 - matched);
  uint64_t odd = 0;  // lines with unusual scalars
  for (const uint32_t field : layout.unread_scalars) {
    const TextsOfRun texts = TextsOf({.field = field});
    for (size_t i = 0; i < matched; ++i) odd |= uint64_t{!IsPlainScalar(texts(i))} << i;
  }
  for (; odd != 0; odd &= odd - 1) {
    const auto line = static_cast<size_t>(std::countr_zero(odd));
    if (!AreTokens(layout.unread_scalars, line)) return line;
  }
  return matched;
}

bool JsonLayoutParser::CheckReadScalars(size_t line) {
  return AreTokens(layouts_[current_].read_scalars, line);
}

void JsonLayoutParser::CopyTexts(size_t line, FieldTexts* texts) const {
  std::fill(texts->begin(), texts->end(), std::string_view());
  for (const Use& use : uses()) (*texts)[use.place] = TextsOf(use)(line);
}

namespace {

// Sixteen values of lines of a run: where the texts behind them start and those before them end,
// `step` numbers from line to line.
struct SomeValues {
  const uint32_t* starts;
  const uint32_t* ends;
  size_t step;
  size_t count;  // the others are to be of no bytes
};

// Writes their sizes, at most UINT8_MAX, for each line. Returns whether one is as large.
bool CopySome(SomeValues values, size_t lines, size_t first, cep::TextFrame::Sizes* sizes) {
  const __m128i numbers = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m128i valid = _mm_cmplt_epi8(numbers, _mm_set1_epi8(static_cast<char>(values.count)));
  const __m256i most = _mm256_set1_epi32(UINT8_MAX);
  __m128i largest = _mm_setzero_si128();
  for (size_t line = 0; line < lines; ++line) {
    const uint32_t* starts = values.starts + line * values.step;
    const uint32_t* ends = values.ends + line * values.step;
    const __m256i low = _mm256_min_epu32(_mm256_sub_epi32(Load(starts), Load(ends)), most);
    const __m256i high = _mm256_min_epu32(_mm256_sub_epi32(Load(starts + 8), Load(ends + 8)), most);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
    const __m128i bytes = _mm_and_si128(
        valid, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sizes[line].data() + first), bytes);
    largest = _mm_max_epu8(largest, bytes);
  }
  return _mm_movemask_epi8(_mm_cmpeq_epi8(largest, _mm_set1_epi8(-1))) != 0;
}

VIGIL_AVX512 bool CopySome512(SomeValues values, size_t lines, size_t first,
                              cep::TextFrame::Sizes* sizes) {
  const auto valid = static_cast<__mmask16>((1u << values.count) - 1);
  __m128i largest = _mm_setzero_si128();
  for (size_t line = 0; line < lines; ++line) {
    const __m512i starts = _mm512_loadu_si512(values.starts + line * values.step);
    const __m512i ends = _mm512_loadu_si512(values.ends + line * values.step);
    const __m128i bytes = _mm512_maskz_cvtusepi32_epi8(valid, _mm512_sub_epi32(starts, ends));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sizes[line].data() + first), bytes);
    largest = _mm_max_epu8(largest, bytes);
  }
  return _mm_movemask_epi8(_mm_cmpeq_epi8(largest, _mm_set1_epi8(-1))) != 0;
}

}  // namespace

uint64_t JsonLayoutParser::CopySizes(size_t count, cep::TextFrame::Sizes* sizes) const {
  constexpr size_t kSome = 16;
  const size_t fields = layouts_[current_].fields;
  bool has_long = false;
  for (size_t first = 0; first < fields; first += kSome) {
    // A value lies between the end of a text and the start of the next one.
    const SomeValues values{Starts(0) + first + 1, Starts(0) + stride_ + first, 2 * stride_,
                            std::min(fields - first, kSome)};
    has_long |= simd_ == SimdLevel::kAvx512 ? CopySome512(values, count, first, sizes)
                                            : CopySome(values, count, first, sizes);
  }
  uint64_t too_long = 0;
  for (size_t line = 0; has_long && line < count; ++line) {
    const bool is_long = std::find(sizes[line].begin(), sizes[line].begin() + fields, UINT8_MAX) !=
                         sizes[line].begin() + fields;
    too_long |= uint64_t{is_long} << line;
  }
  return too_long;
}

// Makes the layout that accepts the run's first line the current one.
bool JsonLayoutParser::FindLayout() {
  for (size_t tried = 0, i = current_; tried < layouts_.size(); ++tried) {
    stride_ = layouts_[i].texts.size();
    if (Matches(layouts_[i], 0) && AreTokens(layouts_[i].unread_scalars, 0)) {
      current_ = i;
      return true;
    }
    i = i + 1 < layouts_.size() ? i + 1 : 0;
  }
  return false;
}

namespace {

// A block of 64 bytes of a line.
struct Block {
  __m256i a;
  __m256i b;

  VIGIL_INLINE explicit Block(const char* p) : a(Load(p)), b(Load(p + 32)) {}

  VIGIL_INLINE uint64_t Equal(char c) const {
    const __m256i all = _mm256_set1_epi8(c);
    return Mask(_mm256_cmpeq_epi8(a, all), _mm256_cmpeq_epi8(b, all));
  }
  // Not zero where a backslash, a control character or a byte beyond ASCII is: such bytes are
  // negative, so one comparison finds them and control characters.
  VIGIL_INLINE static __m256i Odd(__m256i bytes) {
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

// Writes the colons that follow a quote to `colons`, which has kColonsRoom, and returns their end,
// or `colons` if the line is declined.
uint32_t* JsonLayoutParser::ScanLine(std::string_view line, uint32_t* colons, Line* result) {
  if (line.size() > INT32_MAX) return colons;
  const auto size = static_cast<uint32_t>(line.size());
  uint32_t* out = colons;
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
    if (out > colons + kMaxFields) return colons;
  }
  uint64_t odd_at_end = 0;
  if (base < size) {
    const Block block(line.data() + base);
    const uint64_t valid = (uint64_t{1} << (size - base)) - 1;
    odd_at_end = Mask(Block::Odd(block.a), Block::Odd(block.b)) & valid;
    const uint64_t quote_bits = block.Equal('"') & valid;
    quotes += static_cast<uint32_t>(std::popcount(quote_bits));
    out = AppendPositions(NameEnds(quote_bits, block.Equal(':') & valid, &carry), base, out);
    if (out > colons + kMaxFields) return colons;
  }
  result->quotes = quotes;
  return EndScan(line, colons, out, odd_at_end != 0 || _mm256_testz_si256(odd, odd) == 0, result);
}

// g++ 12 takes what its own header leaves undefined on purpose for a mistake (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

VIGIL_AVX512 uint32_t* JsonLayoutParser::ScanLine512(std::string_view line, uint32_t* colons,
                                                     Line* result) {
  if (line.size() > INT32_MAX) return colons;
  const auto size = static_cast<uint32_t>(line.size());
  const __m512i places = _mm512_set_epi8(
      63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
      40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
      17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  uint32_t* out = colons;
  uint32_t quotes = 0;
  uint64_t carry = 0;
  // Bytes beyond ASCII are negative, so the least byte tells of them and of control characters; the
  // least one after an exclusive or is zero where there is a backslash.
  __m512i least = _mm512_set1_epi8('x');
  __m512i least_xored = least;
  for (uint32_t base = 0; base < size; base += 64) {
    const uint64_t valid = _bzhi_u64(~uint64_t{0}, std::min(size - base, 64u));
    const __m512i bytes = _mm512_mask_loadu_epi8(_mm512_set1_epi8('x'), valid, line.data() + base);
    least = _mm512_min_epi8(least, bytes);
    least_xored = _mm512_min_epu8(least_xored, _mm512_xor_si512(bytes, _mm512_set1_epi8('\\')));
    const uint64_t quote_bits = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"'));
    const uint64_t colon_bits = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(':'));
    quotes += static_cast<uint32_t>(std::popcount(quote_bits));
    const uint64_t ends = NameEnds(quote_bits, colon_bits, &carry);
    const auto count = static_cast<uint32_t>(std::popcount(ends));
    if (count > 16) [[unlikely]] {
      out = AppendPositions(ends, base, out);
    } else {
      const __m512i packed = _mm512_maskz_compress_epi8(ends, places);
      const __m512i wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed));
      _mm512_storeu_si512(out, _mm512_add_epi32(wide, _mm512_set1_epi32(static_cast<int>(base))));
      out += count;
    }
    if (out > colons + kMaxFields) return colons;
  }
  result->quotes = quotes;
  const bool is_odd = _mm512_cmplt_epi8_mask(least, _mm512_set1_epi8(' ')) != 0 ||
                      _mm512_testn_epi8_mask(least_xored, least_xored) != 0;
  return EndScan(line, colons, out, is_odd, result);
}

#pragma GCC diagnostic pop

// Ends the list of colons; of a line with odd bytes checks that they are UTF-8.
uint32_t* JsonLayoutParser::EndScan(std::string_view line, uint32_t* colons, uint32_t* end,
                                    bool is_odd, Line* result) {
  if (is_odd && !IsPlainUtf8(line)) return colons;
  result->fields = static_cast<uint32_t>(end - colons);
  // Places behind the last one are read, and must not look like more of the line.
  std::fill_n(end, kAfterColons, static_cast<uint32_t>(line.size()));
  return end + kAfterColons;
}

// Sets where the layout's texts are in a line of the run, if it has them.
bool JsonLayoutParser::Matches(const Layout& layout, size_t line) {
  const Line& scanned = scanned_[first_ + line];
  if (scanned.quotes != layout.quotes || scanned.fields != layout.fields) return false;
  const uint32_t* colons = colons_.data() + scanned.colons;
  if (colons[0] != layout.before_colon[0]) return false;
  const size_t texts = layout.texts.size();
  uint32_t* const starts = Starts(line);
  // Every text ends at or before the next one's start; this also keeps what is read inside the
  // line.
  __m256i too_near = _mm256_setzero_si256();
  for (size_t i = 0; i < texts; i += 8) {
    const __m256i at = Load(colons + i);
    const __m256i gap = _mm256_sub_epi32(Load(colons + i + 1), at);
    too_near =
        _mm256_or_si256(too_near, _mm256_cmpgt_epi32(Load(layout.least_gap.data() + i), gap));
    Store(_mm256_sub_epi32(at, Load(layout.before_colon.data() + i)), starts + i);
    Store(_mm256_add_epi32(at, Load(layout.after_colon.data() + i)), starts + texts + i);
  }
  if (_mm256_testz_si256(too_near, too_near) == 0) return false;
  __m256i differs = _mm256_setzero_si256();
  const Text* text = layout.texts.data();
  const char* data = lines_[first_ + line].data();
  for (size_t i = 0; i < texts; i += 8) {
#pragma GCC unroll 8
    for (size_t j = i; j < i + 8; ++j) {
      const __m256i found = Load(data + starts[j]);
      differs = _mm256_or_si256(
          differs, _mm256_and_si256(_mm256_xor_si256(found, Load(text[j].bytes.data())),
                                    Load(text[j].mask.data())));
    }
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

// True if each of these scalars of a line of the run is one token; notes if one is not valid.
bool JsonLayoutParser::AreTokens(const std::vector<uint32_t>& fields, size_t line) {
  const uint32_t* starts = Starts(line);
  const char* data = lines_[first_ + line].data();
  for (const uint32_t field : fields) {
    const char* start = data + starts[stride_ + field];
    const char* end = data + starts[field + 1];
    const auto size = static_cast<size_t>(end - start);
    if (IsPlainScalar({start, size}) || SkipJsonScalar(start, end) == end) [[likely]]
      continue;
    valid_json_ &= ~(uint64_t{1} << line);
    if (!IsToken(start, size)) return false;
  }
  return true;
}

void JsonLayoutParser::Learn(std::string_view line) {
  Layout layout;
  if (ScanFlatNames(line, &object_) && MakeLayout(line, &layout)) {
    Keep(std::move(layout));
  } else if (declined_ < kGiveUpAfter) {
    ++declined_;
  }
}

std::shared_ptr<const cep::TextFrame> JsonLayoutParser::FrameOf(const Layout& layout) {
  if (layout.fields == 0 || layout.fields > cep::TextFrame::kMaxValues) return nullptr;
  std::vector<std::string> texts;
  for (const Text& text : layout.texts) {
    const auto size = std::count(text.mask.begin(), text.mask.end(), uint8_t{0xFF});
    texts.emplace_back(text.bytes.data(), static_cast<size_t>(size));
  }
  return std::make_shared<const cep::TextFrame>(texts);
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
  layout->fields = static_cast<uint32_t>(object_.count);
  layout->frame = FrameOf(*layout);
  const size_t padded = (layout->texts.size() + 7) / 8 * 8;
  layout->texts.resize(padded);
  for (std::vector<uint32_t>* list :
       {&layout->before_colon, &layout->after_colon, &layout->least_gap}) {
    list->resize(padded);
  }
  std::vector<bool> found(projection_.names().size());
  for (const Use& use : layout->uses) found[use.place] = true;
  layout->has_all = std::find(found.begin(), found.end(), false) == found.end();
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
