// Equality and order of scalars by CEL's rules: numbers compare by value across int, uint and
// double, exactly.
//
// Source: google/cel-spec doc/langdef.md, "Equality" and "Ordering".
#pragma once

#include <cstdint>
#include <optional>

#include "cep/event/value.h"

namespace vigil::cep {

enum class Ordering : uint8_t { kLess, kEqual, kGreater, kUnordered };  // kUnordered: a NaN

// The order of an int and a double, as if both were real numbers.
Ordering CompareIntDouble(int64_t i, double d);
Ordering CompareUintDouble(uint64_t u, double d);

// Order of two scalars; empty where CEL has no such operator (a string and a number, null, lists,
// ...).
std::optional<Ordering> ScalarCompare(const Value& a, const Value& b);

// Equality of two scalars; values of different types are unequal. Empty if either is a list, map,
// absent or an error.
std::optional<bool> ScalarEquals(const Value& a, const Value& b);

}  // namespace vigil::cep
