#include "rules/cel/checker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rules/cel/cost.h"
#include "rules/cel/text.h"

namespace vigil::rules::cel {
namespace {

std::string Counted(uint64_t count) {
  constexpr uint64_t kTooManyToCount = 1'000'000'000'000;
  return count > kTooManyToCount ? "over 10^12" : std::to_string(count);
}

}  // namespace

Checker::Checker(const Environment& environment, const CheckOptions& options, Ast& ast,
                 TypePool& types, IssueList& issues)
    : environment_(environment), options_(options), ast_(ast), types_(types), issues_(issues) {}

TypeRef Checker::Run(Expr* root) {
  CheckValue(root);
  CheckCost(root);
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
  static constexpr std::array<CheckFunction, 17> kCheckers = {
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
      &Checker::CheckBind,           // kBind
      &Checker::CheckOptionalMap,    // kOptionalMap
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
  // The variables that a macro defines, those at the levels it opens, are not free in it.
  const bool defines_locals = expr->kind == ExprKind::kComprehension ||
                              expr->kind == ExprKind::kBind || expr->kind == ExprKind::kOptionalMap;
  if (defines_locals && expr->lowest_local >= locals_.size()) expr->lowest_local = kNoLocal;
  EstimateCost(*expr);
  if (expr->nodes > kMaxNodes || expr->depth > kMaxDepth) {
    Fail(expr, IssueCode::kLimit, expr->token,
         "with its defines put in, the expression has more than " + std::to_string(kMaxNodes) +
             " parts or " + std::to_string(kMaxDepth) + " levels");
  }
}

void Checker::CheckCost(Expr* root) {
  if (root->iterations > kMaxStaticIterations) {
    Fail(root, IssueCode::kLimit, root->span,
         "the macros go through " + Counted(root->iterations) +
             " items, at most 100,000 are allowed: nested ones multiply",
         "lists that only events know count as " + std::to_string(kAssumedItems) + " items");
  } else if (root->cost > kMaxStaticCost) {
    Fail(root, IssueCode::kLimit, root->span,
         "the expression takes " + Counted(root->cost) +
             " steps, at most 10,000,000 are allowed: nested macros multiply");
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

TypeRef Checker::AsOptional(TypeRef type) {
  return type->tag == TypeTag::kError ? type : types_.Optional(type);
}

void Checker::CheckIndex(Expr* expr) {
  Expr* operand = expr->args[0];
  Check(operand);
  CheckValue(expr->args[1]);
  if (operand->type->tag == TypeTag::kEvent || expr->is_optional) AsValue(operand);
  const TypeRef type = operand->type;
  if (type->tag == TypeTag::kError) return;
  const TypeRef item = TypeOfIndex(expr, IsOptional(type) ? type->params[0] : type);
  if (item == nullptr) return;  // reported
  expr->type = expr->is_optional || IsOptional(type) ? AsOptional(item) : item;
}

// The type of an item of `type`, indexed by args[1]; null where that is reported as wrong.
TypeRef Checker::TypeOfIndex(Expr* expr, TypeRef type) {
  const Expr* index = expr->args[1];
  const TypeRef dyn = Simple(TypeTag::kDyn);
  if (type->tag == TypeTag::kError) return type;
  if (IsDynamic(type) || options_.lenient) {
    return type->tag == TypeTag::kList && HoldsEvents(type) ? type->params[0] : dyn;
  }
  if (type->tag == TypeTag::kList) {
    if (IsDynamic(index->type) || index->type->tag == TypeTag::kInt) return type->params[0];
    Fail(expr, IssueCode::kWrongTypes, index->span,
         "a list is indexed by int, not by " + ToString(index->type));
    return nullptr;
  }
  if (type->tag == TypeTag::kMap || type->tag == TypeTag::kObject) {
    const bool is_map = type->tag == TypeTag::kMap;
    const TypeRef key = is_map ? type->params[0] : Simple(TypeTag::kString);
    if (Comparable(key, index->type)) return is_map ? type->params[1] : dyn;
    Fail(expr, IssueCode::kWrongTypes, index->span,
         "a " + ToString(type) + " is not indexed by " + ToString(index->type));
    return nullptr;
  }
  Fail(
      expr, IssueCode::kWrongTypes, expr->token,
      Quoted(ToShortText(*expr->args[0])) + " is " + ToString(type) + " and has no items to index");
  return nullptr;
}

// The type that argument `arg` gives the list or map: of ?x what the optional x holds.
TypeRef Checker::SplicedType(const Expr* expr, size_t arg) {
  const Expr* item = expr->args[arg];
  if (expr->splices.empty() || !expr->splices[arg]) return item->type;
  if (IsOptional(item->type)) return item->type->params[0];
  if (!IsDynamic(item->type) && !options_.lenient) {
    issues_.Add(IssueCode::kWrongTypes, item->span,
                "after `?` comes an optional value, " + Quoted(ToShortText(*item)) + " is " +
                    ToString(item->type),
                "as in `[?event.?x]` or `{?\"k\": optional.of(x)}`");
    return Simple(TypeTag::kError);
  }
  return Simple(TypeTag::kDyn);
}

void Checker::CheckList(Expr* expr) {
  TypeRef element = Simple(TypeTag::kUnbound);
  for (size_t i = 0; i < expr->args.size(); ++i) {
    CheckValue(expr->args[i]);
    element = Join(types_, element, SplicedType(expr, i));
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
    value = Join(types_, value, SplicedType(expr, i + 1));
  }
  const bool failed = key->tag == TypeTag::kError || value->tag == TypeTag::kError;
  expr->type = failed ? Simple(TypeTag::kError) : types_.Map(key, value);
}

void Checker::CheckMessage(Expr* expr) {
  Fail(expr, IssueCode::kUnsupported, expr->token,
       "message literals such as " + Quoted(expr->name + "{}") + " are not supported");
}

}  // namespace vigil::rules::cel
