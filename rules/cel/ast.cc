#include "rules/cel/ast.h"

#include <array>

namespace vigil::rules::cel {
namespace {

struct CompareRow {
  std::string_view text;
  cep::CompareOp mirrored;
};

// In the order of cep::CompareOp.
constexpr std::array<CompareRow, 7> kCompareRows = {{
    {"==", cep::CompareOp::kEq},
    {"!=", cep::CompareOp::kNe},
    {"<", cep::CompareOp::kGt},
    {"<=", cep::CompareOp::kGe},
    {">", cep::CompareOp::kLt},
    {">=", cep::CompareOp::kLe},
    {"in", cep::CompareOp::kIn},
}};

// In the order of Macro.
constexpr std::array<std::string_view, 11> kMacroNames = {
    "all",    "exists",        "exists_one",   "map",
    "filter", "transformList", "transformMap", "transformMapEntry",
    "sortBy", "optMap",        "optFlatMap"};

}  // namespace

Expr* Ast::New(ExprKind kind, Span span, Span token) {
  Expr& expr = nodes_.emplace_back();
  expr.kind = kind;
  expr.span = span;
  expr.token = token;
  return &expr;
}

std::string_view MacroName(Macro macro) { return kMacroNames[static_cast<size_t>(macro)]; }

std::string_view OperatorText(cep::CompareOp op) {
  return kCompareRows[static_cast<size_t>(op)].text;
}

cep::CompareOp Mirrored(cep::CompareOp op) {
  return kCompareRows[static_cast<size_t>(op)].mirrored;
}

}  // namespace vigil::rules::cel
