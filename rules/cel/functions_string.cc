// Functions on strings. Positions and lengths count Unicode code points, as CEL's do.
#include <algorithm>
#include <cstring>
#include <string>

#include "rules/cel/functions.h"
#include "rules/cel/literal.h"
#include "rules/cel/regex.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

constexpr size_t kNone = std::string_view::npos;

size_t CharacterLength(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The byte at which code point number `position` starts; the end for the one past the last, else
// npos.
size_t ByteOffset(std::string_view text, int64_t position) {
  if (position < 0) return kNone;
  size_t at = 0;
  for (; position > 0; --position) {
    if (at >= text.size()) return kNone;
    at += CharacterLength(text[at]);
  }
  return std::min(at, text.size());
}

int64_t CodePointsBefore(std::string_view text, size_t byte) {
  return CountCodePoints(text.substr(0, byte));
}

Value IndexError(CallContext& context, int64_t index) {
  return MakeError(context.arena, "index out of range: " + std::to_string(index));
}

// Where `part` is first found from byte `from` on; linear in the text, whatever the part.
size_t Find(std::string_view text, std::string_view part, size_t from = 0) {
  if (from > text.size() || part.size() > text.size() - from) return kNone;
  if (part.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? kNone
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

Value Contains(CallContext&, const Value* args) {
  return Value::Bool(Find(args[0].text(), args[1].text()) != kNone);
}

Value StartsWith(CallContext&, const Value* args) {
  return Value::Bool(args[0].text().substr(0, args[1].size) == args[1].text());
}

Value EndsWith(CallContext&, const Value* args) {
  return Value::Bool(args[0].size >= args[1].size &&
                     args[0].text().substr(args[0].size - args[1].size) == args[1].text());
}

Value Matches(CallContext& context, const Value* args) {
  std::string why;
  if (!context.work.Spend(kPatternSteps)) return Value::Error(kTooMuchWork);
  const Pattern pattern = CompilePattern(args[1].text(), &why);
  if (pattern == nullptr) return MakeError(context.arena, why);
  return Value::Bool(PartialMatch(*pattern, args[0].text()));
}

template <char kFirst, char kLast, int kShift>
Value ShiftLetters(CallContext& context, const Value* args) {
  const std::string_view text = args[0].text();
  char* out = static_cast<char*>(context.arena.Allocate(text.size() + 1, 1));
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    out[i] = c >= kFirst && c <= kLast ? static_cast<char>(c + kShift) : c;
  }
  return Value::String({out, text.size()});
}

// White space of Unicode (the property White_Space), as UTF-8, beyond ASCII's.
constexpr std::string_view kWideSpaces[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001",
                                            "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
                                            "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
                                            "\u2029", "\u202f", "\u205f", "\u3000"};

// The bytes of the white space character at the start (or the end) of the text; 0 if there is none.
size_t SpaceLength(std::string_view text, bool at_end) {
  if (text.empty()) return 0;
  const char c = at_end ? text.back() : text.front();
  if (c == ' ' || (c >= '\t' && c <= '\r')) return 1;
  for (const std::string_view space : kWideSpaces) {
    if (text.size() < space.size()) continue;
    const size_t from = at_end ? text.size() - space.size() : 0;
    if (text.substr(from, space.size()) == space) return space.size();
  }
  return 0;
}

Value Trim(CallContext&, const Value* args) {
  std::string_view text = args[0].text();
  while (const size_t length = SpaceLength(text, false)) text.remove_prefix(length);
  while (const size_t length = SpaceLength(text, true)) text.remove_suffix(length);
  return Value::String(text);
}

Value CharAt(CallContext& context, const Value* args) {
  const std::string_view text = args[0].text();
  const size_t at = ByteOffset(text, args[1].i);
  if (at == kNone) return IndexError(context, args[1].i);
  if (at == text.size()) return Value::String("");
  return Value::String(text.substr(at, CharacterLength(text[at])));
}

Value IndexOf(CallContext&, const Value* args) {
  const size_t at = Find(args[0].text(), args[1].text());
  return Value::Int(at == kNone ? -1 : CodePointsBefore(args[0].text(), at));
}

Value IndexOfFrom(CallContext& context, const Value* args) {
  const size_t from = ByteOffset(args[0].text(), args[2].i);
  if (from == kNone) return IndexError(context, args[2].i);
  const size_t at = Find(args[0].text(), args[1].text(), from);
  return Value::Int(at == kNone ? -1 : CodePointsBefore(args[0].text(), at));
}

Value LastIndexOf(CallContext&, const Value* args) {
  const size_t at = args[0].text().rfind(args[1].text());
  return Value::Int(at == kNone ? -1 : CodePointsBefore(args[0].text(), at));
}

Value LastIndexOfFrom(CallContext& context, const Value* args) {
  const size_t from = ByteOffset(args[0].text(), args[2].i);
  if (from == kNone) return IndexError(context, args[2].i);
  const size_t at = args[0].text().rfind(args[1].text(), from);
  return Value::Int(at == kNone ? -1 : CodePointsBefore(args[0].text(), at));
}

Value SubstringFrom(CallContext& context, const Value* args) {
  const size_t begin = ByteOffset(args[0].text(), args[1].i);
  if (begin == kNone) return IndexError(context, args[1].i);
  return Value::String(args[0].text().substr(begin));
}

Value Substring(CallContext& context, const Value* args) {
  const size_t begin = ByteOffset(args[0].text(), args[1].i);
  if (begin == kNone) return IndexError(context, args[1].i);
  const size_t end = ByteOffset(args[0].text(), args[2].i);
  if (end == kNone) return IndexError(context, args[2].i);
  if (end < begin) return Value::Error("the substring would end before it starts");
  return Value::String(args[0].text().substr(begin, end - begin));
}

// The parts of `text`, at most `limit` (negative: any number). An empty separator splits into
// characters.
Value SplitText(CallContext& context, std::string_view text, std::string_view separator,
                int64_t limit) {
  if (limit == 0) return Value::List(nullptr, 0);
  uint64_t most = separator.empty() ? static_cast<uint64_t>(CountCodePoints(text)) : 1;
  if (!separator.empty()) {
    for (size_t at = Find(text, separator); at != kNone;
         at = Find(text, separator, at + separator.size())) {
      ++most;
    }
  }
  if (limit > 0) most = std::min(most, static_cast<uint64_t>(limit));
  if (most > kMaxListSize) return Value::Error(kListTooLong);
  Value* items = context.arena.New<Value>(most);
  for (uint64_t i = 0; i < most; ++i) {
    const bool last = i + 1 == most;
    const size_t length = last                ? text.size()
                          : separator.empty() ? CharacterLength(text[0])
                                              : Find(text, separator);
    items[i] = Value::String(text.substr(0, length));
    text.remove_prefix(std::min(length + (last ? 0 : separator.size()), text.size()));
  }
  return Value::List(items, static_cast<uint32_t>(most));
}

Value Split(CallContext& context, const Value* args) {
  return SplitText(context, args[0].text(), args[1].text(), -1);
}

Value SplitLimited(CallContext& context, const Value* args) {
  return SplitText(context, args[0].text(), args[1].text(), args[2].i);
}

Value JoinTexts(CallContext& context, const Value& list, std::string_view separator) {
  std::string out;
  for (uint32_t i = 0; i < list.size; ++i) {
    if (list.list[i].tag != cep::ValueTag::kString) {
      return Value::Error("no such overload: join of a list that holds other values than strings");
    }
    if (i > 0) out += separator;
    out += list.list[i].text();
    if (out.size() > kMaxTextSize) return Value::Error(kTextTooLong);
  }
  return MakeText(context, out);
}

Value Join(CallContext& context, const Value* args) { return JoinTexts(context, args[0], ""); }

Value JoinSeparated(CallContext& context, const Value* args) {
  return JoinTexts(context, args[0], args[1].text());
}

Value ReplaceText(CallContext& context, const Value* args, int64_t limit) {
  const std::string_view text = args[0].text();
  const std::string_view from = args[1].text();
  std::string out;
  size_t at = 0;
  for (; limit != 0; --limit) {
    // An empty text is found before every character and at the end.
    const size_t found = from.empty() ? at : Find(text, from, at);
    if (found == kNone) break;
    out += text.substr(at, found - at);
    out += args[2].text();
    at = found + from.size();
    if (out.size() > kMaxTextSize) return Value::Error(kTextTooLong);
    if (!from.empty()) continue;
    if (at >= text.size()) break;
    const size_t length = std::min(CharacterLength(text[at]), text.size() - at);
    out += text.substr(at, length);
    at += length;
  }
  if (at < text.size()) out += text.substr(at);
  return MakeText(context, out);
}

Value Replace(CallContext& context, const Value* args) { return ReplaceText(context, args, -1); }

Value ReplaceLimited(CallContext& context, const Value* args) {
  return ReplaceText(context, args, args[3].i);
}

Value Reverse(CallContext& context, const Value* args) {
  const std::string_view text = args[0].text();
  char* out = static_cast<char*>(context.arena.Allocate(text.size() + 1, 1));
  char* end = out + text.size();
  for (size_t at = 0; at < text.size();) {
    const size_t length = std::min(CharacterLength(text[at]), text.size() - at);
    end -= length;
    std::memcpy(end, text.data() + at, length);
    at += length;
  }
  return Value::String({out, text.size()});
}

}  // namespace

std::vector<FunctionRow> StringRows() {
  return {
      {"string.contains(string) -> bool", "Whether the text has this part.", &Contains,
       Cost::kLinear},
      {"string.startsWith(string) -> bool", "Whether the text begins so.", &StartsWith,
       Cost::kLinear},
      {"string.endsWith(string) -> bool", "Whether the text ends so.", &EndsWith, Cost::kLinear},
      {"string.matches(string) -> bool", "Whether an RE2 pattern matches some part.", &Matches,
       Cost::kPattern},
      {"matches(string, string) -> bool", "Whether an RE2 pattern matches some part.", &Matches,
       Cost::kPattern},
      {"string.lowerAscii() -> string", "With the letters A to Z in lower case.",
       &ShiftLetters<'A', 'Z', 'a' - 'A'>, Cost::kLinear},
      {"string.upperAscii() -> string", "With the letters a to z in upper case.",
       &ShiftLetters<'a', 'z', 'A' - 'a'>, Cost::kLinear},
      {"string.trim() -> string", "Without white space at both ends.", &Trim, Cost::kLinear},
      {"string.charAt(int) -> string", "The character at a position; empty at the end.", &CharAt,
       Cost::kLinear},
      {"string.indexOf(string) -> int", "Where the part is first found, or -1.", &IndexOf,
       Cost::kLinear},
      {"string.indexOf(string, int) -> int", "The same, from a position on.", &IndexOfFrom,
       Cost::kLinear},
      {"string.lastIndexOf(string) -> int", "Where the part is last found, or -1.", &LastIndexOf,
       Cost::kProduct},
      {"string.lastIndexOf(string, int) -> int", "The same, up to a position.", &LastIndexOfFrom,
       Cost::kProduct},
      {"string.substring(int) -> string", "The text from a position on.", &SubstringFrom,
       Cost::kLinear},
      {"string.substring(int, int) -> string", "The text from a position up to another one.",
       &Substring, Cost::kLinear},
      {"string.split(string) -> list(string)", "The parts between a separator.", &Split,
       Cost::kLinear},
      {"string.split(string, int) -> list(string)", "The same, at most so many parts.",
       &SplitLimited, Cost::kLinear},
      {"list(string).join() -> string", "The texts in a row.", &Join, Cost::kLinear},
      {"list(string).join(string) -> string", "The texts with a separator between.", &JoinSeparated,
       Cost::kLinear},
      {"string.replace(string, string) -> string", "With every such part replaced.", &Replace,
       Cost::kLinear},
      {"string.replace(string, string, int) -> string", "With the first so many parts replaced.",
       &ReplaceLimited, Cost::kLinear},
      {"string.reverse() -> string", "With the characters in reverse order.", &Reverse,
       Cost::kLinear},
  };
}

}  // namespace vigil::rules::cel
