// Equality and order of scalars by CEL's rules: numbers compare by value across int, uint and
// double, exactly. The one comparison of numbers there is: atoms over columns and compiled
// expressions (rules/cel) both come here, so they cannot differ.
//
// One exception to exactness: the bound just past the largest int (2^63) or uint (2^64) equals that
// integer, for it is what the integer reads as in a double. Source: google/cel-spec
// doc/langdef.md, "Equality" and "Ordering"; the exception is its suite's
// comparisons/lt_literal/not_lt_dyn_int_big_lossy_double. Tests: tests/cep/number_compare_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "cep/event/value.h"

namespace vigil::cep {

enum class Ordering : uint8_t { kLess, kEqual, kGreater, kUnordered };  // kUnordered: a NaN

// The order of an int (a uint) and a double, as if both were real numbers, but for the exception.
Ordering CompareIntDouble(int64_t i, double d);
Ordering CompareUintDouble(uint64_t u, double d);

// int, uint or double.
bool IsNumber(const Value& value);
// The order of two numbers.
Ordering CompareNumbers(const Value& a, const Value& b);

// Order of two scalars; empty where CEL has no such operator (a string and a number, null, lists,
// ...).
std::optional<Ordering> ScalarCompare(const Value& a, const Value& b);

// Equality of two scalars; values of different types are unequal. Empty if either is a list, map,
// absent or an error.
std::optional<bool> ScalarEquals(const Value& a, const Value& b);

}  // namespace vigil::cep
