#include "rules/cel/condition.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "rules/cel/emitter.h"
#include "rules/cel/format.h"
#include "rules/cel/functions.h"
#include "rules/cel/program.h"
#include "rules/cel/test_chain.h"
#include "rules/cel/text.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::CompareOp;
using cep::Condition;
using cep::Value;
using cep::ValueTag;

class CompiledExpression final : public cep::Expression {
 public:
  // The chain may be null.
  CompiledExpression(std::shared_ptr<const Program> program, std::unique_ptr<const TestChain> chain,
                     std::string text, std::vector<cep::StageComparison> needed)
      : program_(std::move(program)), chain_(std::move(chain)), text_(std::move(text)) {
    needed_ = std::move(needed);
  }

  Value Eval(const cep::EvalContext& context) const override {
    if (chain_ != nullptr) {
      const cep::Tri outcome = chain_->Run(context);
      if (outcome != cep::Tri::kError) return Value::Bool(outcome == cep::Tri::kTrue);
    }
    const Value value = program_->Run(context);
    if (!program_->makes_special_values() || value.tag <= ValueTag::kDouble) return value;
    return Plain(value, context.arena != nullptr ? *context.arena : FallbackArena());
  }
  cep::Tri EvalBool(const cep::EvalContext& context) const override {
    if (chain_ != nullptr) {
      const cep::Tri outcome = chain_->Run(context);
      if (outcome != cep::Tri::kError) return outcome;
    }
    return ToTri(program_->Run(context));
  }
  const std::string& text() const override { return text_; }

 private:
  std::shared_ptr<const Program> program_;
  std::unique_ptr<const TestChain> chain_;
  std::string text_;
};

const Expr& SkipInlined(const Expr& expr) {
  const Expr* at = &expr;
  while (at->ref == RefKind::kInlined) at = at->args[0];
  return *at;
}

// The field that `expr` reads of the one event of a stage, as far as a StageComparison says it.
bool IsFieldOfStage(const Expr& expr, cep::StageComparison* out) {
  if (expr.ref != RefKind::kEventField || expr.kind != ExprKind::kSelect) return false;
  const Expr& stage = SkipInlined(*expr.args[0]);
  if (stage.ref != RefKind::kStage) return false;
  out->stage = stage.index;
  out->stage_slot = expr.index;
  return true;
}

// Fills in the kind; false if the fields cannot be compared by a StageComparison.
bool SetKind(const cep::Layout& layout, cep::StageComparison* comparison) {
  const cep::ColumnKind kind = layout.slots()[comparison->slot].kind;
  if (kind != layout.slots()[comparison->stage_slot].kind) return false;
  comparison->kind = kind;
  const bool is_equality = comparison->op == CompareOp::kEq || comparison->op == CompareOp::kNe;
  return kind == cep::ColumnKind::kInt || kind == cep::ColumnKind::kDouble ||
         (kind == cep::ColumnKind::kString && is_equality);
}

// The comparisons among the terms of the conjunction `root`.
std::vector<cep::StageComparison> FindNeeded(const Expr& root, const cep::Layout* layout) {
  if (layout == nullptr) return {};
  std::vector<const Expr*> terms;
  CollectConjuncts(root, terms);
  std::vector<cep::StageComparison> needed;
  for (const Expr* term : terms) {
    if (term->kind != ExprKind::kCompare || term->op == CompareOp::kIn) continue;
    const Expr* field = &SkipInlined(*term->args[0]);
    const Expr* other = &SkipInlined(*term->args[1]);
    cep::StageComparison comparison;
    comparison.op = term->op;
    if (field->ref == RefKind::kEventField) {
      std::swap(field, other);
      comparison.op = Mirrored(comparison.op);
    }
    if (field->ref != RefKind::kField || field->kind == ExprKind::kHas) continue;
    comparison.slot = field->index;
    if (IsFieldOfStage(*other, &comparison) && SetKind(*layout, &comparison)) {
      needed.push_back(comparison);
    }
  }
  return needed;
}

// Whether an atom may compare with it: scalars with an order or equality that columns can decide.
bool IsAtomConstant(const Value& value) {
  switch (value.tag) {
    case ValueTag::kDouble:
      return !std::isnan(value.d);
    case ValueTag::kUint:
      return value.u <= uint64_t{std::numeric_limits<int64_t>::max()};
    case ValueTag::kNull:
    case ValueTag::kBool:
    case ValueTag::kInt:
    case ValueTag::kString:
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      return true;
    default:
      return false;
  }
}

// The constant in the field's type where that is the same number, so that `x > 900` and `x > 900.0`
// are one atom.
Value InFieldType(const Value& value, cep::TypeKind kind) {
  Value out = value;
  if (out.tag == ValueTag::kUint) out = Value::Int(static_cast<int64_t>(out.u));
  if (kind == cep::TypeKind::kDouble && out.tag == ValueTag::kInt) {
    const Value converted = Value::Double(static_cast<double>(out.i));
    return Equals(converted, out) ? converted : out;
  }
  if (kind == cep::TypeKind::kInt && out.tag == ValueTag::kDouble) {
    const std::optional<int64_t> whole = AsIndex(out);
    return whole ? Value::Int(*whole) : out;
  }
  return out;
}

// The operator that holds exactly when the other one does not, for operators that never fail on
// values.
bool Opposite(CompareOp op, CompareOp* out) {
  if (op != CompareOp::kEq && op != CompareOp::kNe) return false;
  *out = op == CompareOp::kEq ? CompareOp::kNe : CompareOp::kEq;
  return true;
}

class Builder {
 public:
  explicit Builder(const cep::Layout& layout) : layout_(layout) {}

  bool ok() const { return ok_; }

  Condition Build(const Expr& wrapped, bool negated) {
    const Expr& expr = SkipInlined(wrapped);
    switch (expr.kind) {
      case ExprKind::kAnd:
      case ExprKind::kOr:
        return BuildLogic(expr, negated);
      case ExprKind::kLiteral:
        if (expr.literal.tag == ValueTag::kBool && expr.literal.b != negated) return True();
        break;
      case ExprKind::kCall:
        if (expr.name == "!_") return Build(*expr.args[0], !negated);
        if (std::optional<Condition> atom = TryPrefix(expr)) {
          return negated ? Not(*std::move(atom)) : *std::move(atom);
        }
        break;
      case ExprKind::kCompare:
        if (std::optional<Condition> atom = TryCompare(expr, negated)) return *std::move(atom);
        break;
      default:
        if (IsBoolField(expr)) return BoolField(expr, negated);
    }
    return Opaque(expr, negated);
  }

  Condition Combine(Condition::Kind kind, std::vector<Condition> children) {
    Condition out;
    out.kind = kind;
    for (Condition& child : children) {
      if (child.kind == Condition::Kind::kTrue) {
        if (kind == Condition::Kind::kOr) return True();
        continue;
      }
      if (child.kind != kind) {
        out.children.push_back(std::move(child));
        continue;
      }
      for (Condition& inner : child.children) out.children.push_back(std::move(inner));
    }
    if (out.children.empty()) return True();
    if (out.children.size() == 1) return std::move(out.children[0]);
    for (size_t i = 0; i < out.children.size(); ++i) {
      const Condition& child = out.children[i];
      const bool parentheses = NeedsParentheses(child) || (kind == Condition::Kind::kAnd &&
                                                           child.kind == Condition::Kind::kOr);
      if (i > 0) out.text += kind == Condition::Kind::kAnd ? " && " : " || ";
      out.text += parentheses ? "(" + child.text + ")" : child.text;
    }
    return out;
  }

 private:
  static Condition True() {
    Condition out;
    out.text = "true";
    return out;
  }

  // An opaque conditional binds weaker than && and ||.
  static bool NeedsParentheses(const Condition& child) {
    return child.kind == Condition::Kind::kOpaque && child.text.find(" ? ") != std::string::npos;
  }

  Condition BuildLogic(const Expr& expr, bool negated) {
    const bool is_and = (expr.kind == ExprKind::kAnd) != negated;
    std::vector<Condition> children;
    for (const Expr* arg : expr.args) children.push_back(Build(*arg, negated));
    return Combine(is_and ? Condition::Kind::kAnd : Condition::Kind::kOr, std::move(children));
  }

  static Condition Not(Condition child) {
    Condition out;
    out.kind = Condition::Kind::kNot;
    out.text = "!(" + child.text + ")";
    out.children.push_back(std::move(child));
    return out;
  }

  bool IsField(const Expr& expr) const {
    return expr.ref == RefKind::kField && expr.kind != ExprKind::kHas && !expr.is_optional;
  }

  bool IsBoolField(const Expr& expr) const {
    return IsField(expr) && layout_.slots()[expr.index].type.kind == cep::TypeKind::kBool;
  }

  // A bool field by itself: `flag > false`, and `flag < true` for its negation. Unlike `flag ==
  // true`, which is false of null, these fail on null, as `flag` does.
  Condition BoolField(const Expr& expr, bool negated) {
    Condition out =
        MakeAtom(expr, negated ? CompareOp::kLt : CompareOp::kGt, {Value::Bool(negated)});
    out.text = (negated ? "!" : "") + ToText(expr);
    return out;
  }

  // The comparison of a field with a constant, either way round; nothing for others.
  std::optional<Condition> TryCompare(const Expr& expr, bool negated) {
    const Expr* field = &SkipInlined(*expr.args[0]);
    const Expr* constant = &SkipInlined(*expr.args[1]);
    CompareOp op = expr.op;
    if (op != CompareOp::kIn && IsField(*constant)) {
      std::swap(field, constant);
      op = Mirrored(op);
    }
    if (!IsField(*field) || constant->kind != ExprKind::kLiteral) return std::nullopt;
    std::vector<Value> constants;
    if (!AtomConstants(constant->literal, op, &constants)) return std::nullopt;
    CompareOp opposite = op;
    if (!negated || Opposite(op, &opposite))
      return MakeAtom(*field, opposite, std::move(constants));
    return Not(MakeAtom(*field, op, std::move(constants)));
  }

  // field.startsWith("..."); nothing for others.
  std::optional<Condition> TryPrefix(const Expr& expr) {
    if (expr.name != "startsWith" || !expr.is_member || expr.args.size() != 2) return std::nullopt;
    const Expr& field = SkipInlined(*expr.args[0]);
    const Expr& prefix = SkipInlined(*expr.args[1]);
    if (!IsField(field) || prefix.kind != ExprKind::kLiteral) return std::nullopt;
    const cep::TypeKind kind = layout_.slots()[field.index].type.kind;
    if (kind != cep::TypeKind::kString && kind != cep::TypeKind::kDyn) return std::nullopt;
    if (prefix.literal.tag != ValueTag::kString) return std::nullopt;
    return MakeAtom(field, CompareOp::kStartsWith, {prefix.literal});
  }

  static bool AtomConstants(const Value& literal, CompareOp op, std::vector<Value>* out) {
    if (op != CompareOp::kIn) {
      // null has no order: `x < null` is an error whatever x is.
      const bool equality = op == CompareOp::kEq || op == CompareOp::kNe;
      if (!IsAtomConstant(literal) || (literal.is_null() && !equality)) return false;
      out->push_back(literal);
      return true;
    }
    if (literal.tag != ValueTag::kList || literal.size == 0) return false;
    for (uint32_t i = 0; i < literal.size; ++i) {
      if (!IsAtomConstant(literal.list[i])) return false;
      out->push_back(literal.list[i]);
    }
    return true;
  }

  Condition MakeAtom(const Expr& field, CompareOp op, std::vector<Value> constants) {
    auto storage = std::make_shared<Arena>();
    Condition out;
    out.kind = Condition::Kind::kAtom;
    out.atom.slot = field.index;
    out.atom.op = op;
    const cep::TypeKind kind = layout_.slots()[field.index].type.kind;
    for (const Value& constant : constants) {
      out.atom.constants.push_back(CopyValue(InFieldType(constant, kind), *storage));
    }
    out.atom.storage = std::move(storage);
    const auto& kept = out.atom.constants;
    if (op == CompareOp::kStartsWith) {
      out.text = ToText(field) + ".startsWith(" + FormatLiteral(kept[0]) + ")";
      return out;
    }
    out.text = ToText(field) + " " + std::string(OperatorText(op)) + " ";
    out.text += op == CompareOp::kIn
                    ? FormatLiteral(Value::List(kept.data(), static_cast<uint32_t>(kept.size())))
                    : FormatLiteral(kept[0]);
    return out;
  }

  Condition Opaque(const Expr& expr, bool negated) {
    Condition out;
    out.kind = Condition::Kind::kOpaque;
    out.opaque = MakeExpression(expr, &layout_);
    if (out.opaque == nullptr) {
      ok_ = false;
      return True();
    }
    out.text = out.opaque->text();
    return negated ? Not(std::move(out)) : out;
  }

  const cep::Layout& layout_;
  bool ok_ = true;
};

}  // namespace

std::shared_ptr<const cep::Expression> MakeExpression(const Expr& root, const cep::Layout* layout) {
  std::shared_ptr<const Program> program = EmitProgram(root, layout);
  if (program == nullptr) return nullptr;
  return std::make_shared<CompiledExpression>(std::move(program), TestChain::Make(root, layout),
                                              ToText(root), FindNeeded(root, layout));
}

void CollectConjuncts(const Expr& root, std::vector<const Expr*>& out) {
  const Expr& expr = SkipInlined(root);
  if (expr.kind != ExprKind::kAnd) {
    out.push_back(&expr);
    return;
  }
  for (const Expr* arg : expr.args) CollectConjuncts(*arg, out);
}

bool MakeCondition(const std::vector<const Expr*>& terms, const cep::Layout& layout,
                   Condition* out) {
  Builder builder(layout);
  std::vector<Condition> conditions;
  for (const Expr* term : terms) conditions.push_back(builder.Build(*term, /*negated=*/false));
  *out = builder.Combine(Condition::Kind::kAnd, std::move(conditions));
  return builder.ok();
}

}  // namespace vigil::rules::cel
