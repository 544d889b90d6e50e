// Equality, order and other properties of CEL values.
//
// Numbers of different types compare by mathematical value, exactly: no rounding to double, but for
// the bound just past the largest int or uint, which equals it. NaN equals nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cep/event/value.h"

namespace vigil::rules::cel {

// A reference to an event inside a running program: never leaves it, never is in a map.
inline constexpr auto kEventTag =
    static_cast<cep::ValueTag>(64);  // pointer to a CapturedEvent; null: the current one
inline constexpr auto kEventsTag =
    static_cast<cep::ValueTag>(65);  // pointer to a stage's array of them, `size` long

inline constexpr uint32_t kMaxValueNesting =
    1000;  // of lists and maps; deeper ones are unequal to everything

enum class Order : uint8_t { kLess, kEqual, kGreater, kUnordered };

// Whether two values are equal; values of types that never compare are unequal.
bool Equals(const cep::Value& a, const cep::Value& b);
// The order of two values; nothing if their types have no order between them.
std::optional<Order> Compare(const cep::Value& a, const cep::Value& b);

bool IsNumber(const cep::Value& value);
// The entry whose key equals `key`, or null. O(entries).
const cep::MapEntry* FindKey(const cep::Value& map, const cep::Value& key);
const cep::MapEntry* FindKey(const cep::Value& map, std::string_view key);

// The int that a number is equal to, if any; as an index into a list.
std::optional<int64_t> AsIndex(const cep::Value& value);

// Unicode code points in a UTF-8 text.
int64_t CountCodePoints(std::string_view text);
bool IsValidUtf8(std::string_view text);

}  // namespace vigil::rules::cel
