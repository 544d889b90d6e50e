// Arithmetic operators and `!`. Integers never wrap: an overflow is an error.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "rules/cel/functions.h"
#include "rules/cel/time.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

constexpr std::string_view kOverflow = "integer overflow";

enum class Op { kAdd, kSubtract, kMultiply };

template <Op kOp, typename T>
bool Overflows(T a, T b, T* result) {
  if constexpr (kOp == Op::kAdd) return __builtin_add_overflow(a, b, result);
  if constexpr (kOp == Op::kSubtract) return __builtin_sub_overflow(a, b, result);
  return __builtin_mul_overflow(a, b, result);
}

template <Op kOp>
Value IntOp(CallContext&, const Value* args) {
  int64_t result = 0;
  if (Overflows<kOp>(args[0].i, args[1].i, &result)) return Value::Error(kOverflow);
  return Value::Int(result);
}

template <Op kOp>
Value UintOp(CallContext&, const Value* args) {
  uint64_t result = 0;
  if (Overflows<kOp>(args[0].u, args[1].u, &result)) return Value::Error(kOverflow);
  return Value::Uint(result);
}

template <Op kOp>
Value DoubleOp(CallContext&, const Value* args) {
  if constexpr (kOp == Op::kAdd) return Value::Double(args[0].d + args[1].d);
  if constexpr (kOp == Op::kSubtract) return Value::Double(args[0].d - args[1].d);
  return Value::Double(args[0].d * args[1].d);
}

Value DivideInts(CallContext&, const Value* args) {
  if (args[1].i == 0) return Value::Error("division by zero");
  if (args[0].i == INT64_MIN && args[1].i == -1) return Value::Error(kOverflow);
  return Value::Int(args[0].i / args[1].i);
}

Value DivideUints(CallContext&, const Value* args) {
  if (args[1].u == 0) return Value::Error("division by zero");
  return Value::Uint(args[0].u / args[1].u);
}

Value DivideDoubles(CallContext&, const Value* args) {
  return Value::Double(args[0].d / args[1].d);
}

Value ModuloInts(CallContext&, const Value* args) {
  if (args[1].i == 0) return Value::Error("modulus by zero");
  if (args[0].i == INT64_MIN && args[1].i == -1) return Value::Error(kOverflow);
  return Value::Int(args[0].i % args[1].i);
}

Value ModuloUints(CallContext&, const Value* args) {
  if (args[1].u == 0) return Value::Error("modulus by zero");
  return Value::Uint(args[0].u % args[1].u);
}

Value NegateInt(CallContext&, const Value* args) {
  if (args[0].i == INT64_MIN) return Value::Error(kOverflow);
  return Value::Int(-args[0].i);
}

Value NegateDouble(CallContext&, const Value* args) { return Value::Double(-args[0].d); }

Value Not(CallContext&, const Value* args) { return Value::Bool(!args[0].b); }

// Two texts in a row, in the arena.
std::string_view Join(Arena& arena, std::string_view a, std::string_view b) {
  char* out = static_cast<char*>(arena.Allocate(a.size() + b.size() + 1, 1));
  std::memcpy(out, a.data(), a.size());
  std::memcpy(out + a.size(), b.data(), b.size());
  return {out, a.size() + b.size()};
}

bool FitsText(const Value& a, const Value& b) { return uint64_t{a.size} + b.size <= kMaxTextSize; }

Value AddStrings(CallContext& context, const Value* args) {
  if (!FitsText(args[0], args[1])) return Value::Error(kTextTooLong);
  if (args[0].size == 0) return args[1];
  if (args[1].size == 0) return args[0];
  return Value::String(Join(context.arena, args[0].text(), args[1].text()));
}

Value AddBytes(CallContext& context, const Value* args) {
  if (!FitsText(args[0], args[1])) return Value::Error(kTextTooLong);
  if (args[0].size == 0) return args[1];
  if (args[1].size == 0) return args[0];
  return Value::Bytes(Join(context.arena, args[0].text(), args[1].text()));
}

Value AddLists(CallContext& context, const Value* args) {
  const uint64_t size = uint64_t{args[0].size} + args[1].size;
  if (size > kMaxListSize) return Value::Error(kListTooLong);
  if (args[0].size == 0) return args[1];
  if (args[1].size == 0) return args[0];
  Value* items = context.arena.New<Value>(size);
  std::copy_n(args[0].list, args[0].size, items);
  std::copy_n(args[1].list, args[1].size, items + args[0].size);
  return Value::List(items, static_cast<uint32_t>(size));
}

Value AddDurationToTimestamp(CallContext&, const Value* args) { return AddTimes(args[0], args[1]); }
Value AddTimestampToDuration(CallContext&, const Value* args) { return AddTimes(args[1], args[0]); }
Value AddDurations(CallContext&, const Value* args) { return AddTimes(args[0], args[1]); }
Value SubtractDuration(CallContext&, const Value* args) { return SubtractTimes(args[0], args[1]); }
Value SubtractTimestamps(CallContext&, const Value* args) {
  return SubtractTimes(args[0], args[1]);
}

Value NegateDuration(CallContext&, const Value* args) {
  return Value::Time(cep::ValueTag::kDuration, -args[0].i, -args[0].nanos());
}

}  // namespace

std::vector<FunctionRow> ArithmeticRows() {
  return {
      {"_+_(int, int) -> int", "The sum.", &IntOp<Op::kAdd>},
      {"_+_(uint, uint) -> uint", "The sum.", &UintOp<Op::kAdd>},
      {"_+_(double, double) -> double", "The sum.", &DoubleOp<Op::kAdd>},
      {"_+_(string, string) -> string", "The two texts in a row.", &AddStrings, Cost::kLinear},
      {"_+_(bytes, bytes) -> bytes", "The two byte sequences in a row.", &AddBytes, Cost::kLinear},
      {"_+_(list(<T>), list(<T>)) -> list(<T>)", "The two lists in a row.", &AddLists,
       Cost::kLinear},
      {"_+_(timestamp, duration) -> timestamp", "The time so much later.", &AddDurationToTimestamp},
      {"_+_(duration, timestamp) -> timestamp", "The time so much later.", &AddTimestampToDuration},
      {"_+_(duration, duration) -> duration", "The sum.", &AddDurations},
      {"_-_(int, int) -> int", "The difference.", &IntOp<Op::kSubtract>},
      {"_-_(uint, uint) -> uint", "The difference.", &UintOp<Op::kSubtract>},
      {"_-_(double, double) -> double", "The difference.", &DoubleOp<Op::kSubtract>},
      {"_-_(timestamp, timestamp) -> duration", "The time between.", &SubtractTimestamps},
      {"_-_(timestamp, duration) -> timestamp", "The time so much earlier.", &SubtractDuration},
      {"_-_(duration, duration) -> duration", "The difference.", &SubtractDuration},
      {"_*_(int, int) -> int", "The product.", &IntOp<Op::kMultiply>},
      {"_*_(uint, uint) -> uint", "The product.", &UintOp<Op::kMultiply>},
      {"_*_(double, double) -> double", "The product.", &DoubleOp<Op::kMultiply>},
      {"_/_(int, int) -> int", "The quotient, rounded towards zero.", &DivideInts},
      {"_/_(uint, uint) -> uint", "The quotient, rounded down.", &DivideUints},
      {"_/_(double, double) -> double", "The quotient.", &DivideDoubles},
      {"_%_(int, int) -> int", "The remainder, with the sign of the dividend.", &ModuloInts},
      {"_%_(uint, uint) -> uint", "The remainder.", &ModuloUints},
      {"-_(int) -> int", "The negated number.", &NegateInt},
      {"-_(double) -> double", "The negated number.", &NegateDouble},
      {"-_(duration) -> duration", "The negated duration.", &NegateDuration},
      {"!_(bool) -> bool", "True for false, false for true.", &Not},
  };
}

}  // namespace vigil::rules::cel
