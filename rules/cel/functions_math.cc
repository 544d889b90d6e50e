// math: least and greatest, rounding, bits. Source: cel-go's math extension.
#include <cmath>

#include "rules/cel/functions.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr std::string_view kNoOverload = "no such overload: math takes numbers";

Value Same(CallContext&, const Value* args) { return args[0]; }

// The first of the two that is not beaten: `kWorse` is how a loser compares with the other.
template <Order kWorse>
Value Better(const Value& a, const Value& b) {
  if (!IsNumber(a) || !IsNumber(b)) return Value::Error(kNoOverload);
  const Order order = cep::CompareNumbers(a, b);
  if (order == Order::kUnordered) return Value::Error("NaN is neither less nor greater");
  return order == kWorse ? b : a;
}

template <Order kWorse>
Value BestOfTwo(CallContext&, const Value* args) {
  return Better<kWorse>(args[0], args[1]);
}

template <Order kWorse>
Value BestOfList(CallContext&, const Value* args) {
  const Value& list = args[0];
  if (list.size == 0) return Value::Error("an empty list has no least or greatest number");
  Value best = list.list[0];
  for (uint32_t i = 0; i < list.size && !best.is_error(); ++i) {
    best = Better<kWorse>(best, list.list[i]);
  }
  return best;
}

using DoubleFunction = double (*)(double);

template <DoubleFunction kFunction>
Value OfDouble(CallContext&, const Value* args) {
  return Value::Double(kFunction(args[0].d));
}

double SignOf(double d) { return std::isnan(d) ? d : d > 0 ? 1.0 : d < 0 ? -1.0 : 0.0; }

using DoubleTest = bool (*)(double);

template <DoubleTest kTest>
Value TestDouble(CallContext&, const Value* args) {
  return Value::Bool(kTest(args[0].d));
}

bool IsInf(double d) { return std::isinf(d); }
bool IsNaN(double d) { return std::isnan(d); }
bool IsFinite(double d) { return std::isfinite(d); }

Value AbsInt(CallContext&, const Value* args) {
  if (args[0].i == INT64_MIN) return Value::Error("integer overflow");
  return Value::Int(args[0].i < 0 ? -args[0].i : args[0].i);
}

Value SignInt(CallContext&, const Value* args) {
  return Value::Int((args[0].i > 0) - (args[0].i < 0));
}

Value SignUint(CallContext&, const Value* args) { return Value::Uint(args[0].u > 0 ? 1 : 0); }

Value SqrtInt(CallContext&, const Value* args) {
  return Value::Double(std::sqrt(static_cast<double>(args[0].i)));
}

Value SqrtUint(CallContext&, const Value* args) {
  return Value::Double(std::sqrt(static_cast<double>(args[0].u)));
}

// Bits are the same for int and uint: the result takes the type of the first argument.
Value WithBits(const Value& like, uint64_t bits) {
  Value value = like;
  value.u = bits;
  return value;
}

Value BitAnd(CallContext&, const Value* args) { return WithBits(args[0], args[0].u & args[1].u); }
Value BitOr(CallContext&, const Value* args) { return WithBits(args[0], args[0].u | args[1].u); }
Value BitXor(CallContext&, const Value* args) { return WithBits(args[0], args[0].u ^ args[1].u); }
Value BitNot(CallContext&, const Value* args) { return WithBits(args[0], ~args[0].u); }

template <bool kLeft>
Value BitShift(CallContext&, const Value* args) {
  const int64_t bits = args[1].i;
  if (bits < 0) return Value::Error("bits are shifted by a negative number");
  if (bits >= 64) return WithBits(args[0], 0);
  return WithBits(args[0], kLeft ? args[0].u << bits : args[0].u >> bits);
}

constexpr Order kLess = Order::kLess;
constexpr Order kGreater = Order::kGreater;

}  // namespace

std::vector<FunctionRow> MathRows() {
  return {
      {"math.greatest(int) -> int", "The number itself.", &Same},
      {"math.greatest(uint) -> uint", "The number itself.", &Same},
      {"math.greatest(double) -> double", "The number itself.", &Same},
      {"math.greatest(int, int) -> int", "The greater number.", &BestOfTwo<kLess>},
      {"math.greatest(uint, uint) -> uint", "The greater number.", &BestOfTwo<kLess>},
      {"math.greatest(double, double) -> double", "The greater number.", &BestOfTwo<kLess>},
      {"math.greatest(<number>, <number>) -> dyn", "The greater number, the first if equal.",
       &BestOfTwo<kLess>},
      {"math.greatest(list(int)) -> int", "The greatest; also of three and more arguments.",
       &BestOfList<kLess>, Cost::kLinear},
      {"math.greatest(list(uint)) -> uint", "The greatest.", &BestOfList<kLess>, Cost::kLinear},
      {"math.greatest(list(double)) -> double", "The greatest.", &BestOfList<kLess>, Cost::kLinear},
      {"math.least(int) -> int", "The number itself.", &Same},
      {"math.least(uint) -> uint", "The number itself.", &Same},
      {"math.least(double) -> double", "The number itself.", &Same},
      {"math.least(int, int) -> int", "The lesser number.", &BestOfTwo<kGreater>},
      {"math.least(uint, uint) -> uint", "The lesser number.", &BestOfTwo<kGreater>},
      {"math.least(double, double) -> double", "The lesser number.", &BestOfTwo<kGreater>},
      {"math.least(<number>, <number>) -> dyn", "The lesser number, the first if equal.",
       &BestOfTwo<kGreater>},
      {"math.least(list(int)) -> int", "The least; also of three and more arguments.",
       &BestOfList<kGreater>, Cost::kLinear},
      {"math.least(list(uint)) -> uint", "The least.", &BestOfList<kGreater>, Cost::kLinear},
      {"math.least(list(double)) -> double", "The least.", &BestOfList<kGreater>, Cost::kLinear},
      {"math.ceil(double) -> double", "The next whole number, up.", &OfDouble<&std::ceil>},
      {"math.floor(double) -> double", "The next whole number, down.", &OfDouble<&std::floor>},
      {"math.round(double) -> double", "The nearest whole number, halves away from zero.",
       &OfDouble<&std::round>},
      {"math.trunc(double) -> double", "The number without its fraction.", &OfDouble<&std::trunc>},
      {"math.abs(double) -> double", "Without its sign.", &OfDouble<&std::fabs>},
      {"math.abs(int) -> int", "Without its sign; an error for the least int.", &AbsInt},
      {"math.abs(uint) -> uint", "The number itself.", &Same},
      {"math.sign(double) -> double", "-1.0, 0.0 or 1.0; NaN of NaN.", &OfDouble<&SignOf>},
      {"math.sign(int) -> int", "-1, 0 or 1.", &SignInt},
      {"math.sign(uint) -> uint", "0u or 1u.", &SignUint},
      {"math.isInf(double) -> bool", "Whether it is an infinity.", &TestDouble<&IsInf>},
      {"math.isNaN(double) -> bool", "Whether it is no number.", &TestDouble<&IsNaN>},
      {"math.isFinite(double) -> bool", "Whether it is neither.", &TestDouble<&IsFinite>},
      {"math.sqrt(double) -> double", "The square root; NaN below zero.", &OfDouble<&std::sqrt>},
      {"math.sqrt(int) -> double", "The square root; NaN below zero.", &SqrtInt},
      {"math.sqrt(uint) -> double", "The square root.", &SqrtUint},
      {"math.bitAnd(int, int) -> int", "Bits that both have.", &BitAnd},
      {"math.bitAnd(uint, uint) -> uint", "Bits that both have.", &BitAnd},
      {"math.bitOr(int, int) -> int", "Bits that one of them has.", &BitOr},
      {"math.bitOr(uint, uint) -> uint", "Bits that one of them has.", &BitOr},
      {"math.bitXor(int, int) -> int", "Bits that only one of them has.", &BitXor},
      {"math.bitXor(uint, uint) -> uint", "Bits that only one of them has.", &BitXor},
      {"math.bitNot(int) -> int", "Every bit turned.", &BitNot},
      {"math.bitNot(uint) -> uint", "Every bit turned.", &BitNot},
      {"math.bitShiftLeft(int, int) -> int", "Bits moved to the left; 0 from 64 on.",
       &BitShift<true>},
      {"math.bitShiftLeft(uint, int) -> uint", "Bits moved to the left; 0 from 64 on.",
       &BitShift<true>},
      {"math.bitShiftRight(int, int) -> int",
       "Bits moved to the right, zeros from the left; 0 from 64 on.", &BitShift<false>},
      {"math.bitShiftRight(uint, int) -> uint", "Bits moved to the right; 0 from 64 on.",
       &BitShift<false>},
  };
}

}  // namespace vigil::rules::cel
