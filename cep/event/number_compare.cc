#include "cep/event/number_compare.h"

#include <cmath>

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

// The fraction of a double whose integral part equals the integer decides.
Ordering ByFraction(double fraction) {
  if (fraction > 0) return Ordering::kLess;
  return fraction < 0 ? Ordering::kGreater : Ordering::kEqual;
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
  if (a.tag == ValueTag::kUint) {
    return b.tag == ValueTag::kInt ? Reverse(CompareIntUint(b.i, a.u))
                                   : CompareUintDouble(a.u, b.d);
  }
  return Reverse(CompareNumbers(b, a));
}

Ordering CompareTimes(const Value& a, const Value& b) {
  const Ordering seconds = Order(a.i, b.i);
  return seconds == Ordering::kEqual ? Order(a.nanos(), b.nanos()) : seconds;
}

}  // namespace

Ordering CompareIntDouble(int64_t i, double d) {
  if (std::isnan(d)) return Ordering::kUnordered;
  if (d >= 9223372036854775808.0) return Ordering::kLess;
  if (d < -9223372036854775808.0) return Ordering::kGreater;
  const double whole = std::trunc(d);
  const Ordering order = Order(i, static_cast<int64_t>(whole));
  return order == Ordering::kEqual ? ByFraction(d - whole) : order;
}

Ordering CompareUintDouble(uint64_t u, double d) {
  if (std::isnan(d)) return Ordering::kUnordered;
  if (d >= 18446744073709551616.0) return Ordering::kLess;
  if (d < 0) return Ordering::kGreater;
  const double whole = std::trunc(d);
  const Ordering order = Order(u, static_cast<uint64_t>(whole));
  return order == Ordering::kEqual ? ByFraction(d - whole) : order;
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
