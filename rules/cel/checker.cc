#include "rules/cel/checker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rules/cel/text.h"

namespace vigil::rules::cel {

Checker::Checker(const Environment& environment, const CheckOptions& options, Ast& ast,
                 TypePool& types, IssueList& issues)
    : environment_(environment), options_(options), ast_(ast), types_(types), issues_(issues) {}

TypeRef Checker::Run(Expr* root) {
  CheckValue(root);
  return root->type;
}

void Checker::Fail(Expr* expr, IssueCode code, Span span, std::string message, std::string hint) {
  if (options_.lenient) {
    expr->failure = std::move(message);
    expr->type = Simple(TypeTag::kDyn);
    return;
  }
  issues_.Add(code, span, std::move(message), std::move(hint));
  expr->type = Simple(TypeTag::kError);
}

void Checker::Check(Expr* expr) {
  static constexpr std::array<CheckFunction, 15> kCheckers = {
      nullptr,                       // kError
      &Checker::CheckLiteral,        // kLiteral
      &Checker::CheckIdent,          // kIdent
      &Checker::CheckSelect,         // kSelect
      &Checker::CheckHas,            // kHas
      &Checker::CheckIndex,          // kIndex
      &Checker::CheckCall,           // kCall
      &Checker::CheckList,           // kList
      &Checker::CheckMap,            // kMap
      &Checker::CheckMessage,        // kMessage
      &Checker::CheckLogic,          // kAnd
      &Checker::CheckLogic,          // kOr
      &Checker::CheckConditional,    // kConditional
      &Checker::CheckCompare,        // kCompare
      &Checker::CheckComprehension,  // kComprehension
  };
  expr->type = Simple(TypeTag::kError);
  if (expr->kind == ExprKind::kError) return;
  if (++depth_ > kMaxDepth) {
    Fail(expr, IssueCode::kLimit, expr->token,
         "with its defines put in, the expression is nested deeper than " +
             std::to_string(kMaxDepth) + " levels");
  } else {
    (this->*kCheckers[static_cast<size_t>(expr->kind)])(expr);
    AddFacts(expr);
  }
  --depth_;
}

// What the tree below `expr` reads and how large it is.
void Checker::AddFacts(Expr* expr) {
  expr->depth = 1;
  expr->nodes = 1;
  for (const Expr* arg : expr->args) {
    expr->reads_event |= arg->reads_event;
    expr->reads_stage |= arg->reads_stage;
    expr->lowest_local = std::min(expr->lowest_local, arg->lowest_local);
    expr->depth = std::max(expr->depth, arg->depth + 1);
    expr->nodes = std::min(expr->nodes + arg->nodes, kMaxNodes + 1);
  }
  const bool is_field = expr->kind != ExprKind::kComprehension && expr->ref == RefKind::kField;
  expr->reads_event |= is_field || expr->ref == RefKind::kEvent;
  expr->reads_stage |= expr->ref == RefKind::kStage;
  if (expr->ref == RefKind::kLocal) expr->lowest_local = expr->index;
  // A comprehension's own variable, the one at the level it opens, is not free in it.
  if (expr->kind == ExprKind::kComprehension && expr->lowest_local >= locals_.size()) {
    expr->lowest_local = kNoLocal;
  }
  if (expr->nodes > kMaxNodes || expr->depth > kMaxDepth) {
    Fail(expr, IssueCode::kLimit, expr->token,
         "with its defines put in, the expression has more than " + std::to_string(kMaxNodes) +
             " parts or " + std::to_string(kMaxDepth) + " levels");
  }
}

void Checker::CheckValue(Expr* expr) {
  Check(expr);
  AsValue(expr);
}

void Checker::AsValue(Expr* expr) {
  if (!HoldsEvents(expr->type)) return;
  expr->as_value = true;
  const TypeRef map = types_.Map(Simple(TypeTag::kString), Simple(TypeTag::kDyn));
  expr->type = expr->type->tag == TypeTag::kEvent ? map : types_.List(map);
  if (environment_.layout == nullptr || environment_.schema == nullptr) return;
  for (const cep::Field& field : environment_.schema->fields()) {
    environment_.layout->Keep(environment_.layout->Add(field.name, field.type));
  }
}

void Checker::CheckLiteral(Expr* expr) {
  static constexpr std::array<TypeTag, 14> kTypes = {
      TypeTag::kDyn,      TypeTag::kError,  TypeTag::kNull,   TypeTag::kBool,  TypeTag::kInt,
      TypeTag::kUint,     TypeTag::kDouble, TypeTag::kString, TypeTag::kBytes, TypeTag::kTimestamp,
      TypeTag::kDuration, TypeTag::kDyn,    TypeTag::kDyn,    TypeTag::kType,
  };
  expr->type = Simple(kTypes[static_cast<size_t>(expr->literal.tag)]);
}

bool Checker::RequireBool(Expr* expr, std::string_view where) {
  if (IsDynamic(expr->type) || expr->type->tag == TypeTag::kBool || options_.lenient) return true;
  issues_.Add(IssueCode::kNotABool, expr->span,
              std::string(where) + " must be bool, " + Quoted(ToShortText(*expr)) + " is " +
                  ToString(expr->type),
              IsNumeric(expr->type) ? "compare it, as in `" + ToShortText(*expr) + " > 0`" : "");
  return false;
}

void Checker::CheckLogic(Expr* expr) {
  const std::string where =
      std::string("the operand of ") + (expr->kind == ExprKind::kAnd ? "`&&`" : "`||`");
  for (Expr* arg : expr->args) {
    CheckValue(arg);
    RequireBool(arg, where);
  }
  expr->type = Simple(TypeTag::kBool);
}

void Checker::CheckConditional(Expr* expr) {
  CheckValue(expr->args[0]);
  RequireBool(expr->args[0], "the condition of `? :`");
  Expr* then = expr->args[1];
  Expr* otherwise = expr->args[2];
  Check(then);
  Check(otherwise);
  if (!SameType(then->type, otherwise->type)) {
    AsValue(then);
    AsValue(otherwise);
  }
  if (!options_.lenient && !Joinable(then->type, otherwise->type)) {
    return Fail(expr, IssueCode::kWrongTypes, expr->token,
                "the branches of `? :` have types " + ToString(then->type) + " and " +
                    ToString(otherwise->type),
                ArithmeticHint(expr));
  }
  expr->type = Join(types_, then->type, otherwise->type);
}

void Checker::CheckCompare(Expr* expr) {
  Expr* a = expr->args[0];
  Expr* b = expr->args[1];
  CheckValue(a);
  CheckValue(b);
  expr->type = Simple(TypeTag::kBool);
  if (expr->op == cep::CompareOp::kIn) return CheckIn(expr);
  const bool equality = expr->op == cep::CompareOp::kEq || expr->op == cep::CompareOp::kNe;
  if (options_.lenient || (equality ? Comparable(a->type, b->type) : Ordered(a->type, b->type))) {
    return;
  }
  Fail(expr, IssueCode::kWrongTypes, expr->token,
       Quoted(OperatorText(expr->op)) + " does not compare " + ToString(a->type) + " with " +
           ToString(b->type),
       CompareHint(a, b));
}

void Checker::CheckIn(Expr* expr) {
  const Expr* a = expr->args[0];
  const Expr* b = expr->args[1];
  const TypeTag tag = b->type->tag;
  if (options_.lenient || IsDynamic(b->type)) return;
  if (tag != TypeTag::kList && tag != TypeTag::kMap && tag != TypeTag::kObject) {
    return Fail(expr, IssueCode::kWrongTypes, expr->token,
                "`in` looks in a list or a map, not in " + ToString(b->type),
                tag == TypeTag::kString ? "a part of a text is found by `contains`" : "");
  }
  const TypeRef item = tag == TypeTag::kObject ? Simple(TypeTag::kString) : b->type->params[0];
  if (Comparable(a->type, item)) return;
  Fail(expr, IssueCode::kWrongTypes, expr->token,
       "`in` does not look for " + ToString(a->type) + " in " + ToString(b->type));
}

void Checker::CheckIndex(Expr* expr) {
  Expr* operand = expr->args[0];
  Expr* index = expr->args[1];
  Check(operand);
  CheckValue(index);
  if (operand->type->tag == TypeTag::kEvent) AsValue(operand);
  const TypeRef type = operand->type;
  if (type->tag == TypeTag::kError) return;
  expr->type = Simple(TypeTag::kDyn);
  if (IsDynamic(type) || options_.lenient) {
    if (type->tag == TypeTag::kList && HoldsEvents(type)) expr->type = type->params[0];
    return;
  }
  if (type->tag == TypeTag::kList) {
    if (IsDynamic(index->type) || index->type->tag == TypeTag::kInt) {
      expr->type = type->params[0];
      return;
    }
    return Fail(expr, IssueCode::kWrongTypes, index->span,
                "a list is indexed by int, not by " + ToString(index->type));
  }
  if (type->tag == TypeTag::kMap || type->tag == TypeTag::kObject) {
    const bool is_map = type->tag == TypeTag::kMap;
    const TypeRef key = is_map ? type->params[0] : Simple(TypeTag::kString);
    if (is_map) expr->type = type->params[1];
    if (Comparable(key, index->type)) return;
    return Fail(expr, IssueCode::kWrongTypes, index->span,
                "a " + ToString(type) + " is not indexed by " + ToString(index->type));
  }
  Fail(expr, IssueCode::kWrongTypes, expr->token,
       Quoted(ToShortText(*operand)) + " is " + ToString(type) + " and has no items to index");
}

void Checker::CheckList(Expr* expr) {
  TypeRef element = Simple(TypeTag::kUnbound);
  for (Expr* arg : expr->args) {
    CheckValue(arg);
    element = Join(types_, element, arg->type);
  }
  expr->type = element->tag == TypeTag::kError ? element : types_.List(element);
}

void Checker::CheckMap(Expr* expr) {
  TypeRef key = Simple(TypeTag::kUnbound);
  TypeRef value = Simple(TypeTag::kUnbound);
  for (size_t i = 0; i + 1 < expr->args.size(); i += 2) {
    Expr* k = expr->args[i];
    CheckValue(k);
    CheckValue(expr->args[i + 1]);
    const TypeTag tag = k->type->tag;
    if (!IsDynamic(k->type) && tag != TypeTag::kBool && tag != TypeTag::kInt &&
        tag != TypeTag::kUint && tag != TypeTag::kString && !options_.lenient) {
      issues_.Add(IssueCode::kWrongTypes, k->span,
                  "a map's key is bool, int, uint or string, not " + ToString(k->type));
    }
    key = Join(types_, key, k->type);
    value = Join(types_, value, expr->args[i + 1]->type);
  }
  const bool failed = key->tag == TypeTag::kError || value->tag == TypeTag::kError;
  expr->type = failed ? Simple(TypeTag::kError) : types_.Map(key, value);
}

void Checker::CheckMessage(Expr* expr) {
  Fail(expr, IssueCode::kUnsupported, expr->token,
       "message literals such as " + Quoted(expr->name + "{}") + " are not supported");
}

TypeRef Checker::ElementOfRange(Expr* range) {
  if (range->type->tag == TypeTag::kEvent) AsValue(range);
  const TypeRef type = range->type;
  if (type->tag == TypeTag::kList || type->tag == TypeTag::kMap) return type->params[0];
  if (type->tag == TypeTag::kObject) return Simple(TypeTag::kString);
  if (IsDynamic(type) || options_.lenient) return Simple(TypeTag::kDyn);
  return nullptr;
}

void Checker::CheckComprehension(Expr* expr) {
  Expr* range = expr->args[0];
  Check(range);
  TypeRef element = ElementOfRange(range);
  if (element == nullptr) {
    Fail(expr, IssueCode::kWrongTypes, expr->token,
         Quoted(MacroName(expr->macro)) + " goes over a list or a map, not over " +
             ToString(range->type));
    element = Simple(TypeTag::kError);
  } else {
    expr->type = Simple(TypeTag::kBool);
  }
  const bool failed = expr->type->tag == TypeTag::kError;
  const std::string where = "the condition of " + Quoted(MacroName(expr->macro));
  expr->index = static_cast<uint32_t>(locals_.size());
  locals_.push_back({expr->name, element});
  const bool is_map = expr->macro == Macro::kMap;
  for (size_t i = 1; i < expr->args.size(); ++i) {
    CheckValue(expr->args[i]);
    const bool is_transform = is_map && i + 1 == expr->args.size();
    if (!is_transform) RequireBool(expr->args[i], where);
  }
  locals_.pop_back();
  if (failed) return;
  if (is_map) expr->type = types_.List(expr->args.back()->type);
  if (expr->macro == Macro::kFilter) expr->type = types_.List(element);
}

}  // namespace vigil::rules::cel
