#include "cep/event/number_compare.h"

#include <cmath>
#include <limits>

namespace vigil::cep {
namespace {

template <typename T>
Ordering Order(T a, T b) {
  if (a < b) return Ordering::kLess;
  if (b < a) return Ordering::kGreater;
  return a == b ? Ordering::kEqual : Ordering::kUnordered;
}

Ordering Reverse(Ordering order) {
  if (order == Ordering::kLess) return Ordering::kGreater;
  if (order == Ordering::kGreater) return Ordering::kLess;
  return order;
}

Ordering CompareIntUint(int64_t i, uint64_t u) {
  return i < 0 ? Ordering::kLess : Order(static_cast<uint64_t>(i), u);
}

// An integer against a double: the double's whole part is compared as an integer, then what follows
// the point. `low` is the least double that the type holds, `high` the bound past its largest
// value.
template <typename Int>
Ordering CompareToDouble(Int a, double b, double low, double high) {
  if (std::isnan(b)) return Ordering::kUnordered;
  if (b < low) return Ordering::kGreater;
  if (b > high) return Ordering::kLess;
  if (b == high) return Order(a, std::numeric_limits<Int>::max());
  const double whole = std::trunc(b);
  const Ordering order = Order(a, static_cast<Int>(whole));
  return order == Ordering::kEqual ? Order(0.0, b - whole) : order;
}

Ordering CompareTimes(const Value& a, const Value& b) {
  const Ordering seconds = Order(a.i, b.i);
  return seconds == Ordering::kEqual ? Order(a.nanos(), b.nanos()) : seconds;
}

}  // namespace

Ordering CompareIntDouble(int64_t i, double d) {
  return CompareToDouble<int64_t>(i, d, -9223372036854775808.0, 9223372036854775808.0);
}

Ordering CompareUintDouble(uint64_t u, double d) {
  return CompareToDouble<uint64_t>(u, d, 0.0, 18446744073709551616.0);
}

bool IsNumber(const Value& v) {
  return v.tag == ValueTag::kInt || v.tag == ValueTag::kUint || v.tag == ValueTag::kDouble;
}

Ordering CompareNumbers(const Value& a, const Value& b) {
  if (a.tag == b.tag) {
    if (a.tag == ValueTag::kInt) return Order(a.i, b.i);
    return a.tag == ValueTag::kUint ? Order(a.u, b.u) : Order(a.d, b.d);
  }
  if (a.tag == ValueTag::kInt) {
    return b.tag == ValueTag::kUint ? CompareIntUint(a.i, b.u) : CompareIntDouble(a.i, b.d);
  }
  if (a.tag == ValueTag::kUint && b.tag == ValueTag::kDouble) return CompareUintDouble(a.u, b.d);
  return Reverse(CompareNumbers(b, a));
}

std::optional<Ordering> ScalarCompare(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) return CompareNumbers(a, b);
  if (a.tag != b.tag) return std::nullopt;
  switch (a.tag) {
    case ValueTag::kBool:
      return Order(a.b, b.b);
    case ValueTag::kString:
    case ValueTag::kBytes:
      return Order(a.text(), b.text());
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      return CompareTimes(a, b);
    default:
      return std::nullopt;
  }
}

std::optional<bool> ScalarEquals(const Value& a, const Value& b) {
  const auto is_scalar = [](const Value& v) {
    return v.tag != ValueTag::kAbsent && v.tag != ValueTag::kError && v.tag != ValueTag::kList &&
           v.tag != ValueTag::kMap;
  };
  if (!is_scalar(a) || !is_scalar(b)) return std::nullopt;
  if (a.tag == ValueTag::kNull || b.tag == ValueTag::kNull) return a.tag == b.tag;
  if (a.tag == ValueTag::kType) return b.tag == ValueTag::kType && a.text() == b.text();
  const std::optional<Ordering> order = ScalarCompare(a, b);
  return order.has_value() && *order == Ordering::kEqual;
}

}  // namespace vigil::cep
