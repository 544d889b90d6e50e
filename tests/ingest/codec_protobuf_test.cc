// Protobuf records in, rows and rejected records out; the records are written by libprotobuf.
#include "ingest/codec_protobuf.h"

#include <catch2/catch.hpp>

#include "tests/ingest/protobuf_support.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

using cep::Type;
using cep::TypeKind;

constexpr const char* kProto3 = R"(
syntax = "proto3";
package test;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
enum Status { UNKNOWN = 0; PAID = 1; DECLINED = 7; }
message Device { string id = 1; bool trusted = 2; optional int32 score = 3; Device parent = 4; }
message Event {
  int64 ts = 1;
  int32 i32 = 2;
  int64 i64 = 3;
  uint32 u32 = 4;
  uint64 u64 = 5;
  sint32 s32 = 6;
  sint64 s64 = 7;
  fixed32 f32 = 8;
  fixed64 f64 = 9;
  sfixed32 sf32 = 10;
  sfixed64 sf64 = 11;
  float fl = 12;
  double db = 13;
  bool b = 14;
  string s = 15;
  bytes by = 16;
  Status st = 17;
  Device dev = 18;
  repeated int32 ints = 19;
  repeated string texts = 20;
  repeated Device devices = 21;
  map<string, int64> counts = 22;
  map<int32, Device> by_id = 23;
  optional double maybe = 24;
  oneof choice { string card = 25; int64 iban = 26; Device token = 27; }
  google.protobuf.Timestamp at = 28;
  google.protobuf.Duration took = 29;
  google.protobuf.Int64Value wrapped = 30;
  google.protobuf.Struct any = 31;
  google.protobuf.Value value = 32;
  repeated Status states = 33;
  repeated int32 loose = 34 [packed = false];
  string far = 5000;
  repeated double doubles = 5001;
}
)";

ProtoFile& Proto3() {
  static ProtoFile file(kProto3);
  return file;
}

std::vector<Format> FormatsOf(const ProtoFile& file, const std::string& message) {
  return {{.kind = Format::Kind::kProtobuf, .descriptors = file.descriptors(), .message = message}};
}

std::vector<std::string> Rows(const Fields& fields, const std::string& records,
                              bool strict_types = true, bool strict = false) {
  return ReadRows({.path = "x.pb",
                   .fields = fields,
                   .strict_types = strict_types,
                   .strict = strict,
                   .formats = FormatsOf(Proto3(), "test.Event")},
                  records);
}

// The row of one record without offset and time, or why there is none.
std::string RowOf(const Fields& fields, const std::string& record, bool strict_types = true,
                  bool strict = false) {
  const std::vector<std::string> rows = Rows(fields, Delimited(record), strict_types, strict);
  REQUIRE(rows.size() == 1);
  return rows[0].substr(rows[0].find(": ") + 2);
}

std::string Event(const std::string& json) { return Proto3().Encode("test.Event", json); }

TEST_CASE("ProtobufCodec: values are those that libprotobuf wrote", "[ingest][unit]") {
  struct Case {
    const char* field;
    Type type;
    const char* json;
    const char* row;
  };
  const Type dyn = TypeKind::kDyn;
  const Type device = Type::Object({{"id", TypeKind::kString}, {"score", TypeKind::kInt}});
  const Case cases[] = {
      {"i32", TypeKind::kInt, R"({"i32": -5})", "-5"},
      {"i32", TypeKind::kInt, "{}", "0"},
      {"i32", TypeKind::kDouble, R"({"i32": -5})", "-5d"},
      {"i64", TypeKind::kInt, R"({"i64": "-9223372036854775808"})", "-9223372036854775808"},
      {"u32", TypeKind::kInt, R"({"u32": 4294967295})", "4294967295"},
      {"u64", TypeKind::kInt, R"({"u64": "9223372036854775807"})", "9223372036854775807"},
      {"u64", dyn, R"({"u64": "18446744073709551615"})", "18446744073709551615u"},
      {"u64", TypeKind::kInt, R"({"u64": "18446744073709551615"})",
       "byte 2: field `u64`: expected int, found integer out of range"},
      {"s32", TypeKind::kInt, R"({"s32": -2147483648})", "-2147483648"},
      {"s64", TypeKind::kInt, R"({"s64": "-3"})", "-3"},
      {"f32", TypeKind::kInt, R"({"f32": 4294967295})", "4294967295"},
      {"f64", TypeKind::kInt, R"({"f64": "7"})", "7"},
      {"sf32", TypeKind::kInt, R"({"sf32": -7})", "-7"},
      {"sf64", TypeKind::kInt, R"({"sf64": "-8"})", "-8"},
      {"fl", TypeKind::kDouble, R"({"fl": 0.5})", "0.5d"},
      {"db", TypeKind::kDouble, R"({"db": 11.91})", "11.91d"},
      {"db", TypeKind::kDouble, "{}", "0d"},
      {"db", TypeKind::kInt, R"({"db": 1})", "byte 2: field `db`: expected int, found double"},
      {"b", TypeKind::kBool, R"({"b": true})", "true"},
      {"b", TypeKind::kBool, "{}", "false"},
      {"s", TypeKind::kString, R"({"s": "é€😀"})", "'é€😀'"},
      {"s", TypeKind::kString, "{}", "''"},
      {"by", TypeKind::kBytes, R"({"by": "aGk="})", "b'hi'"},
      {"st", TypeKind::kString, R"({"st": "DECLINED"})", "'DECLINED'"},
      {"st", TypeKind::kString, "{}", "'UNKNOWN'"},
      {"st", TypeKind::kString, R"({"st": 12})", "'12'"},
      {"st", TypeKind::kInt, R"({"st": "DECLINED"})", "7"},
      {"st", dyn, R"({"st": "PAID"})", "'PAID'"},
      {"dev", device, R"({"dev": {"id": "d1", "trusted": true}})", "{'id': 'd1', 'trusted': true}"},
      {"dev", device, R"({"dev": {"score": 0, "parent": {"id": "p"}}})",
       "{'id': '', 'trusted': false, 'score': 0, 'parent': {'id': 'p', 'trusted': false}}"},
      {"dev", device, "{}", "-"},
      {"ints", Type::List(TypeKind::kInt), R"({"ints": [1, -1, 300]})", "[1, -1, 300]"},
      {"ints", Type::List(TypeKind::kDouble), R"({"ints": [1]})", "[1d]"},
      {"ints", dyn, "{}", "[]"},
      {"loose", dyn, R"({"loose": [1, 2]})", "[1, 2]"},
      {"texts", Type::List(TypeKind::kString), R"({"texts": ["a", ""]})", "['a', '']"},
      {"devices", dyn, R"({"devices": [{"id": "x"}, {}]})",
       "[{'id': 'x', 'trusted': false}, {'id': '', 'trusted': false}]"},
      {"states", Type::List(TypeKind::kString), R"({"states": ["PAID", "UNKNOWN"]})",
       "['PAID', 'UNKNOWN']"},
      {"states", Type::List(TypeKind::kInt), R"({"states": ["PAID"]})", "[1]"},
      {"doubles", dyn, R"({"doubles": [1.5, 2]})", "[1.5d, 2d]"},
      {"far", TypeKind::kString, R"({"far": "x"})", "'x'"},
      {"counts", Type::Map(TypeKind::kString, TypeKind::kInt), R"({"counts": {"a": "1"}})",
       "{'a': 1}"},
      {"by_id", dyn, R"({"by_id": {"7": {"id": "q"}}})", "{7: {'id': 'q', 'trusted': false}}"},
      {"maybe", TypeKind::kDouble, "{}", "-"},
      {"maybe", TypeKind::kDouble, R"({"maybe": 0})", "0d"},
      {"card", TypeKind::kString, R"({"iban": "5"})", "-"},
      {"iban", TypeKind::kInt, R"({"iban": "5"})", "5"},
      {"token", dyn, R"({"token": {"id": "t"}})", "{'id': 't', 'trusted': false}"},
      {"at", TypeKind::kTimestamp, R"({"at": "1970-01-01T00:00:01.5Z"})",
       "timestamp(1s 500000000ns)"},
      {"at", TypeKind::kInt, R"({"at": "1970-01-01T00:00:01.5Z"})", "1500"},
      {"at", dyn, "{}", "-"},
      {"i64", TypeKind::kTimestamp, R"({"i64": "-1"})", "timestamp(-1s 999000000ns)"},
      {"s", TypeKind::kTimestamp, R"({"s": "1970-01-01T00:00:02Z"})", "timestamp(2s 0ns)"},
      {"took", TypeKind::kDuration, R"({"took": "-1.5s"})", "duration(-1s -500000000ns)"},
      {"wrapped", TypeKind::kInt, R"({"wrapped": "9"})", "9"},
      {"wrapped", TypeKind::kInt, R"({"wrapped": "0"})", "0"},
      {"wrapped", TypeKind::kInt, "{}", "-"},
      {"any", dyn, R"({"any": {"a": [1, "x", null, true, {"b": {}}]}})",
       "{'a': [1d, 'x', null, true, {'b': {}}]}"},
      {"value", dyn, R"({"value": null})", "null"},
      {"value", dyn, R"({"value": "v"})", "'v'"},
      {"not_there", dyn, "{}", "-"},
  };
  for (const Case& c : cases) {
    INFO(c.field << " as " << c.type.ToString() << " of " << c.json);
    CHECK(RowOf({{c.field, c.type}}, Event(c.json)) == c.row);
  }
}

TEST_CASE("ProtobufCodec: the last value counts, messages are merged, unknown fields are skipped",
          "[ingest][unit]") {
  const Fields fields = {
      {"s", TypeKind::kString}, {"dev", TypeKind::kDyn}, {"i32", TypeKind::kInt}};
  const std::string twice = Event(R"({"s": "a", "i32": 1, "dev": {"id": "x", "score": 4}})") +
                            Event(R"({"s": "b", "dev": {"trusted": true, "score": 5}})");
  const char* const merged = "'b' {'id': 'x', 'trusted': true, 'score': 5} 1";
  CHECK(RowOf(fields, twice) == merged);
  // Field 100 as a varint, 8 bytes, text, a group with a group in it, and 4 bytes.
  const std::string unknown = Varint(100 << 3 | 0) + Varint(300) + Varint(100 << 3 | 1) +
                              std::string(8, 'x') + Varint(100 << 3 | 2) + Delimited("text") +
                              Varint(100 << 3 | 3) + Varint(7 << 3 | 3) + Varint(7 << 3 | 4) +
                              Varint(100 << 3 | 4) + Varint(100 << 3 | 5) + std::string(4, 'y');
  CHECK(RowOf(fields, unknown + twice + unknown, true, true) == merged);
  // Of a oneof the last member counts.
  CHECK(RowOf({{"card", TypeKind::kString}, {"iban", TypeKind::kInt}, {"token", TypeKind::kDyn}},
              Event(R"({"token": {"id": "t"}})") + Event(R"({"card": "c"})") +
                  Event(R"({"iban": "5"})")) == "- 5 -");
  CHECK(RowOf({{"card", TypeKind::kString}},
              Event(R"({"card": "c"})") + Event(R"({"iban": "5"})")) == "-");
  // Repeated numbers, packed or not.
  CHECK(RowOf({{"ints", TypeKind::kDyn}},
              Event(R"({"ints": [1, 2]})") + Varint(19 << 3) + Varint(3)) == "[1, 2, 3]");
  // Of a map the last of equal keys counts.
  CHECK(RowOf({{"counts", TypeKind::kDyn}},
              Event(R"({"counts": {"a": 1}})") + Event(R"({"counts": {"a": 2, "b": 3}})")) ==
        "{'a': 2, 'b': 3}");
}

TEST_CASE("ProtobufCodec: proto2 presence, defaults, required fields, groups and closed enums",
          "[ingest][unit]") {
  ProtoFile file(R"(
syntax = "proto2";
package old;
enum Kind { A = 1; B = 2; }
message Event {
  required int64 ts = 1;
  optional int32 plain = 2;
  optional int32 with_default = 3 [default = 41];
  optional string text = 4 [default = "none"];
  optional Kind kind = 5;
  optional group Extra = 6 { optional string note = 1; }
  repeated Kind kinds = 7;
  repeated group Item = 8 { optional int32 n = 1; }
}
)");
  const auto row = [&](const Fields& fields, const std::string& record) {
    const std::vector<std::string> rows = ReadRows({.path = "x.pb",
                                                    .fields = fields,
                                                    .strict_types = true,
                                                    .formats = FormatsOf(file, "old.Event")},
                                                   Delimited(record));
    return rows.at(0).substr(rows.at(0).find(": ") + 2);
  };
  const Fields fields = {{"plain", TypeKind::kInt},
                         {"with_default", TypeKind::kInt},
                         {"text", TypeKind::kString},
                         {"kind", TypeKind::kString}};
  const std::string empty = file.Encode("old.Event", R"({"ts": 1})");
  CHECK(row(fields, empty) == "- 41 'none' -");
  CHECK(row(fields, file.Encode("old.Event", R"({"ts": 1, "plain": 0, "with_default": 0,
                                                 "text": "", "kind": "B"})")) == "0 0 '' 'B'");
  CHECK(row(fields, empty + Varint(5 << 3) + Varint(9)) == "- 41 'none' -");
  CHECK(row({{"kinds", TypeKind::kDyn}},
            empty + Varint(7 << 3 | 2) + Delimited(Varint(1) + Varint(9) + Varint(2))) ==
        "['A', 'B']");
  const std::string groups = Varint(6 << 3 | 3) + Varint(1 << 3 | 2) + Delimited("n") +
                             Varint(6 << 3 | 4) + Varint(8 << 3 | 3) + Varint(1 << 3) + "\1" +
                             Varint(8 << 3 | 4) + Varint(8 << 3 | 3) + Varint(8 << 3 | 4);
  CHECK(row({{"extra", TypeKind::kDyn}, {"item", TypeKind::kDyn}}, empty + groups) ==
        "{'note': 'n'} [{'n': 1}, {}]");
  const std::vector<std::string> rows = ReadRows(
      {.path = "x.pb", .fields = {{"ts", TypeKind::kInt}}, .formats = FormatsOf(file, "old.Event")},
      Delimited(""));
  CHECK(rows == std::vector<std::string>{"0 rejected: field `ts`: required, but not set"});
}

TEST_CASE("ProtobufCodec: the event time is a number, a timestamp or text", "[ingest][unit]") {
  struct Case {
    TimeSpec time;
    const char* json;
    const char* row;
  };
  const Case cases[] = {
      {{"ts", TimeUnit::kMillis}, R"({"ts": "1700000000123"})", "0@1700000000123:"},
      {{"ts", TimeUnit::kSeconds}, R"({"ts": "1700000000"})", "0@1700000000000:"},
      {{"ts", TimeUnit::kMicros}, R"({"ts": "-1"})", "0@-1:"},
      {{"ts", TimeUnit::kNanos}, R"({"ts": "1999999"})", "0@1:"},
      {{"ts", TimeUnit::kMillis}, "{}", "0@0:"},
      {{"at", TimeUnit::kMillis}, R"({"at": "1970-01-01T00:00:01.5Z"})", "0@1500:"},
      {{"s", TimeUnit::kRfc3339}, R"({"s": "1970-01-01T00:00:02Z"})", "0@2000:"},
      {{"db", TimeUnit::kSeconds}, R"({"db": 1.25})", "0@1250:"},
      {{"at", TimeUnit::kMillis}, "{}", "0 rejected: no event time: no field `at`"},
      {{"no", TimeUnit::kMillis}, "{}", "0 rejected: no event time: no field `no`"},
      {{"b", TimeUnit::kMillis},
       "{}",
       "0 rejected: no event time: field `b`: expected a number, a timestamp or RFC 3339 text"},
      {{"ts", TimeUnit::kSeconds},
       R"({"ts": "1700000000123"})",
       "0 rejected: no event time: field `ts`: outside the years 0001 to 9999 (is the time unit "
       "right?)"},
  };
  for (const Case& c : cases) {
    INFO(c.time.field << " of " << c.json);
    CHECK(ReadRows({.path = "x.pb", .time = c.time, .formats = FormatsOf(Proto3(), "test.Event")},
                   Delimited(Event(c.json))) == std::vector<std::string>{c.row});
  }
}

TEST_CASE("ProtobufRenderer: the event whole, as JSON", "[ingest][unit]") {
  const google::protobuf::Descriptor* message = *Proto3().descriptors()->Find("test.Event");
  const ProtobufRenderer renderer(Proto3().descriptors(), *message);
  std::string out;
  std::string why;
  REQUIRE(renderer.AppendJson(
      Event(R"({"ts": 1, "s": "a\"b", "by": "aGk=", "st": "PAID", "dev": {"id": "d"},
                "ints": [1], "counts": {"k": 2}, "by_id": {"3": {}}, "maybe": 2.5, "iban": 4,
                "at": "2023-11-14T22:13:20.5Z", "took": "-1.5s", "any": {"x": null},
                "fl": "NaN", "db": "-Infinity", "u64": "18446744073709551615"})"),
      &out, &why));
  CHECK(out ==
        R"({"ts":1,"i32":0,"i64":0,"u32":0,"u64":18446744073709551615,"s32":0,"s64":0,"f32":0,)"
        R"("f64":0,"sf32":0,"sf64":0,"fl":"NaN","db":"-Infinity","b":false,"s":"a\"b",)"
        R"("by":"aGk=","st":"PAID","dev":{"id":"d","trusted":false},"ints":[1],"texts":[],)"
        R"("devices":[],"counts":{"k":2},"by_id":{"3":{"id":"","trusted":false}},"maybe":2.5,)"
        R"("iban":4,"at":"2023-11-14T22:13:20.5Z","took":"-1.5s","any":{"x":null},"states":[],)"
        R"("loose":[],"far":"","doubles":[]})");
  CHECK_FALSE(renderer.AppendJson("\x0a\xff", &out, &why));
  CHECK(why == "byte 2: field `ts` (1): its wire type is another one than the message declares");
}

TEST_CASE("ProtobufCodec: strict validates what is not in use", "[ingest][unit]") {
  const std::string bad_text = Varint(15 << 3 | 2) + Delimited("\xff");
  CHECK(RowOf({{"i32", TypeKind::kInt}}, bad_text) == "0");
  CHECK(RowOf({{"i32", TypeKind::kInt}}, bad_text, true, true) ==
        "byte 3: field `s` (15): invalid UTF-8");
  const std::string bad_inner = Varint(18 << 3 | 2) + Delimited(Varint(1 << 3 | 2) + Varint(9));
  CHECK(RowOf({{"i32", TypeKind::kInt}}, bad_inner) == "0");
  CHECK(RowOf({{"i32", TypeKind::kInt}}, bad_inner, true, true) ==
        "byte 5: field `id` (1): a length beyond the end");
}

TEST_CASE("ProtobufCodec: hostile records cost little and say why", "[ingest][unit]") {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep = Varint(4 << 3 | 2) + Delimited(deep);
  CHECK(RowOf({{"dev", TypeKind::kDyn}}, Varint(18 << 3 | 2) + Delimited(deep))
            .find("nested more than 100 levels deep") != std::string::npos);
  std::string groups;
  for (int i = 0; i < 200; ++i) groups += Varint(900 << 3 | 3);
  CHECK(RowOf({}, groups).find("nested more than 100 levels deep") != std::string::npos);
  const std::string many = Varint(19 << 3 | 2) + Delimited(std::string(2'000'000, '\1'));
  CHECK(RowOf({{"ints", TypeKind::kDyn}}, many).find("more than 1048576 values") !=
        std::string::npos);
  std::string pieces;
  for (int i = 0; i < 300'000; ++i) {
    pieces += Varint(18 << 3 | 2) + Delimited(Varint(3 << 3) + "\1");
  }
  CHECK(RowOf({{"dev", TypeKind::kDyn}}, pieces).find("more than 1048576 values") !=
        std::string::npos);
}

TEST_CASE("DelimitedReader: records across chunks, and bad lengths", "[ingest][unit]") {
  std::string stream;
  std::vector<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    const std::string text(static_cast<size_t>(i * 7 % 3000), 'x');
    stream += Delimited(Event(R"({"ts": ")" + std::to_string(i) + R"(", "s": ")" + text + "\"}"));
    expected.push_back(std::to_string(i) + "@" + std::to_string(i) + ": '" + text + "'");
  }
  for (const size_t step : {size_t{1}, size_t{977}, SIZE_MAX}) {
    CHECK(ReadRows({.path = "x.pb",
                    .fields = {{"s", TypeKind::kString}},
                    .step = step,
                    .formats = FormatsOf(Proto3(), "test.Event")},
                   stream) == expected);
  }
  const std::string one = Delimited(Event(R"({"ts": 5})"));
  const std::string huge = Varint((16 << 20) + 1) + std::string((16 << 20) + 1, 'z');
  CHECK(Rows({}, one + huge + one) ==
        std::vector<std::string>{"0@5:", "1 rejected: the record is longer than 16 MiB", "2@5:"});
  CHECK(Rows({}, one + Varint(99) + "abc") ==
        std::vector<std::string>{"0@5:", "1 rejected: the file ends within the record"});
  CHECK(Rows({}, one + std::string(1, '\x80')) ==
        std::vector<std::string>{"0@5:", "1 rejected: the length before the record is not valid"});
  CHECK(Rows({}, one + std::string(20, '\xff')) ==
        std::vector<std::string>{
            "0@5:", "1 rejected: the length before the record is not valid",
            "text: no valid length at byte 4: what follows cannot be split into records"});
}

TEST_CASE("ProtobufDescriptors: what cannot be used is refused with a reason", "[ingest][unit]") {
  CHECK(ProtobufDescriptors::Parse("x.desc", "nonsense").status().message() ==
        "x.desc: not a descriptor set: make one with protoc --include_imports "
        "--descriptor_set_out");
  CHECK(Proto3().descriptors()->Find("test.Evnt").status().message() ==
        "no message `test.Evnt`; there are test.Device, test.Event, "
        "google.protobuf.Struct, google.protobuf.Value, google.protobuf.ListValue, "
        "google.protobuf.DoubleValue, google.protobuf.FloatValue, google.protobuf.Int64Value");
  CHECK(Proto3().descriptors()->FindOnly().status().message() ==
        "test.proto declares 2 messages, so one must be named: test.Device, test.Event");
  CHECK(
      ProtobufDescriptors::Compile({{"a.proto", "syntax = \"proto3\"; message A { int32 x = ; }"}})
          .status()
          .message() == "a.proto: line 1:42: Expected field number.");
  CHECK(ProtobufDescriptors::Compile(
            {{"a.proto", "syntax = \"proto3\"; import \"b.proto\"; message A { B b = 1; }"}})
            .status()
            .message()
            .find("a.proto: ") == 0);
  const auto compiled = ProtobufDescriptors::Compile(
      {{"b.proto", "syntax = \"proto3\"; message B { message C {} }"},
       {"a.proto",
        "syntax = \"proto3\"; import \"b.proto\"; import \"google/protobuf/timestamp.proto\"; "
        "message X {} message A { B b = 1; google.protobuf.Timestamp t = 2; message In {} }"}});
  REQUIRE(compiled.ok());
  CHECK((*(*compiled)->FindByIndexes({1, 0}))->full_name() == "A.In");
  CHECK((*compiled)->FindByIndexes({2}).status().message() == "no message 2 in the schema");
  CHECK((*compiled)->FindByIndexes({1, 3}).status().message() == "no message 3 in A");
}

TEST_CASE("SchemaOfMessage: the types that conditions see", "[ingest][unit]") {
  const cep::Schema schema = SchemaOfMessage(**Proto3().descriptors()->Find("test.Event"));
  const auto type = [&](const char* name) { return schema.Find(name)->type.ToString(); };
  CHECK(schema.strict_types());
  CHECK(type("i32") == "int");
  CHECK(type("f64") == "int");
  CHECK(type("fl") == "double");
  CHECK(type("by") == "bytes");
  CHECK(type("st") == "string");
  CHECK(type("ints") == "list(int)");
  CHECK(type("counts") == "map(string, int)");
  CHECK(type("at") == "timestamp");
  CHECK(type("wrapped") == "int");
  CHECK(type("any") == "map(string, dyn)");
  CHECK(type("value") == "dyn");
  CHECK(schema.Find("dev")->type.Find("score")->type.ToString() == "int");
  CHECK(schema.Find("dev")->type.Find("parent")->type.ToString() == "dyn");
}

}  // namespace
}  // namespace vigil::ingest
