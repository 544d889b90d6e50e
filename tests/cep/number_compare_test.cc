// Numbers compare by value across types, exactly, also where a double cannot hold the integer.
#include "cep/event/number_compare.h"

#include <cmath>

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

struct Case {
  Value a;
  Value b;
  Ordering order;
};

TEST_CASE("ScalarCompare: numbers across types", "[cep][unit]") {
  const int64_t big = (int64_t{1} << 53) + 1;
  const Case cases[] = {
      {Value::Int(1), Value::Double(1.0), Ordering::kEqual},
      {Value::Int(1), Value::Double(1.5), Ordering::kLess},
      {Value::Int(-1), Value::Double(-1.5), Ordering::kGreater},
      {Value::Int(big), Value::Double(9007199254740992.0), Ordering::kGreater},
      // The bound just past the largest integer is what that integer reads as in a double.
      {Value::Int(INT64_MAX), Value::Double(9223372036854775808.0), Ordering::kEqual},
      {Value::Int(INT64_MAX - 1), Value::Double(9223372036854775808.0), Ordering::kLess},
      {Value::Int(INT64_MAX), Value::Double(9223372036854777856.0), Ordering::kLess},
      {Value::Double(9223372036854775808.0), Value::Int(INT64_MAX - 1), Ordering::kGreater},
      {Value::Int(INT64_MIN), Value::Double(-9223372036854775808.0), Ordering::kEqual},
      {Value::Int(INT64_MIN), Value::Double(-INFINITY), Ordering::kGreater},
      {Value::Int(0), Value::Double(NAN), Ordering::kUnordered},
      {Value::Int(-1), Value::Uint(UINT64_MAX), Ordering::kLess},
      {Value::Uint(UINT64_MAX), Value::Double(18446744073709551616.0), Ordering::kEqual},
      {Value::Uint(UINT64_MAX - 1), Value::Double(18446744073709551616.0), Ordering::kLess},
      {Value::Uint(0), Value::Double(-0.5), Ordering::kGreater},
      {Value::Double(-0.0), Value::Uint(0), Ordering::kEqual},
      {Value::Uint(5), Value::Int(5), Ordering::kEqual},
      {Value::Double(2.5), Value::Int(2), Ordering::kGreater},
      {Value::String("a"), Value::String("ab"), Ordering::kLess},
      {Value::Bool(true), Value::Bool(false), Ordering::kGreater},
  };
  for (const Case& c : cases) CHECK(ScalarCompare(c.a, c.b) == c.order);
  CHECK_FALSE(ScalarCompare(Value::String("1"), Value::Int(1)).has_value());
  CHECK_FALSE(ScalarCompare(Value::Null(), Value::Null()).has_value());
}

TEST_CASE("ScalarEquals: values of different types are unequal, null equals null", "[cep][unit]") {
  CHECK(ScalarEquals(Value::Null(), Value::Null()) == true);
  CHECK(ScalarEquals(Value::Null(), Value::Int(0)) == false);
  CHECK(ScalarEquals(Value::String("1"), Value::Int(1)) == false);
  CHECK(ScalarEquals(Value::Double(NAN), Value::Double(NAN)) == false);
  CHECK_FALSE(ScalarEquals(Value(), Value::Int(1)).has_value());
}

}  // namespace
}  // namespace vigil::cep
