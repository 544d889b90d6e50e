// Decodes a scalar once more, as YAML 1.2 chapters 7 and 8 say, noting where each byte came from.
// What libyaml read stays the truth: if the two differ, nothing is traced.

#include "rules/scalar_map.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "rules/text_width.h"

namespace vigil::rules {
namespace {

// A value under construction with the origin of each byte.
struct Traced {
  std::string value;
  std::vector<uint32_t> offsets;

  void Add(char c, size_t offset) {
    value += c;
    offsets.push_back(static_cast<uint32_t>(offset));
  }
  void Add(const Traced& other) {
    value += other.value;
    offsets.insert(offsets.end(), other.offsets.begin(), other.offsets.end());
  }
  void Clear() {
    value.clear();
    offsets.clear();
  }
};

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

void AddCodePoint(uint32_t c, size_t offset, Traced* out) {
  if (c < 0x80) return out->Add(static_cast<char>(c), offset);
  if (c < 0x800) {
    out->Add(static_cast<char>(0xc0 | (c >> 6)), offset);
  } else {
    if (c < 0x10000) {
      out->Add(static_cast<char>(0xe0 | (c >> 12)), offset);
    } else {
      out->Add(static_cast<char>(0xf0 | (c >> 18)), offset);
      out->Add(static_cast<char>(0x80 | ((c >> 12) & 0x3f)), offset);
    }
    out->Add(static_cast<char>(0x80 | ((c >> 6) & 0x3f)), offset);
  }
  out->Add(static_cast<char>(0x80 | (c & 0x3f)), offset);
}

// The text of one scalar, read forward.
class Input {
 public:
  Input(std::string_view text, size_t begin, size_t end)
      : text_(text), at_(begin), end_(std::min(end, text.size())) {}

  bool done() const { return at_ >= end_; }
  size_t at() const { return at_; }
  char peek(size_t ahead = 0) const { return at_ + ahead < end_ ? text_[at_ + ahead] : '\0'; }
  void Skip(size_t n = 1) { at_ += n; }
  bool AtBreak() const { return peek() == '\n' || (peek() == '\r' && peek(1) == '\n'); }
  void SkipBreak() { at_ += peek() == '\r' ? 2 : 1; }
  void SkipBlanks() {
    while (!done() && IsBlank(peek())) Skip();
  }

 private:
  std::string_view text_;
  size_t at_;
  size_t end_;
};

// Reads blanks and line breaks within a plain or quoted scalar: one break is a space, n breaks are
// n - 1.
void Fold(Input* in, bool is_escaped, Traced* out) {
  Traced blanks;
  size_t breaks = 0;
  size_t first_break = in->at();
  Traced lines;
  while (!in->done()) {
    if (in->AtBreak()) {
      if (breaks++ == 0) {
        first_break = in->at();
      } else {
        lines.Add('\n', in->at());
      }
      in->SkipBreak();
    } else if (IsBlank(in->peek())) {
      if (breaks == 0) blanks.Add(in->peek(), in->at());
      in->Skip();
    } else {
      break;
    }
  }
  if (breaks == 0) {
    out->Add(blanks);
  } else if (is_escaped) {
    out->Add(lines);
  } else if (breaks == 1) {
    out->Add(' ', first_break);
  } else {
    out->Add(lines);
  }
}

struct Escape {
  char letter;
  uint32_t code_point;
};
constexpr Escape kEscapes[] = {
    {'0', 0},   {'a', 7},     {'b', 8},    {'t', 9},    {'\t', 9},     {'n', 10},
    {'v', 11},  {'f', 12},    {'r', 13},   {'e', 27},   {' ', ' '},    {'"', '"'},
    {'/', '/'}, {'\\', '\\'}, {'N', 0x85}, {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029},
};

int HexDigits(char letter) { return letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0; }

uint32_t HexValue(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0');
  return static_cast<uint32_t>((c | 0x20) - 'a' + 10);
}

void ReadEscape(Input* in, Traced* out) {
  const size_t begin = in->at();
  in->Skip();
  if (in->AtBreak()) return Fold(in, /*is_escaped=*/true, out);
  const char letter = in->peek();
  in->Skip();
  for (const Escape& escape : kEscapes) {
    if (escape.letter == letter) return AddCodePoint(escape.code_point, begin, out);
  }
  uint32_t code_point = 0;
  for (int i = HexDigits(letter); i > 0 && !in->done(); --i) {
    code_point = code_point * 16 + HexValue(in->peek());
    in->Skip();
  }
  AddCodePoint(code_point, begin, out);
}

// Plain and quoted scalars; `quote` is 0 for plain.
Traced TraceFlow(Input in, char quote) {
  Traced out;
  if (quote != 0) in.Skip();
  while (!in.done()) {
    const char c = in.peek();
    if (c == quote && quote != 0) {
      if (quote == '"' || in.peek(1) != '\'') break;
      out.Add(c, in.at());
      in.Skip(2);
    } else if (c == '\\' && quote == '"') {
      ReadEscape(&in, &out);
    } else if (IsBlank(c) || in.AtBreak()) {
      Fold(&in, /*is_escaped=*/false, &out);
    } else {
      out.Add(c, in.at());
      in.Skip();
    }
  }
  out.offsets.push_back(static_cast<uint32_t>(in.at()));
  return out;
}

// Skips a block scalar's empty and less indented lines, and the indentation of the next one;
// collects their breaks.
size_t SkipIndent(Input* in, size_t indent, Traced* breaks) {
  for (;;) {
    size_t column = 0;
    while (!in->done() && column < indent && in->peek() == ' ') {
      in->Skip();
      ++column;
    }
    if (in->done() || !in->AtBreak()) return column;
    breaks->Add('\n', in->at());
    in->SkipBreak();
  }
}

// Literal and folded scalars whose lines are indented by `indent`; libyaml's
// yaml_parser_scan_block_scalar.
Traced TraceBlock(Input in, size_t indent, bool is_folded) {
  char chomping = 0;
  for (; !in.done() && !in.AtBreak(); in.Skip()) {
    if (chomping == 0 && (in.peek() == '+' || in.peek() == '-')) chomping = in.peek();
    if (in.peek() == '#') chomping = chomping == 0 ? ' ' : chomping;
  }
  if (!in.done()) in.SkipBreak();
  Traced out;
  Traced leading_break;
  Traced trailing_breaks;
  bool was_blank = false;
  size_t column = SkipIndent(&in, indent, &trailing_breaks);
  while (!in.done() && column == indent) {
    const bool is_blank = IsBlank(in.peek());
    if (is_folded && !leading_break.value.empty() && !was_blank && !is_blank) {
      if (trailing_breaks.value.empty()) out.Add(' ', leading_break.offsets[0]);
    } else {
      out.Add(leading_break);
    }
    leading_break.Clear();
    out.Add(trailing_breaks);
    trailing_breaks.Clear();
    was_blank = is_blank;
    for (; !in.done() && !in.AtBreak(); in.Skip()) out.Add(in.peek(), in.at());
    if (!in.done()) {
      leading_break.Add('\n', in.at());
      in.SkipBreak();
    }
    column = SkipIndent(&in, indent, &trailing_breaks);
  }
  if (chomping != '-') out.Add(leading_break);
  if (chomping == '+') out.Add(trailing_breaks);
  out.offsets.push_back(static_cast<uint32_t>(in.at()));
  return out;
}

// How far the first line with text in it is indented; an explicit indentation can only be less.
size_t DetectIndent(Input in) {
  while (!in.done() && !in.AtBreak()) in.Skip();
  size_t column = 0;
  while (!in.done()) {
    if (in.AtBreak()) {
      in.SkipBreak();
      column = 0;
    } else if (in.peek() == ' ') {
      in.Skip();
      ++column;
    } else {
      break;
    }
  }
  return column;
}

Traced Trace(const SourceText& source, const Node& scalar) {
  const Input in(source.text(), scalar.range.begin, scalar.range.end);
  switch (scalar.style) {
    case ScalarStyle::kPlain:
      return TraceFlow(in, 0);
    case ScalarStyle::kSingleQuoted:
      return TraceFlow(in, '\'');
    case ScalarStyle::kDoubleQuoted:
      return TraceFlow(in, '"');
    case ScalarStyle::kLiteral:
    case ScalarStyle::kFolded:
      break;
  }
  // An explicit indentation indicator counts from the parent's, which is not known here: the one
  // that gives the value is the right one.
  constexpr size_t kMaxTries = 16;
  const size_t detected = DetectIndent(in);
  for (size_t i = 0; i <= std::min(detected, kMaxTries); ++i) {
    Traced traced = TraceBlock(in, detected - i, scalar.style == ScalarStyle::kFolded);
    if (traced.value == scalar.value) return traced;
  }
  return {};
}

}  // namespace

ScalarMap::ScalarMap(const SourceText& source, const Node& scalar) : whole_(scalar.range) {
  if (scalar.value.size() > kMaxTraced) return;
  Traced traced = Trace(source, scalar);
  if (traced.value == scalar.value && traced.offsets.size() == scalar.value.size() + 1) {
    offsets_ = std::move(traced.offsets);
  }
}

Range ScalarMap::At(uint32_t begin, uint32_t end) const {
  if (offsets_.empty()) return whole_;
  const uint32_t last = static_cast<uint32_t>(offsets_.size() - 1);
  begin = std::min(begin, last);
  end = std::clamp(end, begin, last);
  Range range{offsets_[begin], offsets_[begin] + 1};
  // The end is that of the last byte, not the begin of what follows, which may stand on the next
  // line.
  if (end > begin) range.end = std::max(range.end, offsets_[end - 1] + 1);
  return range;
}

}  // namespace vigil::rules
