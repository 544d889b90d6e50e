#include "rules/cel/values.h"

#include <cmath>
#include <limits>

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr double kTwo63 = 9223372036854775808.0;  // one past the largest int
constexpr double kTwo64 = 18446744073709551616.0;

template <typename T>
Order OrderOf(const T& a, const T& b) {
  if (a < b) return Order::kLess;
  return b < a ? Order::kGreater : Order::kEqual;
}

Order Reverse(Order order) {
  if (order == Order::kLess) return Order::kGreater;
  return order == Order::kGreater ? Order::kLess : order;
}

Order CompareDoubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return Order::kUnordered;
  return OrderOf(a, b);
}

// An integer against a double: the double's whole part is compared as an integer, then what follows
// the point. One exception: the bound just past the largest integer, which is what that integer
// reads as in a double, equals it (cel-spec,
// comparisons/lt_literal/not_lt_dyn_int_big_lossy_double).
template <typename Int>
Order CompareToDouble(Int a, double b, double low, double high) {
  if (std::isnan(b)) return Order::kUnordered;
  if (b < low) return Order::kGreater;
  if (b > high) return Order::kLess;
  if (b == high) return OrderOf(a, std::numeric_limits<Int>::max());
  const double whole = std::trunc(b);
  const Order order = OrderOf(a, static_cast<Int>(whole));
  return order != Order::kEqual ? order : OrderOf(0.0, b - whole);
}

Order CompareIntUint(int64_t a, uint64_t b) {
  return a < 0 ? Order::kLess : OrderOf(static_cast<uint64_t>(a), b);
}

Order CompareNumbers(const Value& a, const Value& b) {
  if (a.tag == b.tag) {
    if (a.tag == ValueTag::kInt) return OrderOf(a.i, b.i);
    if (a.tag == ValueTag::kUint) return OrderOf(a.u, b.u);
    return CompareDoubles(a.d, b.d);
  }
  if (a.tag == ValueTag::kInt) {
    return b.tag == ValueTag::kUint ? CompareIntUint(a.i, b.u)
                                    : CompareToDouble<int64_t>(a.i, b.d, -kTwo63, kTwo63);
  }
  if (a.tag == ValueTag::kUint && b.tag == ValueTag::kDouble) {
    return b.d < 0 ? Order::kGreater : CompareToDouble<uint64_t>(a.u, b.d, 0, kTwo64);
  }
  return Reverse(CompareNumbers(b, a));
}

Order CompareTimes(const Value& a, const Value& b) {
  const Order seconds = OrderOf(a.i, b.i);
  return seconds != Order::kEqual ? seconds : OrderOf(a.nanos(), b.nanos());
}

bool EqualsNested(const Value& a, const Value& b, uint32_t depth);

bool EqualLists(const Value& a, const Value& b, uint32_t depth) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    if (!EqualsNested(a.list[i], b.list[i], depth + 1)) return false;
  }
  return true;
}

bool EqualMaps(const Value& a, const Value& b, uint32_t depth) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    const cep::MapEntry* other = FindKey(b, a.map[i].key);
    if (other == nullptr || !EqualsNested(a.map[i].value, other->value, depth + 1)) return false;
  }
  return true;
}

bool EqualsNested(const Value& a, const Value& b, uint32_t depth) {
  if (depth > kMaxValueNesting) return false;
  if (IsNumber(a) && IsNumber(b)) return CompareNumbers(a, b) == Order::kEqual;
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case ValueTag::kNull:
      return true;
    case ValueTag::kBool:
      return a.b == b.b;
    case ValueTag::kString:
    case ValueTag::kBytes:
    case ValueTag::kType:
      return a.text() == b.text();
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      return a.i == b.i && a.size == b.size;
    case ValueTag::kList:
      return EqualLists(a, b, depth);
    case ValueTag::kMap:
      return EqualMaps(a, b, depth);
    default:
      return false;
  }
}

}  // namespace

bool Equals(const Value& a, const Value& b) { return EqualsNested(a, b, 0); }

std::optional<Order> Compare(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) return CompareNumbers(a, b);
  if (a.tag != b.tag) return std::nullopt;
  switch (a.tag) {
    case ValueTag::kBool:
      return OrderOf(a.b, b.b);
    case ValueTag::kString:
    case ValueTag::kBytes:
      return OrderOf(a.text(), b.text());
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      return CompareTimes(a, b);
    default:
      return std::nullopt;
  }
}

bool IsNumber(const Value& value) {
  return value.tag == ValueTag::kInt || value.tag == ValueTag::kDouble ||
         value.tag == ValueTag::kUint;
}

const cep::MapEntry* FindKey(const Value& map, const Value& key) {
  for (uint32_t i = 0; i < map.size; ++i) {
    if (Equals(map.map[i].key, key)) return &map.map[i];
  }
  return nullptr;
}

const cep::MapEntry* FindKey(const Value& map, std::string_view key) {
  for (uint32_t i = 0; i < map.size; ++i) {
    const Value& candidate = map.map[i].key;
    if (candidate.tag == ValueTag::kString && candidate.text() == key) return &map.map[i];
  }
  return nullptr;
}

std::optional<int64_t> AsIndex(const Value& value) {
  switch (value.tag) {
    case ValueTag::kInt:
      return value.i;
    case ValueTag::kUint:
      if (value.u >= static_cast<uint64_t>(kTwo63)) return std::nullopt;
      return static_cast<int64_t>(value.u);
    case ValueTag::kDouble:
      if (!(value.d >= -kTwo63 && value.d < kTwo63) || std::trunc(value.d) != value.d) {
        return std::nullopt;
      }
      return static_cast<int64_t>(value.d);
    default:
      return std::nullopt;
  }
}

int64_t CountCodePoints(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (c & 0xC0) != 0x80;
  return count;
}

bool IsValidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 0 || lead > 0xF4 || i + length > text.size()) return false;
    uint32_t code = length == 1 ? lead : lead & (0x7F >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      code = (code << 6) | (next & 0x3F);
    }
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (surrogate || code > 0x10FFFF || (length == 3 && code < 0x800) ||
        (length == 4 && code < 0x10000)) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace vigil::rules::cel
