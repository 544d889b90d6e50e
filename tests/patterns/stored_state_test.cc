// Stored values and ranges: what is written is read back, and other bytes are an error.
#include "patterns/stored_state.h"

#include <cmath>

#include <catch2/catch.hpp>

namespace vigil::patterns {
namespace {

using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

bool AreEqual(const Value& a, const Value& b) {
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case ValueTag::kAbsent:
    case ValueTag::kNull:
      return true;
    case ValueTag::kBool:
      return a.b == b.b;
    case ValueTag::kDouble:
      return a.d == b.d || (std::isnan(a.d) && std::isnan(b.d));
    case ValueTag::kString:
    case ValueTag::kBytes:
    case ValueTag::kError:
    case ValueTag::kType:
      return a.text() == b.text();
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      return a.i == b.i && a.nanos() == b.nanos();
    case ValueTag::kList:
      return a.size == b.size && std::equal(a.list, a.list + a.size, b.list,
                                            [](auto& x, auto& y) { return AreEqual(x, y); });
    case ValueTag::kMap:
      return a.size == b.size && std::equal(a.map, a.map + a.size, b.map, [](auto& x, auto& y) {
               return AreEqual(x.key, y.key) && AreEqual(x.value, y.value);
             });
    default:
      return a.i == b.i;
  }
}

TEST_CASE("StoredState: values come back as they were", "[patterns][unit]") {
  const Value items[] = {Value::Int(-1), Value::String("\xc3\xa9"), Value::List(nullptr, 0)};
  const MapEntry entries[] = {{Value::String("k"), Value::List(items, 3)},
                              {Value::Bool(true), Value::Null()}};
  for (const Value& value :
       {Value(), Value::Null(), Value::Bool(false), Value::Bool(true), Value::Int(INT64_MIN),
        Value::Int(INT64_MAX), Value::Uint(UINT64_MAX), Value::Double(-0.25),
        Value::Double(std::nan("")), Value::String(""), Value::String("\xf0\x9f\x98\x80"),
        Value::Bytes("\x00\xff"), Value::Error("no"), Value::TypeName("int"),
        Value::Time(ValueTag::kTimestamp, -62135596800, 999999999),
        Value::Time(ValueTag::kDuration, -1, -5), Value::List(items, 3), Value::Map(entries, 2)}) {
    std::string bytes;
    PutValue(value, &bytes);
    Arena arena;
    ByteReader reader(bytes);
    CHECK(AreEqual(ReadValue(&reader, &arena), value));
    CHECK(reader.AtEnd());
    for (size_t size = 0; size < bytes.size(); ++size) {
      ByteReader cut(std::string_view(bytes).substr(0, size));
      ReadValue(&cut, &arena);
      CHECK_FALSE(cut.ok());
    }
  }
}

TEST_CASE("StoredState: values that are none", "[patterns][unit]") {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "\x0b\x01";
  for (const std::string& bytes :
       {std::string("\x0f"), std::string("\x07\x01\xff"), std::string("\x07\x02\xc0\x80"),
        std::string("\x07\x03\xed\xa0\x80"), std::string("\x0b\xff\xff\xff\xff\x0f"),
        std::string("\x0c\x01\x01\x01"),                 // null as a map's key
        std::string("\x09\x00\x80\xa8\xd6\xb9\x07", 7),  // a whole second of nanoseconds
        deep + std::string(1, '\0')}) {
    Arena arena;
    ByteReader reader(bytes);
    ReadValue(&reader, &arena);
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("StoredState: ranges", "[patterns][unit]") {
  std::string bytes;
  PutRanges({3, 4, 5, 9, UINT64_MAX - 1}, &bytes);
  ByteReader reader(bytes);
  std::vector<NumberRange> ranges;
  ReadRanges(&reader, &ranges);
  REQUIRE(reader.AtEnd());
  REQUIRE(ranges.size() == 3);
  for (const uint64_t in : {uint64_t{3}, uint64_t{5}, uint64_t{9}, UINT64_MAX - 1}) {
    CHECK(Contains(ranges, in));
  }
  for (const uint64_t out : {uint64_t{0}, uint64_t{2}, uint64_t{6}, uint64_t{10}, UINT64_MAX}) {
    CHECK_FALSE(Contains(ranges, out));
  }
  std::string beyond;
  PutVarint(1, &beyond);
  PutVarint(UINT64_MAX, &beyond);
  PutVarint(1, &beyond);
  ByteReader overflow(beyond);
  ReadRanges(&overflow, &ranges);
  CHECK_FALSE(overflow.ok());
}

TEST_CASE("StoredState: a newer format is refused as such", "[patterns][unit]") {
  StoredState state;
  Arena arena;
  CHECK(ReadStoredState("\x02", &arena, &state).code() == absl::StatusCode::kUnimplemented);
  CHECK(ReadStoredState("", &arena, &state).code() == absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace vigil::patterns
