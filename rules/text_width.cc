#include "rules/text_width.h"

#include <algorithm>
#include <iterator>

namespace vigil::rules {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// The larger blocks of Unicode's East_Asian_Width W and F, and emoji; enough to put a caret under
// the right place.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x2614, 0x2615},   {0x26a1, 0x26a1},   {0x2705, 0x2705},   {0x274c, 0x274c},
    {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},
    {0xa000, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

// Combining marks and other characters without a width of their own.
constexpr Range kZeroWidth[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f},
    {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

template <size_t N>
bool IsIn(const Range (&ranges)[N], uint32_t c) {
  const Range* after = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                        [](uint32_t v, const Range& r) { return v < r.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

// The length of the sequence that a first byte announces; 0 for a byte that starts none.
int SequenceLength(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

}  // namespace

uint32_t NextCodePoint(std::string_view text, size_t* at) {
  constexpr uint32_t kReplacement = 0xfffd;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t begin = *at;
  const int length = SequenceLength(byte(begin));
  *at = begin + 1;
  if (length == 1) return byte(begin);
  if (length == 0 || text.size() - begin < static_cast<size_t>(length)) return kReplacement;
  uint32_t c = byte(begin) & (0x7fu >> length);
  for (int i = 1; i < length; ++i) {
    if ((byte(begin + i) & 0xc0) != 0x80) return kReplacement;
    c = (c << 6) | (byte(begin + i) & 0x3f);
  }
  // Overlong forms, surrogates, beyond Unicode (RFC 3629).
  if (length == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) return kReplacement;
  if (length == 4 && (c < 0x10000 || c > 0x10ffff)) return kReplacement;
  *at = begin + static_cast<size_t>(length);
  return c;
}

uint32_t CountCodePoints(std::string_view text) {
  return static_cast<uint32_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

size_t FindInvalidUtf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const size_t begin = at;
    NextCodePoint(text, &at);
    if (at == begin + 1) return begin;
  }
  return std::string_view::npos;
}

int DisplayWidth(uint32_t code_point) {
  if (code_point < 0x300) return 1;
  if (IsIn(kZeroWidth, code_point)) return 0;
  return IsIn(kWide, code_point) ? 2 : 1;
}

}  // namespace vigil::rules
