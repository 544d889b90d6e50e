#include "rules/cel/values.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rules/cel/network.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr double kTwo63 = 9223372036854775808.0;  // one past the largest int

template <typename T>
Order OrderOf(const T& a, const T& b) {
  if (a < b) return Order::kLess;
  return b < a ? Order::kGreater : Order::kEqual;
}

Order CompareTimes(const Value& a, const Value& b) {
  const Order seconds = OrderOf(a.i, b.i);
  return seconds != Order::kEqual ? seconds : OrderOf(a.nanos(), b.nanos());
}

class Equality {
 public:
  explicit Equality(WorkMeter& meter) : meter_(meter) {}

  bool Holds(const Value& a, const Value& b, uint32_t depth) {
    if (IsNumber(a) && IsNumber(b)) return cep::CompareNumbers(a, b) == Order::kEqual;
    if (a.tag != b.tag || depth > kMaxValueNesting) return false;
    if (a.tag == kOptionalTag) return Lists(a, b, depth);
    if (a.tag == kAddressTag || a.tag == kPrefixTag) return SameNetwork(a, b);
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
        return Lists(a, b, depth);
      case ValueTag::kMap:
        return Maps(a, b, depth);
      default:
        return false;
    }
  }

 private:
  bool Lists(const Value& a, const Value& b, uint32_t depth) {
    if (a.size != b.size || !meter_.Spend(a.size)) return false;
    for (uint32_t i = 0; i < a.size; ++i) {
      if (!Holds(a.list[i], b.list[i], depth + 1)) return false;
    }
    return true;
  }

  bool Maps(const Value& a, const Value& b, uint32_t depth) {
    if (a.size != b.size || !meter_.Spend(uint64_t{a.size} * b.size)) return false;
    for (uint32_t i = 0; i < a.size; ++i) {
      const cep::MapEntry* other = FindKey(b, a.map[i].key);
      if (other == nullptr || !Holds(a.map[i].value, other->value, depth + 1)) return false;
    }
    return true;
  }

  WorkMeter& meter_;
};

Value PlainNested(const Value& value, Arena& arena, uint32_t depth) {
  if (depth > kMaxValueNesting) return Value::Error("value nested too deep");
  if (value.tag == kOptionalTag) {
    return value.size == 0 ? Value::Null() : PlainNested(*value.list, arena, depth + 1);
  }
  if (value.tag == kAddressTag || value.tag == kPrefixTag) {
    return Value::String(arena.Copy(NetworkText(value)));
  }
  if (value.tag == ValueTag::kList) {
    Value* items = arena.New<Value>(value.size);
    for (uint32_t i = 0; i < value.size; ++i) {
      items[i] = PlainNested(value.list[i], arena, depth + 1);
    }
    return Value::List(items, value.size);
  }
  if (value.tag == ValueTag::kMap) {
    auto* entries = arena.New<cep::MapEntry>(value.size);
    for (uint32_t i = 0; i < value.size; ++i) {
      entries[i] = {value.map[i].key, PlainNested(value.map[i].value, arena, depth + 1)};
    }
    return Value::Map(entries, value.size);
  }
  return value;
}

// Whether `test` holds for the value or anything in it.
template <typename Test>
bool AnyWithin(const Value& value, uint32_t depth, const Test& test) {
  if (test(value)) return true;
  if (depth > kMaxValueNesting) return false;
  if (value.tag == ValueTag::kList || value.tag == kOptionalTag) {
    return std::any_of(value.list, value.list + value.size,
                       [&](const Value& item) { return AnyWithin(item, depth + 1, test); });
  }
  return value.tag == ValueTag::kMap &&
         std::any_of(value.map, value.map + value.size, [&](const cep::MapEntry& entry) {
           return AnyWithin(entry.value, depth + 1, test);
         });
}

}  // namespace

bool Equals(const Value& a, const Value& b, WorkMeter& meter) {
  return Equality(meter).Holds(a, b, 0);
}

bool Equals(const Value& a, const Value& b) {
  WorkMeter unlimited{std::numeric_limits<uint64_t>::max()};
  return Equals(a, b, unlimited);
}

Value OptionalOf(const Value& value, Arena& arena) {
  Value* kept = arena.New<Value>(1);
  *kept = value;
  Value optional = Value::List(kept, 1);
  optional.tag = kOptionalTag;
  return optional;
}

Value OptionalNone() {
  Value optional = Value::List(nullptr, 0);
  optional.tag = kOptionalTag;
  return optional;
}

bool IsZeroValue(const Value& value) {
  constexpr int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z, as cel-go has it
  switch (value.tag) {
    case ValueTag::kNull:
      return true;
    case ValueTag::kBool:
      return !value.b;
    case ValueTag::kInt:
    case ValueTag::kUint:
      return value.u == 0;
    case ValueTag::kDouble:
      return value.d == 0;
    case ValueTag::kString:
    case ValueTag::kBytes:
    case ValueTag::kList:
    case ValueTag::kMap:
      return value.size == 0;
    case ValueTag::kDuration:
      return value.i == 0 && value.nanos() == 0;
    case ValueTag::kTimestamp:
      return value.i == kFirstSecond && value.nanos() == 0;
    default:
      return false;
  }
}

bool HoldsNone(const Value& value) {
  return AnyWithin(value, 0, [](const Value& v) { return v.tag == kOptionalTag && v.size == 0; });
}

bool HoldsSpecial(const Value& value) {
  return AnyWithin(value, 0, [](const Value& v) {
    return v.tag == kOptionalTag || v.tag == kAddressTag || v.tag == kPrefixTag;
  });
}

Value Plain(const Value& value, Arena& arena) { return PlainNested(value, arena, 0); }

std::optional<Order> Compare(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) return cep::CompareNumbers(a, b);
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
