// regex: extract and replace, by RE2. Source: cel-go's regex extension.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "rules/cel/functions.h"
#include "rules/cel/regex.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

constexpr size_t kBytesPerStep = 64;
constexpr int kMaxGroups = 10;  // of which a replacement may name \0 to \9

// The pattern of args[1], compiled; null, with an error, if it cannot be.
Pattern Compile(CallContext& context, const Value* args, Value* error) {
  if (!context.work.Spend(kPatternSteps)) {
    *error = Value::Error(kTooMuchWork);
    return nullptr;
  }
  std::string why;
  Pattern pattern = CompilePattern(args[1].text(), &why);
  if (pattern == nullptr) *error = MakeError(context.arena, why);
  return pattern;
}

// Goes through the matches of a pattern in a text that do not overlap, as Go's regexp does: an
// empty match right after the match before it does not count.
class Matches {
 public:
  Matches(CallContext& context, const re2::RE2& pattern, std::string_view text)
      : context_(context), pattern_(pattern), text_(text.data(), text.size()) {}

  // False at the end. Groups beyond the pattern's are empty with a null pointer.
  bool Next(std::array<re2::StringPiece, kMaxGroups>& groups) {
    while (at_ <= text_.size()) {
      // A search may look at all that is left, even where it matches early.
      if (!context_.work.Spend(1 + (text_.size() - at_) / kBytesPerStep)) {
        out_of_work_ = true;
        return false;
      }
      groups.fill(re2::StringPiece());
      const int count = std::min(kMaxGroups, pattern_.NumberOfCapturingGroups() + 1);
      if (!pattern_.Match(text_, at_, text_.size(), re2::RE2::UNANCHORED, groups.data(), count)) {
        return false;
      }
      const auto begin = static_cast<size_t>(groups[0].data() - text_.data());
      const size_t end = begin + groups[0].size();
      const bool empty = groups[0].empty();
      const bool counts = !(empty && begin == last_end_ && matched_);
      at_ = empty ? end + CharacterAt(end) : end;
      if (!counts) continue;
      matched_ = true;
      last_end_ = end;
      return true;
    }
    return false;
  }

  bool out_of_work() const { return out_of_work_; }

 private:
  size_t CharacterAt(size_t at) const {
    size_t length = 1;
    while (at + length < text_.size() && (text_[at + length] & 0xC0) == 0x80) ++length;
    return length;
  }

  CallContext& context_;
  const re2::RE2& pattern_;
  re2::StringPiece text_;
  size_t at_ = 0;
  size_t last_end_ = 0;
  bool matched_ = false;
  bool out_of_work_ = false;
};

std::string_view View(re2::StringPiece piece) { return {piece.data(), piece.size()}; }

// The pattern of an extraction: one group at most.
Pattern CompileForExtract(CallContext& context, const Value* args, Value* error) {
  Pattern pattern = Compile(context, args, error);
  if (pattern != nullptr && pattern->NumberOfCapturingGroups() > 1) {
    *error = Value::Error("the regular expression has more than one group");
    return nullptr;
  }
  return pattern;
}

// What a match gives: its group, or all of it where there is none. Null where the group is empty.
re2::StringPiece Extracted(const re2::RE2& pattern,
                           const std::array<re2::StringPiece, kMaxGroups>& groups) {
  if (pattern.NumberOfCapturingGroups() == 0) return groups[0];
  return groups[1].empty() ? re2::StringPiece() : groups[1];
}

Value Extract(CallContext& context, const Value* args) {
  Value error;
  const Pattern pattern = CompileForExtract(context, args, &error);
  if (pattern == nullptr) return error;
  std::array<re2::StringPiece, kMaxGroups> groups;
  if (!Matches(context, *pattern, args[0].text()).Next(groups)) return OptionalNone();
  const re2::StringPiece found = Extracted(*pattern, groups);
  if (found.data() == nullptr) return OptionalNone();
  return OptionalOf(Value::String(View(found)), context.arena);
}

Value ExtractAll(CallContext& context, const Value* args) {
  Value error;
  const Pattern pattern = CompileForExtract(context, args, &error);
  if (pattern == nullptr) return error;
  std::vector<Value> found;
  Matches matches(context, *pattern, args[0].text());
  for (std::array<re2::StringPiece, kMaxGroups> groups; matches.Next(groups);) {
    const re2::StringPiece part = Extracted(*pattern, groups);
    if (part.data() != nullptr) found.push_back(Value::String(View(part)));
    if (found.size() > kMaxListSize) return Value::Error(kListTooLong);
  }
  if (matches.out_of_work()) return Value::Error(kTooMuchWork);
  Value* items = context.arena.New<Value>(found.size());
  std::copy(found.begin(), found.end(), items);
  return Value::List(items, static_cast<uint32_t>(found.size()));
}

// A replacement with its groups put in; false if it is malformed, with the reason in `why`.
bool AppendReplacement(std::string_view replacement, int group_count,
                       const std::array<re2::StringPiece, kMaxGroups>& groups, std::string* out,
                       std::string* why) {
  for (size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '\\') {
      *out += replacement[i];
      continue;
    }
    const char next = ++i < replacement.size() ? replacement[i] : '\0';
    if (next == '\\') {
      *out += '\\';
    } else if (next < '0' || next > '9') {
      *why = "in a replacement a digit or a backslash follows a backslash";
      return false;
    } else if (next - '0' > group_count) {
      *why = "the replacement names group " + std::string(1, next) +
             " of a regular expression with " + std::to_string(group_count);
      return false;
    } else {
      *out += View(groups[static_cast<size_t>(next - '0')]);
    }
  }
  return true;
}

Value ReplaceUpTo(CallContext& context, const Value* args, int64_t limit) {
  if (limit == 0) return args[0];
  Value error;
  const Pattern pattern = Compile(context, args, &error);
  if (pattern == nullptr) return error;
  const std::string_view text = args[0].text();
  std::string out;
  std::string why;
  size_t last_end = 0;
  Matches matches(context, *pattern, text);
  for (std::array<re2::StringPiece, kMaxGroups> groups; limit != 0 && matches.Next(groups);
       --limit) {
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    out += text.substr(last_end, begin - last_end);
    if (!AppendReplacement(args[2].text(), pattern->NumberOfCapturingGroups(), groups, &out,
                           &why)) {
      return MakeError(context.arena, why);
    }
    last_end = begin + groups[0].size();
    if (out.size() > kMaxTextSize) return Value::Error(kTextTooLong);
  }
  if (matches.out_of_work()) return Value::Error(kTooMuchWork);
  out += text.substr(last_end);
  return MakeText(context, out);
}

Value Replace(CallContext& context, const Value* args) { return ReplaceUpTo(context, args, -1); }

Value ReplaceLimited(CallContext& context, const Value* args) {
  return ReplaceUpTo(context, args, args[3].i);
}

}  // namespace

std::vector<FunctionRow> RegexRows() {
  return {
      {"regex.replace(string, string, string) -> string",
       "With every match of a pattern replaced; \\1 to \\9 in the replacement are its groups.",
       &Replace, Cost::kPattern},
      {"regex.replace(string, string, string, int) -> string",
       "The same for the first so many matches; all if negative.", &ReplaceLimited, Cost::kPattern},
      {"regex.extract(string, string) -> optional_type(string)",
       "The first match of a pattern, or of its only group; none if that is missing or empty.",
       &Extract, Cost::kPattern},
      {"regex.extractAll(string, string) -> list(string)",
       "All matches of a pattern, or of its only group where that is not empty.", &ExtractAll,
       Cost::kPattern},
  };
}

}  // namespace vigil::rules::cel
