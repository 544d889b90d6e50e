// Macros: comprehensions, cel.bind, optMap. Each opens the scope of its variables.
#include "rules/cel/checker.h"
#include "rules/cel/text.h"

namespace vigil::rules::cel {

// The types of a macro's variables: of one the item or key, of two index or key, and item.
bool Checker::VariablesOfRange(Expr* expr, TypeRef* first, TypeRef* second) {
  Expr* range = expr->args[0];
  if (range->type->tag == TypeTag::kEvent) AsValue(range);
  const TypeRef type = range->type;
  const TypeRef dyn = Simple(TypeTag::kDyn);
  const bool two = !expr->second_name.empty();
  const bool is_map = type->tag == TypeTag::kMap || type->tag == TypeTag::kObject;
  if (type->tag == TypeTag::kList) {
    *first = two ? Simple(TypeTag::kInt) : type->params[0];
    *second = type->params[0];
  } else if (is_map && expr->macro != Macro::kSortBy) {
    *first = type->tag == TypeTag::kMap ? type->params[0] : Simple(TypeTag::kString);
    *second = type->tag == TypeTag::kMap ? type->params[1] : dyn;
  } else if (IsDynamic(type) || options_.lenient) {
    *first = *second = type->tag == TypeTag::kError ? type : dyn;
  } else {
    Fail(expr, IssueCode::kWrongTypes, expr->token,
         Quoted(MacroName(expr->macro)) + " goes over a list" +
             (expr->macro == Macro::kSortBy ? "" : " or a map") + ", not over " + ToString(type));
    *first = *second = Simple(TypeTag::kError);
    return false;
  }
  return true;
}

// The type of a macro over items (keys) of type `element`.
TypeRef Checker::TypeOfMacro(const Expr* expr, TypeRef element) {
  const TypeRef last = expr->args.back()->type;
  switch (expr->macro) {
    case Macro::kMap:
    case Macro::kTransformList:
      return types_.List(last);
    case Macro::kFilter:
    case Macro::kSortBy:
      return types_.List(element);
    case Macro::kTransformMap:
      return types_.Map(element, last);
    case Macro::kTransformMapEntry:
      if (last->tag == TypeTag::kMap || last->tag == TypeTag::kError) return last;
      return types_.Map(Simple(TypeTag::kDyn), Simple(TypeTag::kDyn));
    default:
      return Simple(TypeTag::kBool);
  }
}

void Checker::CheckComprehension(Expr* expr) {
  Check(expr->args[0]);
  TypeRef first = nullptr;
  TypeRef second = nullptr;
  const bool goes_over = VariablesOfRange(expr, &first, &second);
  const std::string where = "the condition of " + Quoted(MacroName(expr->macro));
  expr->index = static_cast<uint32_t>(locals_.size());
  locals_.push_back({expr->name, first});
  if (!expr->second_name.empty()) locals_.push_back({expr->second_name, second});
  const bool transforms = expr->macro == Macro::kMap || expr->macro >= Macro::kTransformList;
  for (size_t i = 1; i < expr->args.size(); ++i) {
    Expr* arg = expr->args[i];
    CheckValue(arg);
    if (!transforms || i + 1 < expr->args.size()) RequireBool(arg, where);
  }
  locals_.resize(expr->index);
  if (!goes_over) return;
  const Expr* last = expr->args.back();
  const bool is_key = expr->macro == Macro::kSortBy;
  const bool is_entry = expr->macro == Macro::kTransformMapEntry;
  if (!options_.lenient && is_key && !IsDynamic(last->type) && !Ordered(last->type, last->type)) {
    return Fail(
        expr, IssueCode::kWrongTypes, last->span,
        "`sortBy` orders by numbers, texts, bytes, bools or times, not by " + ToString(last->type));
  }
  if (!options_.lenient && is_entry && !IsDynamic(last->type) && last->type->tag != TypeTag::kMap) {
    return Fail(expr, IssueCode::kWrongTypes, last->span,
                "`transformMapEntry` makes a map from entries such as `{k: v}`, not from " +
                    ToString(last->type));
  }
  expr->type = TypeOfMacro(expr, first);
}

void Checker::CheckBind(Expr* expr) {
  Check(expr->args[0]);
  expr->index = static_cast<uint32_t>(locals_.size());
  locals_.push_back({expr->name, expr->args[0]->type});
  Check(expr->args[1]);
  locals_.resize(expr->index);
  expr->type = expr->args[1]->type;
}

void Checker::CheckOptionalMap(Expr* expr) {
  Expr* operand = expr->args[0];
  Expr* body = expr->args[1];
  const bool flat = expr->macro == Macro::kOptFlatMap;
  CheckValue(operand);
  const TypeRef type = operand->type;
  const bool unknown = IsDynamic(type) || options_.lenient;
  if (!IsOptional(type) && !unknown) {
    Fail(expr, IssueCode::kWrongTypes, expr->token,
         Quoted(MacroName(expr->macro)) + " is for optional values, " +
             Quoted(ToShortText(*operand)) + " is " + ToString(type),
         "as in `event.?x." + std::string(MacroName(expr->macro)) + "(v, " +
             (flat ? "v.?y)`" : "v + 1)`"));
  }
  const bool failed = expr->failure.empty() && !IsOptional(type) && !unknown;
  expr->index = static_cast<uint32_t>(locals_.size());
  locals_.push_back({expr->name, IsOptional(type) ? type->params[0]
                                 : failed         ? Simple(TypeTag::kError)
                                                  : Simple(TypeTag::kDyn)});
  CheckValue(body);
  locals_.resize(expr->index);
  if (failed) return;
  if (flat && !IsOptional(body->type) && !IsDynamic(body->type) && !options_.lenient) {
    return Fail(expr, IssueCode::kWrongTypes, body->span,
                "the result of `optFlatMap` must be optional, " + Quoted(ToShortText(*body)) +
                    " is " + ToString(body->type),
                "use `optMap`");
  }
  if (body->type->tag == TypeTag::kError) return;
  expr->type = flat ? body->type : types_.Optional(body->type);
}

}  // namespace vigil::rules::cel
