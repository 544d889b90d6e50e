#include "rules/cel/fold.h"

#include <algorithm>

#include "rules/cel/emitter.h"
#include "rules/cel/functions.h"

namespace vigil::rules::cel {
namespace {

constexpr uint32_t kMaxFoldedSize =
    64 * 1024;  // bytes or items; larger results are made when needed

bool IsBoolLiteral(const Expr* expr, bool value) {
  return expr->kind == ExprKind::kLiteral && expr->literal.tag == cep::ValueTag::kBool &&
         expr->literal.b == value;
}

// Reads no event, no stage and no variable of a macro around it.
bool IsClosed(const Expr& expr) {
  return !expr.reads_event && !expr.reads_stage && expr.lowest_local == kNoLocal;
}

class Folder {
 public:
  explicit Folder(Ast& ast) : ast_(ast) {}

  void Fold(Expr* expr) {
    if (expr->kind == ExprKind::kLiteral || !expr->failure.empty()) return;
    if (expr->ref == RefKind::kInlined) return FoldInlined(expr);
    if (expr->ref == RefKind::kField) return;
    const bool was_closed = IsClosed(*expr);
    if (was_closed && work_.left > 0 && Evaluate(expr)) return;
    for (Expr* arg : expr->args) Fold(arg);
    if (expr->kind == ExprKind::kAnd || expr->kind == ExprKind::kOr) FoldLogic(expr);
    if (expr->kind == ExprKind::kConditional) FoldConditional(expr);
    if (was_closed || expr->kind == ExprKind::kLiteral) return;
    UpdateReads(expr);  // what was read may be gone: `!(x || true)`
    if (IsClosed(*expr) && work_.left > 0) Evaluate(expr);
  }

 private:
  // What the expression reads, now that its parts are folded.
  static void UpdateReads(Expr* expr) {
    if (expr->ref != RefKind::kNone) return;
    expr->reads_event = expr->reads_stage = false;
    expr->lowest_local = kNoLocal;
    for (const Expr* arg : expr->args) {
      expr->reads_event |= arg->reads_event;
      expr->reads_stage |= arg->reads_stage;
      expr->lowest_local = std::min(expr->lowest_local, arg->lowest_local);
    }
    const bool defines_locals = expr->kind == ExprKind::kComprehension ||
                                expr->kind == ExprKind::kBind ||
                                expr->kind == ExprKind::kOptionalMap;
    if (defines_locals && expr->lowest_local >= expr->index) expr->lowest_local = kNoLocal;
  }

  void FoldInlined(Expr* expr) {
    Fold(expr->args[0]);
    if (expr->args[0]->kind == ExprKind::kLiteral) MakeLiteral(expr, expr->args[0]->literal);
  }

  static void MakeLiteral(Expr* expr, const cep::Value& value) {
    expr->kind = ExprKind::kLiteral;
    expr->ref = RefKind::kNone;
    expr->as_value = false;
    expr->literal = value;
    expr->args.clear();
    expr->reads_event = expr->reads_stage = false;
    expr->lowest_local = kNoLocal;
  }

  // True if `expr` is now a literal.
  bool Evaluate(Expr* expr) {
    const std::shared_ptr<const Program> program = EmitProgram(*expr, nullptr);
    if (program == nullptr) return false;
    scratch_.Reset();
    cep::EvalContext context;
    context.arena = &scratch_;
    const cep::Value value = program->Run(context, work_);
    if (value.is_error()) return false;
    const bool sized = value.tag >= cep::ValueTag::kString && value.tag <= cep::ValueTag::kBytes;
    const bool nested = value.tag == cep::ValueTag::kList || value.tag == cep::ValueTag::kMap;
    if ((sized || nested) && value.size > kMaxFoldedSize) return false;
    if (scratch_.bytes_used() > kMaxFoldedBytes) return false;
    MakeLiteral(expr, CopyValue(value, ast_.arena()));
    return true;
  }

  // Whether the value of a part of type bool is a bool or an error, never null.
  static bool IsBoolOrError(const Expr& expr) {
    if (expr.type->tag != TypeTag::kBool) return false;
    switch (expr.kind) {
      case ExprKind::kLiteral:
      case ExprKind::kHas:
      case ExprKind::kAnd:
      case ExprKind::kOr:
      case ExprKind::kCompare:
      case ExprKind::kComprehension:
        return true;
      case ExprKind::kCall:
        return IsOperator(expr.name);
      default:
        return false;
    }
  }

  // Operands that are neutral go; one that settles the result is the result.
  static void FoldLogic(Expr* expr) {
    const bool neutral = expr->kind == ExprKind::kAnd;
    for (const Expr* arg : expr->args) {
      if (IsBoolLiteral(arg, !neutral)) return MakeLiteral(expr, cep::Value::Bool(!neutral));
    }
    auto& args = expr->args;
    const auto is_neutral = [neutral](const Expr* arg) { return IsBoolLiteral(arg, neutral); };
    args.erase(std::remove_if(args.begin(), args.end(), is_neutral), args.end());
    if (args.empty()) return MakeLiteral(expr, cep::Value::Bool(neutral));
    // A single operand that may not be a bool (null, as fields may be) keeps its &&, which makes an
    // error of that.
    if (args.size() == 1 && IsBoolOrError(*args[0])) ReplaceBy(expr, *args[0]);
  }

  static void FoldConditional(Expr* expr) {
    for (const bool value : {true, false}) {
      if (!IsBoolLiteral(expr->args[0], value)) continue;
      const Expr* branch = expr->args[value ? 1 : 2];
      if (!branch->as_value || !expr->as_value) return ReplaceBy(expr, *branch);
    }
  }

  static void ReplaceBy(Expr* expr, const Expr& part) {
    const TypeRef type = expr->type;
    const bool as_value = expr->as_value || part.as_value;
    const Expr copy = part;
    *expr = copy;
    expr->type = type;
    expr->as_value = as_value;
  }

  static constexpr size_t kMaxFoldedBytes = 8 << 20;

  Ast& ast_;
  Arena scratch_;
  // Of all parts together, failed ones too: what folding costs is bounded whatever the expression.
  WorkMeter work_{kMaxWork};
};

}  // namespace

void Fold(Expr* root, Ast& ast) { Folder(ast).Fold(root); }

}  // namespace vigil::rules::cel
