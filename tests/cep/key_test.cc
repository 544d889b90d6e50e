// Keys: which values are one key, and that typed bytes, hash and equality agree.
#include "cep/event/key.h"

#include <cmath>

#include <catch2/catch.hpp>

#include "cep/event/key_bytes.h"

namespace vigil::cep {
namespace {

std::shared_ptr<Layout> TwoDynamicFields() {
  auto layout = std::make_shared<Layout>();
  layout->Add("a", Type(TypeKind::kDyn));
  layout->Add("b", Type(TypeKind::kDyn));
  return layout;
}

std::string KeyOf(const Value& a, const Value& b, uint64_t* hash) {
  ColumnBlock block(TwoDynamicFields());
  block.rows = 1;
  block.columns[0].Set(0, a);
  block.columns[1].Set(0, b);
  uint64_t hashes[kBatchRows];
  HashKeys(block, {0, 1}, hashes);
  *hash = hashes[0];
  std::string bytes;
  const bool has_key = AppendKey(block, 0, {0, 1}, &bytes);
  CHECK(has_key == (hashes[0] != kNoKey));
  if (has_key) {
    CHECK(KeyEquals(block, 0, {0, 1}, bytes));
    CHECK(HashKeyBytes(bytes, 2) == hashes[0]);
    CHECK_FALSE(HashKeyBytes(bytes, 1).has_value());
    CHECK_FALSE(HashKeyBytes(bytes, 3).has_value());
    for (size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(HashKeyBytes(bytes.substr(0, size), 2).has_value());
    }
  }
  return bytes;
}

TEST_CASE("Key: an int and a double of the same value are one key", "[cep][unit]") {
  uint64_t h1, h2, h3;
  const std::string k1 = KeyOf(Value::Int(7), Value::String("x"), &h1);
  const std::string k2 = KeyOf(Value::Double(7.0), Value::String("x"), &h2);
  const std::string k3 = KeyOf(Value::Double(7.5), Value::String("x"), &h3);
  CHECK(k1 == k2);
  CHECK(h1 == h2);
  CHECK(k1 != k3);
  CHECK(h1 != h3);
}

TEST_CASE("Key: null, absent, NaN, lists and errors give none", "[cep][unit]") {
  for (const Value& none : {Value(), Value::Null(), Value::Double(std::nan("")),
                            Value::List(nullptr, 0), Value::Error("x")}) {
    uint64_t hash;
    CHECK(KeyOf(none, Value::Int(1), &hash).empty());
    CHECK(hash == kNoKey);
    CHECK(KeyOf(Value::Int(1), none, &hash).empty());
    CHECK(hash == kNoKey);
  }
}

TEST_CASE("Key: texts that join alike stay apart", "[cep][unit]") {
  uint64_t h1, h2, h3;
  const std::string k1 = KeyOf(Value::String("ab"), Value::String("c"), &h1);
  const std::string k2 = KeyOf(Value::String("a"), Value::String("bc"), &h2);
  CHECK(k1 != k2);
  CHECK(h1 != h2);
  CHECK(KeyOf(Value::String("1"), Value::String("c"), &h1) !=
        KeyOf(Value::Int(1), Value::String("c"), &h3));
}

TEST_CASE("Key: values come back out of typed bytes", "[cep][unit]") {
  uint64_t hash;
  for (const Value& v :
       {Value::Int(-3), Value::Int(INT64_MAX), Value::Double(0.25), Value::Bool(true),
        Value::String(""), Value::Bytes("\x00\xff"), Value::Time(ValueTag::kTimestamp, -5, 250)}) {
    const std::string bytes = KeyOf(v, Value::String("tail"), &hash);
    const std::vector<Value> decoded = DecodeKey(bytes);
    REQUIRE(decoded.size() == 2);
    CHECK(decoded[0].tag == v.tag);
    if (v.tag == ValueTag::kString || v.tag == ValueTag::kBytes) {
      CHECK(decoded[0].text() == v.text());
    } else if (v.tag == ValueTag::kBool) {
      CHECK(decoded[0].b == v.b);
    } else {
      CHECK(decoded[0].i == v.i);
    }
    CHECK(decoded[1].text() == "tail");
  }
}

TEST_CASE("Key: hashes and groups are part of the disk format", "[cep][unit]") {
  // These numbers may never change: state files and alert ids are built on them.
  ColumnBlock block(TwoDynamicFields());
  block.rows = 2;
  block.columns[0].Set(0, Value::String("A1"));
  block.columns[0].Set(1, Value::Int(42));
  uint64_t hashes[kBatchRows];
  HashKeys(block, {0}, hashes);
  CHECK(hashes[0] == 0x8e8a47669732f2deULL);
  CHECK(hashes[1] == 0x23c22129e29eaceaULL);
  CHECK(ShardOf(hashes[0], 1) == 0);
  for (uint32_t shards : {1u, 2u, 7u, 1024u}) CHECK(ShardOf(~uint64_t{0}, shards) == shards - 1);
}

}  // namespace
}  // namespace vigil::cep
