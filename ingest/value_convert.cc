#include "ingest/value_convert.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <absl/container/flat_hash_map.h>

#include "ingest/time_text.h"

namespace vigil::ingest {
namespace {

using cep::MapEntry;
using cep::Type;
using cep::TypeKind;
using cep::Value;
using cep::ValueTag;

// Up to this many entries a linear search finds a duplicate key fastest.
constexpr size_t kSmallMap = 16;

struct UnitRow {
  TimeUnit unit;
  int64_t per_second;
};
constexpr UnitRow kUnits[] = {{TimeUnit::kSeconds, 1},
                              {TimeUnit::kMillis, 1'000},
                              {TimeUnit::kMicros, 1'000'000},
                              {TimeUnit::kNanos, 1'000'000'000},
                              {TimeUnit::kRfc3339, 1'000}};

int64_t PerSecond(TimeUnit unit) { return kUnits[static_cast<size_t>(unit)].per_second; }

bool SameKey(const Value& a, const Value& b) {
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case ValueTag::kString:
      return a.text() == b.text();
    case ValueTag::kBool:
      return a.b == b.b;
    default:
      return a.i == b.i;
  }
}

Value WrongType(const Value& value, const char** found) {
  *found = ValueTagName(value.tag);
  return Value::Error("value of another type");
}

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

Value TimeOfInt(int64_t number, TimeUnit unit, const char** found) {
  const int64_t per_second = PerSecond(unit);
  const int64_t seconds = FloorDiv(number, per_second);
  if (seconds < kMinEventTime / 1000 || seconds > kMaxEventTime / 1000) {
    *found = "time out of range";
    return Value::Error("value of another type");
  }
  const int64_t rest = number - seconds * per_second;
  return Value::Time(ValueTag::kTimestamp, seconds,
                     static_cast<int32_t>(rest * (1'000'000'000 / per_second)));
}

Value ToInt(const Value& value, TimeUnit unit, const char** found) {
  switch (value.tag) {
    case ValueTag::kInt:
      return value;
    case ValueTag::kUint:
      if (value.u <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Value::Int(static_cast<int64_t>(value.u));
      }
      *found = "integer out of range";
      return Value::Error("value of another type");
    case ValueTag::kTimestamp: {
      const int64_t per_second = PerSecond(unit);
      int64_t whole = 0;
      if (__builtin_mul_overflow(value.i, per_second, &whole)) return WrongType(value, found);
      return Value::Int(whole + value.nanos() / (1'000'000'000 / per_second));
    }
    default:
      return WrongType(value, found);
  }
}

Value ToDouble(const Value& value, const char** found) {
  switch (value.tag) {
    case ValueTag::kDouble:
      return value;
    case ValueTag::kInt:
      return Value::Double(static_cast<double>(value.i));
    case ValueTag::kUint:
      return Value::Double(static_cast<double>(value.u));
    default:
      return WrongType(value, found);
  }
}

Value ToTime(const Value& value, TypeKind kind, TimeUnit unit, const char** found) {
  const bool is_timestamp = kind == TypeKind::kTimestamp;
  if (value.tag == (is_timestamp ? ValueTag::kTimestamp : ValueTag::kDuration)) return value;
  if (is_timestamp && value.tag == ValueTag::kInt) return TimeOfInt(value.i, unit, found);
  if (value.tag != ValueTag::kString) return WrongType(value, found);
  SecondsNanos time;
  if (is_timestamp && ParseRfc3339(value.text(), &time)) {
    return Value::Time(ValueTag::kTimestamp, time.seconds, time.nanos);
  }
  if (!is_timestamp && ParseDurationText(value.text(), &time)) {
    return Value::Time(ValueTag::kDuration, time.seconds, time.nanos);
  }
  *found = is_timestamp ? "text that is not RFC 3339" : "text that is no duration";
  return Value::Error("value of another type");
}

Value ToList(const Value& value, const Type& type, TimeUnit unit, Arena* arena,
             const char** found) {
  if (value.tag != ValueTag::kList) return WrongType(value, found);
  if (type.params.empty() || type.element().kind == TypeKind::kDyn) return value;
  auto* const items = arena->New<Value>(value.size);
  for (uint32_t i = 0; i < value.size; ++i) {
    items[i] = ConvertValue(value.list[i], type.element(), unit, arena, found);
  }
  return Value::List(items, value.size);
}

Value ToMap(const Value& value, const Type& type, TimeUnit unit, Arena* arena, const char** found) {
  if (value.tag != ValueTag::kMap) return WrongType(value, found);
  const bool is_map = type.kind == TypeKind::kMap && type.params.size() == 2;
  auto* const entries = arena->New<MapEntry>(value.size);
  for (uint32_t i = 0; i < value.size; ++i) {
    const MapEntry& entry = value.map[i];
    entries[i].key = is_map ? ConvertValue(entry.key, type.key(), unit, arena, found) : entry.key;
    const Type* to = is_map ? &type.value() : &DynType();
    if (!is_map && entry.key.tag == ValueTag::kString) {
      const cep::Field* field = type.Find(entry.key.text());
      if (field != nullptr) to = &field->type;
    }
    entries[i].value = ConvertValue(entry.value, *to, unit, arena, found);
  }
  return Value::Map(entries, value.size);
}

}  // namespace

const Type& DynType() {
  static const Type type(TypeKind::kDyn);
  return type;
}

const char* ValueTagName(ValueTag tag) {
  switch (tag) {
    case ValueTag::kAbsent:
      return "nothing";
    case ValueTag::kError:
      return "a value that cannot be read";
    case ValueTag::kNull:
      return "null";
    case ValueTag::kBool:
      return "bool";
    case ValueTag::kInt:
      return "int";
    case ValueTag::kUint:
      return "uint";
    case ValueTag::kDouble:
      return "double";
    case ValueTag::kString:
      return "string";
    case ValueTag::kBytes:
      return "bytes";
    case ValueTag::kTimestamp:
      return "timestamp";
    case ValueTag::kDuration:
      return "duration";
    case ValueTag::kList:
      return "list";
    case ValueTag::kMap:
      return "object";
    case ValueTag::kType:
      return "type";
  }
  return "?";
}

// Recursion is bounded by the depth of the type.
Value ConvertValue(const Value& value, const Type& type, TimeUnit unit, Arena* arena,
                   const char** found) {
  if (type.kind == TypeKind::kDyn || value.is_null() || value.is_absent()) return value;
  switch (type.kind) {
    case TypeKind::kInt:
      return ToInt(value, unit, found);
    case TypeKind::kDouble:
      return ToDouble(value, found);
    case TypeKind::kTimestamp:
    case TypeKind::kDuration:
      return ToTime(value, type.kind, unit, found);
    case TypeKind::kList:
      return ToList(value, type, unit, arena, found);
    case TypeKind::kMap:
    case TypeKind::kObject:
      return ToMap(value, type, unit, arena, found);
    case TypeKind::kBool:
      return value.tag == ValueTag::kBool ? value : WrongType(value, found);
    case TypeKind::kString:
      return value.tag == ValueTag::kString ? value : WrongType(value, found);
    case TypeKind::kBytes:
      return value.tag == ValueTag::kBytes ? value : WrongType(value, found);
    default:
      return WrongType(value, found);
  }
}

bool EventTimeOfValue(const Value& value, TimeUnit unit, int64_t* ms, const char** why) {
  int64_t t = 0;
  switch (value.tag) {
    case ValueTag::kTimestamp:
      t = value.i * 1000 + value.nanos() / 1'000'000;
      break;
    case ValueTag::kInt: {
      if (unit == TimeUnit::kRfc3339) {
        *why = "expected RFC 3339 text, found a number";
        return false;
      }
      const int64_t per_second = PerSecond(unit);
      if (per_second >= 1000) {
        t = FloorDiv(value.i, per_second / 1000);
      } else if (__builtin_mul_overflow(value.i, int64_t{1000}, &t)) {
        t = kMaxEventTime + 1;
      }
      break;
    }
    case ValueTag::kDouble: {
      char text[32];
      const auto [end, error] = std::to_chars(text, text + sizeof text, value.d);
      if (error != std::errc() || !std::isfinite(value.d)) {
        *why = "not a finite number";
        return false;
      }
      return EventTimeOfNumber({text, static_cast<size_t>(end - text)}, unit, ms, why);
    }
    case ValueTag::kString:
      return EventTimeOfText(value.text(), ms, why);
    case ValueTag::kAbsent:
      *why = "it is not set";
      return false;
    default:
      *why = "expected a number, a timestamp or RFC 3339 text";
      return false;
  }
  if (t < kMinEventTime || t > kMaxEventTime) {
    *why = "outside the years 0001 to 9999 (is the time unit right?)";
    return false;
  }
  *ms = t;
  return true;
}

size_t UniqueEntries(MapEntry* entries, size_t count) {
  size_t kept = 0;
  if (count <= kSmallMap) {
    for (size_t i = 0; i < count; ++i) {
      MapEntry* const end = entries + kept;
      MapEntry* const same = std::find_if(
          entries, end, [&](const MapEntry& e) { return SameKey(e.key, entries[i].key); });
      if (same == end) ++kept;
      *same = entries[i];
    }
    return kept;
  }
  absl::flat_hash_map<std::string, size_t> places;
  for (size_t i = 0; i < count; ++i) {
    const Value& key = entries[i].key;
    std::string name =
        key.tag == ValueTag::kString ? std::string(key.text()) : std::to_string(key.i);
    const auto [place, is_new] = places.try_emplace(std::move(name), kept);
    if (is_new) ++kept;
    entries[place->second] = entries[i];
  }
  return kept;
}

}  // namespace vigil::ingest
