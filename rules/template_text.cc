#include "rules/template_text.h"

namespace vigil::rules {
namespace {

// The end of the CEL string literal that begins at `at`; past the end of the text if it is not
// closed.
size_t SkipString(std::string_view text, size_t at) {
  const bool is_raw = at > 0 && (text[at - 1] == 'r' || text[at - 1] == 'R');
  const char quote = text[at];
  const std::string triple(3, quote);
  const bool is_triple = text.substr(at, 3) == triple;
  at += is_triple ? 3 : 1;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\' && !is_raw) {
      ++at;
    } else if (is_triple ? text.substr(at, 3) == triple : text[at] == quote) {
      return at + (is_triple ? 3 : 1);
    }
  }
  return at;
}

// The offset of the brace that closes the expression which begins at `at`, or npos.
size_t FindEnd(std::string_view text, size_t at) {
  size_t open = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = SkipString(text, at);
      continue;
    }
    if (c == '{') ++open;
    if (c == '}' && open-- == 0) return at;
    ++at;
  }
  return std::string_view::npos;
}

}  // namespace

TemplateSplit SplitTemplate(std::string_view text) {
  TemplateSplit split;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) split.pieces.push_back({false, std::move(literal), {}, 0});
    literal.clear();
  };
  const auto fail = [&](size_t at, std::string problem) {
    split.problem = std::move(problem);
    split.problem_at = static_cast<uint32_t>(at);
  };
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at, 3) == "$${") {
      literal += "${";
      at += 3;
    } else if (text.substr(at, 2) == "${") {
      const size_t end = FindEnd(text, at + 2);
      if (end == std::string_view::npos) {
        fail(at, "`${` is not closed by `}`");
        break;
      }
      const std::string_view expression = text.substr(at + 2, end - at - 2);
      if (expression.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        fail(at, "`${}` holds no expression");
        break;
      }
      flush();
      split.pieces.push_back({true, "", expression, static_cast<uint32_t>(at + 2)});
      at = end + 1;
    } else {
      literal += text[at++];
    }
  }
  flush();
  return split;
}

}  // namespace vigil::rules
