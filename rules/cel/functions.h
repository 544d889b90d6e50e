// The one table of CEL functions: names, overloads, what they do, and how.
//
// Checker, program and documentation all come from it. An overload is one row, its types written as
// text:
//   {"string.startsWith(string) -> bool", "Whether ...", &StartsWith}
// `T.f(U) -> R` is called t.f(u), `f(T, U) -> R` as f(t, u); <T> is a type parameter; <number> is
// int, uint or double, each time anew. Operators are functions too, named
// `_+_`, `-_`, `!_`; comparisons, &&, || and ?: are built in. To add a function, add rows to a
// functions_*.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/value.h"
#include "rules/cel/types.h"

namespace vigil::rules::cel {

inline constexpr size_t kMaxParameters = 4;

// Sizes that a value made by evaluation may reach; beyond them the evaluation fails.
inline constexpr uint64_t kMaxTextSize = 16 * 1024 * 1024;
inline constexpr uint64_t kMaxListSize = 1024 * 1024;
inline constexpr std::string_view kTextTooLong = "text longer than 16 MiB";
inline constexpr std::string_view kListTooLong = "list longer than 1,048,576 items";

// What an implementation may use besides its arguments.
struct CallContext {
  Arena& arena;
};

// Arguments have the overload's types and are never errors. The result may be an error; it points
// into the arguments, the arena or static text.
using Implementation = cep::Value (*)(CallContext& context, const cep::Value* args);

// As written in a table.
struct FunctionRow {
  std::string_view signature;
  std::string_view doc;
  Implementation implementation;
};

struct Overload {
  std::string_view signature;
  std::string_view doc;
  bool is_member = false;
  std::vector<TypeRef> parameters;                   // the target of a member call first
  std::array<cep::ValueTag, kMaxParameters> tags{};  // of the parameters; kAbsent: any
  TypeRef result = nullptr;
  Implementation implementation = nullptr;  // null: declared only
};

struct Function {
  std::string name;
  std::vector<Overload> overloads;
};

class FunctionTable {
 public:
  // Every function of this build. Immutable, made once.
  static const FunctionTable& Get();

  // The function `name`, or null. A dotted name is one of a namespace, as `geo.distance_km`.
  const Function* Find(std::string_view name) const;
  const std::vector<Function>& functions() const { return functions_; }

 private:
  FunctionTable();
  void Add(const FunctionRow& row);

  TypePool types_;
  std::vector<Function> functions_;  // sorted by name
};

// Whether the name of an operator; its spelling in messages is OperatorOf(name).
bool IsOperator(std::string_view name);
std::string_view OperatorOf(std::string_view name);

// An error value with a text made for the occasion.
cep::Value MakeError(Arena& arena, std::string_view text);

// The rows, by topic.
std::vector<FunctionRow> ArithmeticRows();
std::vector<FunctionRow> CollectionRows();
std::vector<FunctionRow> ConversionRows();
std::vector<FunctionRow> GeoRows();
std::vector<FunctionRow> StringRows();
std::vector<FunctionRow> TimeRows();

}  // namespace vigil::rules::cel
