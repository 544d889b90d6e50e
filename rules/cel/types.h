// Types as the checker sees them: cep::Type plus what exists only while an expression is checked.
//
// A TypeRef points to an immutable node; simple types are global, composed ones live in a TypePool.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/schema.h"
#include "cep/event/value.h"

namespace vigil::rules::cel {

enum class TypeTag : uint8_t {
  kDyn,
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kList,      // params: {element}
  kMap,       // params: {key, value}
  kObject,    // a nested object with the fields of `object`
  kType,      // a type as a value
  kEvent,     // an event: the current one, or one that a stage accepted
  kUnbound,   // the element type of `[]`: becomes whatever it meets, else dyn
  kParam,     // a function's type parameter, by `name`
  kAbstract,  // a named type with params: optional_type(T), net.IP, or known to declared functions
  kError,     // already reported: accepts everything, reports nothing
};

struct TypeNode {
  TypeTag tag = TypeTag::kDyn;
  std::string name;
  std::vector<const TypeNode*> params;
  const cep::Type* object = nullptr;  // borrowed from the schema
};
using TypeRef = const TypeNode*;

// The type without parameters that has this tag.
TypeRef Simple(TypeTag tag);

class TypePool {
 public:
  TypePool() = default;
  TypePool(const TypePool&) = delete;
  TypePool& operator=(const TypePool&) = delete;

  TypeRef List(TypeRef element);
  TypeRef Map(TypeRef key, TypeRef value);
  TypeRef Abstract(std::string_view name, std::vector<TypeRef> params);
  TypeRef Optional(TypeRef value);
  TypeRef Param(std::string_view name);
  // `type` must outlive the pool where it holds objects.
  TypeRef From(const cep::Type& type);
  // Reads `list(int)`, `map(string, dyn)`, `google.protobuf.Duration`, `<T>`; null if it is no
  // type.
  TypeRef Parse(std::string_view text);

 private:
  TypeRef Make(TypeNode node);

  std::deque<TypeNode> nodes_;
};

// Type parameters bound so far, by name.
class Bindings {
 public:
  TypeRef Find(std::string_view name) const;
  void Bind(std::string_view name, TypeRef type);

 private:
  std::vector<std::pair<std::string, TypeRef>> bound_;
};

std::string ToString(TypeRef type);
cep::Type ToCepType(TypeRef type);
bool SameType(TypeRef a, TypeRef b);

// Not known before evaluation: dyn, unbound, or already reported.
bool IsDynamic(TypeRef type);
bool IsNumeric(TypeRef type);
bool IsOptional(TypeRef type);
// An event, or a list of events: held by reference, never copied, until it must become a value.
bool HoldsEvents(TypeRef type);

// The type of a value that is either: equal types stay, unbound yields, all else is dyn.
TypeRef Join(TypePool& pool, TypeRef a, TypeRef b);
// True when Join loses nothing: no dyn appears that neither had.
bool Joinable(TypeRef a, TypeRef b);
// Whether an argument may be passed to a parameter; binds type parameters.
bool Assignable(TypePool& pool, TypeRef parameter, TypeRef argument, Bindings& bindings);
// The type with any items, keys and values: `list(dyn)` for each list.
TypeRef WithoutParameters(TypePool& pool, TypeRef type);
// The type with bound parameters put in; unbound ones become kUnbound.
TypeRef Substitute(TypePool& pool, TypeRef type, const Bindings& bindings);
// Whether == may compare the two; != and `in` likewise.
bool Comparable(TypeRef a, TypeRef b);
// Whether < may compare the two.
bool Ordered(TypeRef a, TypeRef b);

// CEL's name of the type a value has at run time: `int`, `google.protobuf.Timestamp`.
std::string_view RuntimeTypeName(const cep::Value& value);
// The tag that values of the type have; kAbsent when it can be any.
cep::ValueTag RuntimeTag(TypeRef type);
// The name of a type that can be written as an identifier, in canonical spelling; empty if it is
// none.
std::string_view TypeDenotation(std::string_view name);

}  // namespace vigil::rules::cel
