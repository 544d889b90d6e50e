// Equality, order and other properties of CEL values.
//
// Numbers compare by mathematical value (cep/event/number_compare.h). NaN equals nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cep/base/arena.h"
#include "cep/event/number_compare.h"
#include "cep/event/value.h"

namespace vigil::rules::cel {

// A reference to an event inside a running program: never leaves it, never is in a map.
inline constexpr auto kEventTag =
    static_cast<cep::ValueTag>(64);  // pointer to a CapturedEvent; null: the current one
inline constexpr auto kEventsTag =
    static_cast<cep::ValueTag>(65);  // pointer to a stage's array of them, `size` long

// Values that only expressions know; Plain() turns them into others before they leave.
inline constexpr auto kOptionalTag =
    static_cast<cep::ValueTag>(66);  // pointer to the value, `size` 1; none: `size` 0
inline constexpr auto kAddressTag = static_cast<cep::ValueTag>(67);  // an IP address (network.h)
inline constexpr auto kPrefixTag = static_cast<cep::ValueTag>(68);   // a CIDR range (network.h)
// An optional that is to be an item of a list or the value of a map's key if it has a value.
inline constexpr auto kSpliceTag = static_cast<cep::ValueTag>(69);

inline constexpr uint32_t kMaxValueNesting =
    1000;  // of lists and maps; deeper ones are unequal to everything

using Order = cep::Ordering;

// Steps of work that an evaluation may still take; a step is about the cost of comparing two
// numbers. What would take longer fails, so that no expression and no event can hold up the stream.
struct WorkMeter {
  uint64_t left = 0;

  // Takes `steps`; false, and nothing left, if there are not as many.
  bool Spend(uint64_t steps) {
    if (steps > left) {
      left = 0;
      return false;
    }
    left -= steps;
    return true;
  }
};
inline constexpr std::string_view kTooMuchWork = "more than 10,000,000 steps in one evaluation";

// Whether two values are equal; values of types that never compare are unequal.
bool Equals(const cep::Value& a, const cep::Value& b);
// The same, for at most the work that `meter` allows; false when it runs out.
bool Equals(const cep::Value& a, const cep::Value& b, WorkMeter& meter);
// The order of two values; nothing if their types have no order between them.
std::optional<Order> Compare(const cep::Value& a, const cep::Value& b);

using cep::IsNumber;

// optional.of(value), kept in the arena, and optional.none().
cep::Value OptionalOf(const cep::Value& value, Arena& arena);
cep::Value OptionalNone();
// Whether it is the value that its type has when nothing is set: 0, "", false, null, [], {}, ...
bool IsZeroValue(const cep::Value& value);
// Whether it is optional.none(), or holds it.
bool HoldsNone(const cep::Value& value);
// Whether Plain() would change it.
bool HoldsSpecial(const cep::Value& value);
// The value as those outside of expressions know it: an optional is its value or null, addresses
// and ranges are text; in lists and maps likewise.
cep::Value Plain(const cep::Value& value, Arena& arena);
// The entry whose key equals `key`, or null. O(entries).
const cep::MapEntry* FindKey(const cep::Value& map, const cep::Value& key);
const cep::MapEntry* FindKey(const cep::Value& map, std::string_view key);

// The int that a number is equal to, if any; as an index into a list.
std::optional<int64_t> AsIndex(const cep::Value& value);

// Unicode code points in a UTF-8 text.
int64_t CountCodePoints(std::string_view text);
bool IsValidUtf8(std::string_view text);

}  // namespace vigil::rules::cel
