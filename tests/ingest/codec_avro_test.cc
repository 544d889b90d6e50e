// Avro records in, rows and rejected records out; the records and files are written by libavro.
#include "ingest/codec_avro.h"

#include <catch2/catch.hpp>

#include "ingest/avro_file.h"
#include "tests/ingest/avro_support.h"
#include "tests/ingest/protobuf_support.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

using cep::Type;
using cep::TypeKind;

std::string Record(const std::string& fields) {
  return R"({"type": "record", "name": "bank.Event", "fields": [{"name": "ts", "type": "long"}, )" +
         fields + "]}";
}

std::shared_ptr<const AvroSchema> Parse(const std::string& text) {
  StatusOr<std::shared_ptr<const AvroSchema>> schema = AvroSchema::Parse(text);
  INFO(schema.status().message());
  REQUIRE(schema.ok());
  return *std::move(schema);
}

// One record of the schema, whose field `x` has this type, as row without offset and time.
std::string RowOf(const std::string& x_type, const Type& type, const std::string& x_bytes,
                  const std::string& reader = "", bool strict = false) {
  Format format{.kind = Format::Kind::kAvro};
  format.writer = Parse(Record(R"({"name": "x", "type": )" + x_type + "}"));
  if (!reader.empty()) format.reader = Parse(reader);
  const std::string record = AvroLong(1) + x_bytes;
  const std::vector<std::string> rows = ReadRows({.path = "x.pb",
                                                  .fields = {{"x", type}},
                                                  .strict_types = true,
                                                  .strict = strict,
                                                  .formats = {format}},
                                                 Varint(record.size()) + record);
  REQUIRE(rows.size() == 1);
  return rows[0].substr(rows[0].find(": ") + 2);
}

TEST_CASE("AvroCodec: values become their column's type", "[ingest][unit]") {
  const Type dyn = TypeKind::kDyn;
  const std::string fixed = R"({"type": "fixed", "name": "F", "size": 2})";
  const std::string decimal =
      R"({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})";
  const std::string device =
      R"({"type": "record", "name": "D", "fields": [{"name": "id", "type": "string"},
          {"name": "up", "type": ["null", "D"]}]})";
  struct Case {
    std::string schema;
    Type type;
    std::string bytes;
    std::string row;
  };
  const Case cases[] = {
      {R"("null")", dyn, "", "null"},
      {R"("boolean")", TypeKind::kBool, std::string("\1", 1), "true"},
      {R"("boolean")", TypeKind::kBool, std::string("\2", 1),
       "byte 2: field `x`: a boolean that is neither 0 nor 1"},
      {R"("int")", TypeKind::kInt, AvroLong(-65), "-65"},
      {R"("int")", TypeKind::kDouble, AvroLong(3), "3d"},
      {R"("int")", TypeKind::kInt, AvroLong(int64_t{1} << 31),
       "byte 2: field `x`: an int beyond 32 bits"},
      {R"("long")", TypeKind::kInt, AvroLong(INT64_MIN), "-9223372036854775808"},
      {R"("float")", TypeKind::kDouble, AvroRaw(0.5F), "0.5d"},
      {R"("double")", TypeKind::kDouble, AvroRaw(11.91), "11.91d"},
      {R"("double")", TypeKind::kInt, AvroRaw(1.0),
       "byte 2: field `x`: expected int, found double"},
      {R"("string")", TypeKind::kString, AvroText("é€😀"), "'é€😀'"},
      {R"("string")", TypeKind::kString, AvroText("\xff"), "byte 3: field `x`: invalid UTF-8"},
      {R"("bytes")", TypeKind::kBytes, AvroText("\xff"), "b'\xff'"},
      {R"("bytes")", TypeKind::kString, AvroText("hi"), "'hi'"},
      {R"("string")", TypeKind::kBytes, AvroText("hi"), "b'hi'"},
      {fixed, TypeKind::kBytes, "ab", "b'ab'"},
      {R"({"type": "enum", "name": "E", "symbols": ["A", "B"]})", TypeKind::kString, AvroLong(1),
       "'B'"},
      {R"({"type": "enum", "name": "E", "symbols": ["A", "B"]})", TypeKind::kString, AvroLong(2),
       "byte 2: field `x`: a symbol that the enum does not have"},
      {R"(["null", "long"])", TypeKind::kInt, AvroLong(0), "null"},
      {R"(["null", "long"])", TypeKind::kInt, AvroLong(1) + AvroLong(9), "9"},
      {R"(["string", "null"])", TypeKind::kString, AvroLong(0) + AvroText("a"), "'a'"},
      {R"(["string", "null"])", TypeKind::kString, AvroLong(1), "null"},
      {R"(["null", "long"])", TypeKind::kInt, AvroLong(2),
       "byte 2: field `x`: a branch that the union does not have"},
      {R"(["null", "long", "string"])", dyn, AvroLong(2) + AvroText("s"), "'s'"},
      {R"({"type": "array", "items": "int"})", Type::List(TypeKind::kInt),
       AvroLong(2) + AvroLong(7) + AvroLong(8) + AvroLong(-1) + AvroLong(1) + AvroLong(9) +
           AvroLong(0),
       "[7, 8, 9]"},
      {R"({"type": "array", "items": "int"})", Type::List(TypeKind::kDouble),
       AvroLong(1) + AvroLong(7) + AvroLong(0), "[7d]"},
      {R"({"type": "map", "values": "int"})", Type::Map(TypeKind::kString, TypeKind::kInt),
       AvroLong(2) + AvroText("a") + AvroLong(1) + AvroText("a") + AvroLong(2) + AvroLong(0),
       "{'a': 2}"},
      {device, dyn, AvroText("d") + AvroLong(1) + AvroText("e") + AvroLong(0),
       "{'id': 'd', 'up': {'id': 'e', 'up': null}}"},
      {decimal, TypeKind::kDouble, AvroText("\x04\xd2"), "12.34d"},
      {decimal, TypeKind::kString, AvroText("\x04\xd2"), "'12.34'"},
      {decimal, TypeKind::kString, AvroText("\xff"), "'-0.01'"},
      {decimal, TypeKind::kString, AvroText(""), "'0.00'"},
      {decimal, TypeKind::kString, AvroText(std::string("\x7f") + std::string(19, '\xff')),
       "'7307508186654514591018424163581415098279662714.87'"},
      {decimal, dyn, AvroText("\x04\xd2"), "12.34d"},
      {R"({"type": "long", "logicalType": "timestamp-millis"})", TypeKind::kTimestamp, AvroLong(-1),
       "timestamp(-1s 999000000ns)"},
      {R"({"type": "long", "logicalType": "timestamp-millis"})", TypeKind::kInt, AvroLong(1500),
       "1500"},
      {R"({"type": "long", "logicalType": "timestamp-micros"})", TypeKind::kTimestamp,
       AvroLong(1500000), "timestamp(1s 500000000ns)"},
      {R"({"type": "long", "logicalType": "timestamp-millis"})", TypeKind::kTimestamp,
       AvroLong(INT64_MAX), "byte 2: field `x`: a time outside the years 0001 to 9999"},
      {R"({"type": "int", "logicalType": "date"})", TypeKind::kTimestamp, AvroLong(1),
       "timestamp(86400s 0ns)"},
      {R"({"type": "int", "logicalType": "time-millis"})", TypeKind::kDuration, AvroLong(1500),
       "duration(1s 500000000ns)"},
      {R"({"type": "string", "logicalType": "uuid"})", TypeKind::kString, AvroText("u"), "'u'"},
      {R"({"type": "int", "logicalType": "unheard-of"})", TypeKind::kInt, AvroLong(1), "1"},
  };
  for (const Case& c : cases) {
    INFO(c.schema << " as " << c.type.ToString() << " " << c.row);
    CHECK(RowOf(c.schema, c.type, c.bytes) == c.row);
  }
}

TEST_CASE("AvroCodec: the reader's defaults, aliases, branches and symbols", "[ingest][unit]") {
  const std::string reader = Record(R"(
      {"name": "amount", "type": "double", "aliases": ["x"], "default": 0},
      {"name": "country", "type": "string", "default": "XX"},
      {"name": "tags", "type": {"type": "array", "items": "string"}, "default": ["a", "b"]},
      {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 1500},
      {"name": "raw", "type": "bytes", "default": "\u00ff"},
      {"name": "who", "type": ["null", "string"], "default": null},
      {"name": "in", "type": {"type": "record", "name": "In",
        "fields": [{"name": "n", "type": "int", "default": 7}]}, "default": {}},
      {"name": "needed", "type": "int"})");
  Format format{.kind = Format::Kind::kAvro};
  format.writer = Parse(Record(R"({"name": "x", "type": "int"})"));
  format.reader = Parse(reader);
  const std::string record = AvroLong(1) + AvroLong(5);
  CHECK(ReadRows({.path = "x.pb",
                  .fields = {{"amount", TypeKind::kDouble},
                             {"country", TypeKind::kString},
                             {"tags", Type::List(TypeKind::kString)},
                             {"at", TypeKind::kTimestamp},
                             {"raw", TypeKind::kBytes},
                             {"who", TypeKind::kString},
                             {"needed", TypeKind::kInt},
                             {"x", TypeKind::kDyn}},
                  .strict_types = true,
                  .formats = {format}},
                 Varint(record.size()) + record) ==
        std::vector<std::string>{
            "0@1: 5d 'XX' ['a', 'b'] timestamp(1s 500000000ns) b'\xff' null - -"});
  const std::string e = R"({"type": "enum", "name": "E", "symbols": ["A", "NEW"]})";
  CHECK(RowOf(e, TypeKind::kString, AvroLong(1),
              Record(R"({"name": "x", "type": {"type": "enum", "name": "E",
                         "symbols": ["A", "OTHER"], "default": "OTHER"}})")) == "'OTHER'");
  CHECK(RowOf(R"({"type": "record", "name": "In", "fields": [{"name": "old", "type": "int"}]})",
              TypeKind::kDyn, AvroLong(4),
              Record(R"({"name": "x", "type": ["null", {"type": "record", "name": "In", "fields":
                [{"name": "new", "type": "long", "aliases": ["old"]},
                 {"name": "more", "type": "string", "default": "m"}]}]})")) ==
        "{'new': 4, 'more': 'm'}");
}

TEST_CASE("AvroSchema: what is not valid is refused with a reason", "[ingest][unit]") {
  struct Case {
    const char* text;
    const char* why;
  };
  const Case cases[] = {
      {"{", "not JSON"},
      {"5", "a type is a name, a list or an object"},
      {R"("nothing")", "no type `nothing`"},
      {R"({"type": "record", "name": "A"})", "record `A` without `fields`"},
      {R"({"type": "record", "name": "1", "fields": []})", "`1` is not a name"},
      {R"({"type": "record", "name": "A", "fields": [{"name": "a", "type": "int"},
           {"name": "a", "type": "int"}]})",
       "`a` is not a name, or comes twice"},
      {R"({"type": "record", "name": "A", "fields": [{"name": "a"}]})", "field `a` without `type`"},
      {R"({"type": "record", "name": "A", "fields": [{"name": "a", "type": "int",
           "default": "x"}]})",
       "the default of field `a` of `A` is not of its type"},
      {R"({"type": "enum", "name": "E", "symbols": []})", "enum `E` has no symbols"},
      {R"({"type": "fixed", "name": "F", "size": -1})", "fixed `F` needs a `size`"},
      {R"({"type": "array"})", "an array without `items`"},
      {R"([["int"]])", "a union in a union"},
      {R"([])", "a union without types"},
      {R"([{"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "F", "size": 1}])",
       "`F` is declared twice"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto schema = AvroSchema::Parse(c.text);
    REQUIRE_FALSE(schema.ok());
    CHECK(std::string(schema.status().message()).find("not an Avro schema: ") == 0);
    CHECK(std::string(schema.status().message()).find(c.why) != std::string::npos);
  }
  std::string deep = "\"int\"";
  for (int i = 0; i < 100; ++i) deep = R"({"type": "array", "items": )" + deep + "}";
  CHECK_FALSE(AvroSchema::Parse(deep).ok());
  const auto named = AvroSchema::Parse(
      R"({"type": "record", "name": "A", "namespace": "n", "fields": [{"name": "b", "type": "m.B"},
          {"name": "c", "type": "C"}]})",
      {{"m.B", R"({"type": "fixed", "name": "B", "namespace": "m", "size": 3})"},
       {"n.C", R"({"type": "enum", "name": "n.C", "symbols": ["X"]})"}});
  REQUIRE(named.ok());
  CHECK((*named)->root().fields[0].type->size == 3);
  CHECK((*named)->root().fields[1].type->symbols == std::vector<std::string>{"X"});
}

TEST_CASE("SchemaOfAvro: the types that conditions see", "[ingest][unit]") {
  const auto schema = SchemaOfAvro(*Parse(Record(R"(
      {"name": "a", "type": ["null", "double"]},
      {"name": "b", "type": ["int", "double"]},
      {"name": "c", "type": ["int", "string"]},
      {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4}},
      {"name": "e", "type": {"type": "map", "values": {"type": "array", "items": "boolean"}}},
      {"name": "f", "type": {"type": "record", "name": "R", "fields": [
          {"name": "id", "type": "string"}, {"name": "up", "type": ["null", "R"]}]}})")));
  REQUIRE(schema.ok());
  const auto type = [&](const char* name) { return schema->Find(name)->type.ToString(); };
  CHECK(type("ts") == "int");
  CHECK(type("a") == "double");
  CHECK(type("b") == "double");
  CHECK(type("c") == "dyn");
  CHECK(type("d") == "double");
  CHECK(type("e") == "map(string, list(bool))");
  CHECK(schema->Find("f")->type.Find("up")->type.ToString() == "dyn");
  CHECK_FALSE(SchemaOfAvro(*Parse("\"int\"")).ok());
}

TEST_CASE("AvroRenderer: the event whole, as JSON", "[ingest][unit]") {
  const auto schema = Parse(Record(R"(
      {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
      {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
      {"name": "by", "type": "bytes"}, {"name": "n", "type": ["null", "int"]})"));
  const AvroRenderer renderer(schema, nullptr, 0);
  std::string out;
  std::string why;
  REQUIRE(renderer.AppendJson(
      AvroLong(1) + AvroText("\x04\xce") + AvroLong(1500) + AvroText("hi") + AvroLong(0), &out,
      &why));
  CHECK(out == R"({"ts":1,"d":"12.30","at":"1970-01-01T00:00:01.5Z","by":"aGk=","n":null})");
  CHECK_FALSE(renderer.AppendJson(AvroLong(1) + AvroLong(50), &out, &why));
  CHECK(why == "byte 2: field `d`: a length beyond the end");
}

TEST_CASE("AvroCodec: hostile records cost little and say why", "[ingest][unit]") {
  const auto why = [](const std::string& type, const std::string& bytes) {
    const std::string in_use = RowOf(type, TypeKind::kDyn, bytes);
    // The same when the field is skipped.
    Format format{.kind = Format::Kind::kAvro};
    format.writer = Parse(Record(R"({"name": "x", "type": )" + type + "}"));
    const std::string record = AvroLong(1) + bytes;
    const std::vector<std::string> rows =
        ReadRows({.path = "x.pb", .formats = {format}}, Varint(record.size()) + record);
    CHECK(rows.at(0).find("rejected") != std::string::npos);
    return in_use;
  };
  const std::string huge = AvroLong(int64_t{1} << 62);
  CHECK(why(R"("string")", huge) == "byte 2: field `x`: a length beyond the end");
  CHECK(why(R"("bytes")", AvroLong(-2)) == "byte 2: field `x`: a length beyond the end");
  CHECK(why(R"({"type": "array", "items": "int"})", huge) ==
        "byte 2: field `x`: a count beyond the end");
  CHECK(why(R"({"type": "array", "items": "null"})", huge) ==
        "byte 2: field `x`: more than 1048576 values in one record");
  CHECK(why(R"({"type": "map", "values": "null"})", huge) ==
        "byte 2: field `x`: a count beyond the end");
  CHECK(why(R"({"type": "array", "items": "int"})", AvroLong(INT64_MIN)) ==
        "byte 2: field `x`: a count beyond the end");
  const std::string node =
      R"({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]})";
  CHECK(why(node, std::string(100'000, '\2')).find("nested more than 64 levels deep") !=
        std::string::npos);
  CHECK(why(R"("long")", std::string(11, '\xff')) == "byte 2: field `x`: malformed long");
  CHECK(why(R"("long")", AvroLong(1) + "x") ==
        "byte 3: not an Avro record: bytes behind the end of the record");
}

constexpr const char* kFileSchema =
    R"({"type": "record", "name": "Event", "fields": [{"name": "ts", "type": "long"},
        {"name": "account", "type": "string"}, {"name": "amount", "type": ["null", "double"]}]})";

TEST_CASE("AvroFile: files of every codec that libavro writes", "[ingest][unit]") {
  for (const char* codec : {"null", "deflate", "snappy"}) {
    INFO(codec);
    const std::string file = WriteAvroFile(kFileSchema, codec, 3000);
    if (file.empty()) continue;  // libavro was built without it
    std::vector<std::string> expected;
    for (int i = 0; i < 3000; ++i) {
      expected.push_back(std::to_string(i) + "@" + std::to_string(1000 + i) + ": 'A" +
                         std::to_string(i % 7) + "' " +
                         (i % 5 == 0 ? "null" : ToText(cep::Value::Double(i / 4.0))));
    }
    for (const size_t step : {size_t{1000}, SIZE_MAX}) {
      CHECK(ReadRows({.path = "x.avro",
                      .fields = {{"account", TypeKind::kString}, {"amount", TypeKind::kDouble}},
                      .strict_types = true,
                      .step = step},
                     file) == expected);
    }
  }
}

TEST_CASE("AvroFile: zstandard blocks", "[ingest][unit]") {
  const std::string sync(16, 's');
  const std::string file = AvroHeader(kFileSchema, "zstandard", sync);
  std::string records;
  for (int i = 0; i < 3; ++i) records += AvroLong(i) + AvroText("a") + AvroLong(0);
  const std::string block = Zstd(records);
  CHECK(ReadRows({.path = "x.avro", .fields = {{"account", TypeKind::kString}}},
                 file + AvroLong(3) + AvroText(block) + sync) ==
        std::vector<std::string>{"0@0: 'a'", "1@1: 'a'", "2@2: 'a'"});
}

TEST_CASE("AvroFile: a damaged block costs no other one", "[ingest][unit]") {
  const std::string sync = "0123456789abcdef";
  const std::string header = AvroHeader(kFileSchema, "null", sync);
  const auto record = [](int ts) { return AvroLong(ts) + AvroText("a") + AvroLong(0); };
  const auto block = [&](int count, const std::string& data) {
    return AvroLong(count) + AvroText(data) + sync;
  };
  const auto rows = [](const std::string& file) {
    return ReadRows({.path = "x.avro", .fields = {{"account", TypeKind::kString}}}, file);
  };
  const std::string good = block(1, record(1));
  struct Case {
    std::string middle;
    std::string why;
  };
  const Case cases[] = {
      {block(2, record(5) + AvroLong(6) + AvroText("b") + AvroLong(7)),
       "a branch that the union does not have"},
      {block(3, record(5) + AvroLong(6) + AvroLong(100)),
       "field `account`: a length beyond the end; the 1 records behind it in its block cannot be "
       "found"},
      {block(1, record(5) + "xyz"), "bytes behind the last record of a block"},
      {AvroLong(1) + AvroText(record(5)) + "wrong sync bytes" + "noise" + sync,
       "the block at byte "},
      {AvroLong(-4) + AvroText(record(5)) + sync, "the block at byte "},
      {AvroLong(1) + AvroLong(1 << 30) + record(5) + sync, "the block at byte "},
      {std::string(30, '\xff') + sync, "the block at byte "},
  };
  for (const Case& c : cases) {
    INFO(c.why);
    const std::vector<std::string> got = rows(header + good + c.middle + good);
    REQUIRE(got.size() >= 3);
    CHECK(got.front() == "0@1: 'a'");
    CHECK(got[got.size() - 2].find(c.why) != std::string::npos);
    CHECK(got.back() == std::to_string(got.size() - 1) + "@1: 'a'");
  }
  CHECK(rows(header + good + "\x04") ==
        std::vector<std::string>{"0@1: 'a'",
                                 "1 rejected: the block at byte " +
                                     std::to_string(header.size() + good.size() + 1) +
                                     " of the file is damaged or cut short: its records are lost"});
  CHECK(rows(header) == std::vector<std::string>{});
  CHECK(rows("Obj") == std::vector<std::string>{
                           "text: not an Avro container file: it does not begin with `Obj` and 1"});
  CHECK(rows(header.substr(0, 40)) ==
        std::vector<std::string>{
            "text: not an Avro container file: the header is malformed or cut short"});
  CHECK(rows(AvroHeader(kFileSchema, "lzma", sync)) ==
        std::vector<std::string>{"text: not an Avro container file: its codec is `lzma`; null, "
                                 "deflate, snappy and zstandard can be read"});
  CHECK(rows(AvroHeader("{}", "null", sync)) ==
        std::vector<std::string>{"text: not an Avro container file: not an Avro schema: an object "
                                 "without `type`"});
  CHECK(rows(AvroHeader("\"int\"", "null", sync)) ==
        std::vector<std::string>{"x.avro: the schema is not of a record, so it has no fields"});
  const std::string empty = R"({"type": "record", "name": "E", "fields": []})";
  CHECK(rows(AvroHeader(empty, "null", sync) + AvroLong(int64_t{1} << 60) + AvroLong(0) + sync)
            .size() == 1);
}

}  // namespace
}  // namespace vigil::ingest
