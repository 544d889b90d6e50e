// The one table of CEL functions: names, overloads, what they do, and how.
//
// Checker, program and documentation all come from it. An overload is one row, its types written as
// text:
//   {"string.startsWith(string) -> bool", "Whether ...", &StartsWith, Cost::kLinear}
// `T.f(U) -> R` is called t.f(u), `f(T, U) -> R` as f(t, u); <T> is a type parameter; <number> is
// int, uint or double, each time anew; <ordered> is one type that `<` takes. Operators are
// functions too, named `_+_`, `-_`, `!_`; comparisons, &&, || and ?: are built in. To add a
// function, add rows to a functions_*.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/value.h"
#include "rules/cel/types.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {

inline constexpr size_t kMaxParameters = 4;

// Sizes that a value made by evaluation may reach; beyond them the evaluation fails.
inline constexpr uint64_t kMaxTextSize = 16 * 1024 * 1024;
inline constexpr uint64_t kMaxListSize = 1024 * 1024;
inline constexpr std::string_view kTextTooLong = "text longer than 16 MiB";
inline constexpr std::string_view kListTooLong = "list longer than 1,048,576 items";

inline constexpr uint64_t kMaxWork = 10'000'000;  // steps of one evaluation

// What an implementation may use besides its arguments.
struct CallContext {
  Arena& arena;
  WorkMeter& work;
};

// Arguments have the overload's types and are never errors. The result may be an error; it points
// into the arguments, the arena or static text.
using Implementation = cep::Value (*)(CallContext& context, const cep::Value* args);

// How the steps of a call grow; the call pays them before it runs. A text of n bytes counts as n /
// 16, a list or map of n entries as n.
enum class Cost : uint8_t {
  kConstant,
  kLinear,   // the sum of the arguments' sizes
  kProduct,  // their product
  kSquare,   // the square of their sum
  kPattern,  // the sum, and the price of a regular expression that is not constant
};

// As written in a table.
struct FunctionRow {
  std::string_view signature;
  std::string_view doc;
  Implementation implementation;
  Cost cost = Cost::kConstant;
};

struct Overload {
  std::string_view signature;
  std::string_view doc;
  bool is_member = false;
  std::vector<TypeRef> parameters;                   // the target of a member call first
  std::array<cep::ValueTag, kMaxParameters> tags{};  // of the parameters; kAbsent: any
  TypeRef result = nullptr;
  Implementation implementation = nullptr;  // null: declared only
  Cost cost = Cost::kConstant;
  std::string_view topic;  // of the reference: `strings`, `time`
};

// A macro of the language: it looks like a function, but takes names and parts of expressions.
struct MacroDoc {
  std::string_view usage;
  std::string_view doc;
};
// All macros, for the reference.
const std::vector<MacroDoc>& MacroDocs();
// What a cost is called in the reference: `1`, `n`.
std::string_view CostText(Cost cost);

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
  // Whether a function is named `space.something`.
  bool HasNamespace(std::string_view space) const;
  const std::vector<Function>& functions() const { return functions_; }

 private:
  FunctionTable();
  void Add(const FunctionRow& row, std::string_view topic);

  TypePool types_;
  std::vector<Function> functions_;  // sorted by name
};

// Whether the name of an operator; its spelling in messages is OperatorOf(name).
bool IsOperator(std::string_view name);
std::string_view OperatorOf(std::string_view name);

// An error value with a text made for the occasion.
cep::Value MakeError(Arena& arena, std::string_view text);

// An allocation of text in the arena, for results that are made byte by byte.
cep::Value MakeText(CallContext& context, std::string_view text);

// The steps that a call of this cost takes.
uint64_t StepsOf(Cost cost, const cep::Value* args, size_t count);

// One topic of the table.
struct FunctionTopic {
  std::string_view name;
  std::vector<FunctionRow> (*rows)();
};
// All topics, in the order of the reference.
const std::vector<FunctionTopic>& FunctionTopics();

std::vector<FunctionRow> ArithmeticRows();
std::vector<FunctionRow> CollectionRows();
std::vector<FunctionRow> ConversionRows();
std::vector<FunctionRow> EncoderRows();
std::vector<FunctionRow> GeoRows();
std::vector<FunctionRow> ListRows();
std::vector<FunctionRow> MathRows();
std::vector<FunctionRow> NetworkRows();
std::vector<FunctionRow> OptionalRows();
std::vector<FunctionRow> RegexRows();
std::vector<FunctionRow> SetRows();
std::vector<FunctionRow> StringFormatRows();
std::vector<FunctionRow> StringRows();
std::vector<FunctionRow> TimeRows();

}  // namespace vigil::rules::cel
