// Fuzz target: any bytes to the lexer and parser of conditions. Places of tokens and issues are
// within the text; a tree without errors prints as text that reads back as the same tree.
#include <cstdint>
#include <string>
#include <string_view>

#include "cep/base/check.h"
#include "rules/cel/ast.h"
#include "rules/cel/lexer.h"
#include "rules/cel/parser.h"
#include "rules/cel/text.h"

namespace {

namespace cel = vigil::rules::cel;

void CheckTokens(std::string_view text) {
  cel::IssueList issues;
  uint32_t end = 0;
  for (const cel::Token& token : cel::Tokenize(text, issues)) {
    CEP_CHECK(end <= token.span.begin && token.span.begin <= token.span.end);
    CEP_CHECK(token.span.end <= text.size());
    end = token.span.end;
  }
}

void CheckTree(std::string_view text, bool macros) {
  cel::ParseOptions options;
  options.macros = macros;
  cel::Ast ast;
  cel::IssueList issues;
  const cel::Expr* root = cel::Parse(text, options, ast, issues);
  CEP_CHECK(root != nullptr);
  for (const cel::Issue& issue : issues.issues()) {
    CEP_CHECK(issue.begin <= issue.end && issue.end <= text.size() + 1);
    CEP_CHECK(!issue.message.empty());
  }
  if (issues.has_errors()) return;
  const std::string printed = cel::ToText(*root);
  if (printed.size() > cel::kMaxTextBytes) return;
  cel::Ast again_ast;
  cel::IssueList again_issues;
  const cel::Expr* again = cel::Parse(printed, options, again_ast, again_issues);
  // Parentheses count as nesting, so that text near the limit may print past it.
  if (again_issues.has_errors()) {
    CEP_CHECK(again_issues.issues()[0].code == "V0203");
    return;
  }
  CEP_CHECK(cel::ToText(*again) == printed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckTokens(text);
  CheckTree(text, /*macros=*/true);
  CheckTree(text, /*macros=*/false);
  return 0;
}
