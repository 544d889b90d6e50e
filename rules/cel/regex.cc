#include "rules/cel/regex.h"

#include <re2/re2.h>

namespace vigil::rules::cel {
namespace {

constexpr int64_t kMaxPatternBytes = 1 << 20;  // of a compiled pattern and its automaton

}  // namespace

Pattern CompilePattern(std::string_view text, std::string* why) {
  if (text.size() > kMaxPatternText) {
    *why = "a regular expression of " + std::to_string(text.size()) + " bytes, at most " +
           std::to_string(kMaxPatternText) + " are allowed";
    return nullptr;
  }
  re2::RE2::Options options;
  options.set_max_mem(kMaxPatternBytes);
  options.set_log_errors(false);
  auto pattern = std::make_shared<re2::RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (pattern->ok()) return pattern;
  *why = "invalid regular expression: " + pattern->error();
  return nullptr;
}

bool PartialMatch(const re2::RE2& pattern, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

}  // namespace vigil::rules::cel
