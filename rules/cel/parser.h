// CEL text to an expression tree.
//
// A precedence-climbing parser after the grammar of google/cel-spec doc/langdef.md. A syntax error
// is reported, the parser skips to the next comma, closing bracket, && or || and goes on: one call
// reports what it can. Chains of && and of || become one node, so that their length costs no depth.
// Tests: tests/rules/cel_parser_test.cc.
#pragma once

#include <string_view>

#include "rules/cel/ast.h"
#include "rules/cel/issues.h"

namespace vigil::rules::cel {

struct ParseOptions {
  bool macros = true;  // false: `x.all(...)` is an ordinary call
};

// The tree of `text`; never null, parts that could not be read are ExprKind::kError.
Expr* Parse(std::string_view text, const ParseOptions& options, Ast& ast, IssueList& issues);

// Whether the word cannot be a name: `for`, `in`, `true`, ... It may still be selected:
// `event.for`.
bool IsReservedWord(std::string_view word);

}  // namespace vigil::rules::cel
