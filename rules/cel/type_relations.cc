// How types relate: joining branches, passing arguments, comparing.
#include "rules/cel/types.h"

namespace vigil::rules::cel {
namespace {

bool IsMapLike(TypeRef type) {
  return type->tag == TypeTag::kMap || type->tag == TypeTag::kObject ||
         type->tag == TypeTag::kEvent;
}

bool SameConstructor(TypeRef a, TypeRef b) {
  return a->tag == b->tag && a->name == b->name && a->params.size() == b->params.size();
}

// Types that null may stand for: where one branch is null, the other says the type.
bool IsNullable(TypeRef type) {
  return type->tag == TypeTag::kAbstract || type->tag == TypeTag::kTimestamp ||
         type->tag == TypeTag::kDuration;
}

// Whether a type other than dyn holds values of both.
bool Unifies(TypeRef a, TypeRef b) {
  if (IsDynamic(a) || IsDynamic(b) || SameType(a, b)) return true;
  if (a->tag == TypeTag::kNull && IsNullable(b)) return true;
  if (b->tag == TypeTag::kNull && IsNullable(a)) return true;
  if (!SameConstructor(a, b) || a->params.empty()) return false;
  for (size_t i = 0; i < a->params.size(); ++i) {
    if (!Unifies(a->params[i], b->params[i])) return false;
  }
  return true;
}

// What a constrained type parameter takes, by its name; `number` is anew at each use.
bool MeetsConstraint(std::string_view parameter, TypeRef argument) {
  if (IsDynamic(argument)) return true;
  if (parameter == "number") return IsNumeric(argument);
  if (parameter == "ordered") return Ordered(argument, argument);
  return true;
}

}  // namespace

TypeRef Join(TypePool& pool, TypeRef a, TypeRef b) {
  if (a == b || a->tag == TypeTag::kError) return a;
  if (b->tag == TypeTag::kError) return b;
  if (b->tag == TypeTag::kUnbound) return a;
  if (a->tag == TypeTag::kUnbound) return b;
  if (a->tag == TypeTag::kNull && IsNullable(b)) return b;
  if (b->tag == TypeTag::kNull && IsNullable(a)) return a;
  if (SameType(a, b)) return a;
  if (!SameConstructor(a, b) || !Unifies(a, b)) return Simple(TypeTag::kDyn);
  std::vector<TypeRef> params;
  for (size_t i = 0; i < a->params.size(); ++i) {
    params.push_back(Join(pool, a->params[i], b->params[i]));
  }
  if (a->tag == TypeTag::kList) return pool.List(params[0]);
  if (a->tag == TypeTag::kMap) return pool.Map(params[0], params[1]);
  return pool.Abstract(a->name, std::move(params));
}

bool Joinable(TypeRef a, TypeRef b) {
  if (IsDynamic(a) || IsDynamic(b) || SameType(a, b)) return true;
  if (a->tag == TypeTag::kNull || b->tag == TypeTag::kNull) return true;
  if (!SameConstructor(a, b) || a->params.empty()) return false;
  for (size_t i = 0; i < a->params.size(); ++i) {
    if (!Joinable(a->params[i], b->params[i])) return false;
  }
  return true;
}

bool Assignable(TypePool& pool, TypeRef parameter, TypeRef argument, Bindings& bindings) {
  if (parameter->tag == TypeTag::kParam) {
    if (!MeetsConstraint(parameter->name, argument)) return false;
    if (parameter->name == "number") return true;
    const TypeRef bound = bindings.Find(parameter->name);
    if (bound != nullptr && !Joinable(bound, argument)) return false;
    bindings.Bind(parameter->name, bound == nullptr ? argument : Join(pool, bound, argument));
    return true;
  }
  if (IsDynamic(parameter) || IsDynamic(argument)) return true;
  if (parameter->tag == TypeTag::kMap && argument->tag != TypeTag::kMap && IsMapLike(argument)) {
    return true;
  }
  if (!SameConstructor(parameter, argument)) return false;
  for (size_t i = 0; i < parameter->params.size(); ++i) {
    if (!Assignable(pool, parameter->params[i], argument->params[i], bindings)) return false;
  }
  return true;
}

TypeRef WithoutParameters(TypePool& pool, TypeRef type) {
  const TypeRef dyn = Simple(TypeTag::kDyn);
  if (type->tag == TypeTag::kList) return pool.List(dyn);
  if (type->tag == TypeTag::kMap) return pool.Map(dyn, dyn);
  return IsOptional(type) ? pool.Optional(dyn) : type;
}

TypeRef Substitute(TypePool& pool, TypeRef type, const Bindings& bindings) {
  if (type->tag == TypeTag::kParam) {
    const TypeRef bound = bindings.Find(type->name);
    return bound == nullptr ? Simple(TypeTag::kUnbound) : bound;
  }
  if (type->params.empty()) return type;
  std::vector<TypeRef> params;
  for (TypeRef p : type->params) params.push_back(Substitute(pool, p, bindings));
  if (type->tag == TypeTag::kList) return pool.List(params[0]);
  if (type->tag == TypeTag::kMap) return pool.Map(params[0], params[1]);
  return pool.Abstract(type->name, std::move(params));
}

bool Comparable(TypeRef a, TypeRef b) {
  if (IsDynamic(a) || IsDynamic(b)) return true;
  if (a->tag == TypeTag::kNull || b->tag == TypeTag::kNull) return true;
  if (IsNumeric(a) && IsNumeric(b)) return true;
  if (IsMapLike(a) && IsMapLike(b) && a->tag != b->tag) return true;
  if (!SameConstructor(a, b)) return false;
  for (size_t i = 0; i < a->params.size(); ++i) {
    if (!Comparable(a->params[i], b->params[i])) return false;
  }
  return true;
}

bool Ordered(TypeRef a, TypeRef b) {
  const auto ordered = [](TypeRef t) {
    return IsDynamic(t) || (t->tag >= TypeTag::kBool && t->tag <= TypeTag::kDuration);
  };
  if (!ordered(a) || !ordered(b)) return false;
  return IsDynamic(a) || IsDynamic(b) || a->tag == b->tag || (IsNumeric(a) && IsNumeric(b));
}

}  // namespace vigil::rules::cel
