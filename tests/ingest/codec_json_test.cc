// JSON records in, rows and rejected records out.
#include "ingest/codec_json.h"

#include <catch2/catch.hpp>

#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

using cep::Type;
using cep::TypeKind;

// The row of a record whose field `x` holds `json`, without offset and time.
std::string RowOf(const Type& type, const std::string& json, bool strict_types = false) {
  const std::vector<std::string> rows = ReadRows(
      {.fields = {{"x", type}}, .strict_types = strict_types}, "{\"ts\":1,\"x\":" + json + "}");
  REQUIRE(rows.size() == 1);
  const size_t colon = rows[0].find(": ");
  return rows[0].substr(colon + 2);
}

TEST_CASE("JsonCodec: values become their column's type", "[ingest][unit]") {
  const Type nested = Type::Object(
      {{"n", TypeKind::kInt}, {"d", TypeKind::kDouble}, {"deep", Type::List(TypeKind::kBool)}});
  struct Case {
    Type type;
    const char* json;
    const char* row;
  };
  const Case cases[] = {
      {TypeKind::kInt, "12", "12"},
      {TypeKind::kInt, "-9223372036854775808", "-9223372036854775808"},
      {TypeKind::kInt, "1.0", "mismatch"},
      {TypeKind::kInt, "1e3", "mismatch"},
      {TypeKind::kInt, "9223372036854775808", "mismatch"},
      {TypeKind::kInt, "\"12\"", "mismatch"},
      {TypeKind::kInt, "null", "null"},
      {TypeKind::kDouble, "12", "12d"},
      {TypeKind::kDouble, "11.91", "11.91d"},
      {TypeKind::kDouble, "1e400", "mismatch"},
      {TypeKind::kDouble, "true", "mismatch"},
      {TypeKind::kBool, "true", "true"},
      {TypeKind::kBool, "false", "false"},
      {TypeKind::kBool, "1", "mismatch"},
      {TypeKind::kString, "\"a b\"", "'a b'"},
      {TypeKind::kString, "\"\"", "''"},
      {TypeKind::kString, R"("q\"\\\/\b\f\n\r\tz")", "'q\"\\/\b\f\n\r\tz'"},
      {TypeKind::kString, R"("\u00e9\u20AC\ud83d\ude00")", "'é€😀'"},
      {TypeKind::kString, "\"é€😀\"", "'é€😀'"},
      {TypeKind::kString, "5", "mismatch"},
      {TypeKind::kString, "[\"a\"]", "mismatch"},
      {TypeKind::kTimestamp, "\"1970-01-01T00:00:01.5Z\"", "timestamp(1s 500000000ns)"},
      {TypeKind::kTimestamp, "-1", "timestamp(-1s 999000000ns)"},
      {TypeKind::kTimestamp, "\"yesterday\"", "mismatch"},
      {TypeKind::kDuration, "\"1m30s\"", "duration(90s 0ns)"},
      {TypeKind::kDuration, "90", "mismatch"},
      {TypeKind::kBytes, "\"aGk=\"", "b'hi'"},
      {TypeKind::kBytes, "\"aGk\"", "b'hi'"},
      {TypeKind::kBytes, "\"*\"", "mismatch"},
      {TypeKind::kDyn, "1", "1"},
      {TypeKind::kDyn, "1.5", "1.5d"},
      {TypeKind::kDyn, "18446744073709551615", "1.8446744073709552e+19d"},
      {TypeKind::kDyn, "null", "null"},
      {TypeKind::kDyn, R"([1, "a", {"b": [ ] , "c":{}}])", "[1, 'a', {'b': [], 'c': {}}]"},
      {TypeKind::kDyn, R"({"a":1,"b":2,"a":3})", "{'a': 3, 'b': 2}"},
      {Type::List(TypeKind::kInt), "[1,2]", "[1, 2]"},
      {Type::List(TypeKind::kInt), "[1,2.5]", "[1, mismatch]"},
      {Type::List(TypeKind::kDouble), "[1,null]", "[1d, null]"},
      {Type::List(TypeKind::kInt), "{}", "mismatch"},
      {Type::Map(TypeKind::kString, TypeKind::kInt), R"({"a":1})", "{'a': 1}"},
      {Type::Map(TypeKind::kInt, TypeKind::kInt), R"({"7":1})", "{7: 1}"},
      {nested, R"({"n":1,"d":2,"deep":[true],"other":"x"})",
       "{'n': 1, 'd': 2d, 'deep': [true], 'other': 'x'}"},
      {nested, R"({"n":1.5})", "{'n': mismatch}"},
      {nested, "3", "mismatch"},
  };
  for (const Case& c : cases) {
    INFO(c.json << " as " << c.type.ToString());
    CHECK(RowOf(c.type, c.json) == c.row);
  }
}

TEST_CASE("JsonCodec: with a declared schema a value of another type rejects the record",
          "[ingest][unit]") {
  CHECK(RowOf(TypeKind::kInt, "1.5", true) ==
        "line 1, byte 13: field `x`: expected int, found double");
  CHECK(RowOf(TypeKind::kDouble, "\"a\"", true) ==
        "line 1, byte 13: field `x`: expected double, found string");
  CHECK(RowOf(Type::List(TypeKind::kInt), "[true]", true) ==
        "line 1, byte 13: field `x`: expected list(int), found bool");
  CHECK(RowOf(TypeKind::kDouble, "3", true) == "3d");
  CHECK(RowOf(TypeKind::kInt, "null", true) == "null");
}

TEST_CASE("JsonCodec: values in use that are not JSON reject the record", "[ingest][unit]") {
  for (const char* json :
       {"01",          "1.",        "-",      "1e",      "+1",          ".5",
        "nul",         "True",      "NaN",    "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "\"\\u12\"", "1 2",    "[1",      "[1,]",        "{\"a\"}",
        "{\"a\":}",    "{,}",       "\"a\"b", "",        "{\"a\":1,}"}) {
    for (const Type& type : {Type(TypeKind::kDyn), Type(TypeKind::kString), Type(TypeKind::kInt)}) {
      INFO(json << " as " << type.ToString());
      CHECK(RowOf(type, json).find("line 1") == 0);
    }
  }
}

TEST_CASE("JsonCodec: one bad line costs one line", "[ingest][unit]") {
  const SourceCase options = {.fields = {{"a", TypeKind::kInt}}};
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{\"ts\":1,\"a\":7}}", "byte 15: not a JSON object: unexpected content after the object"},
      {"{\"ts\":1", "byte 8: not a JSON object: expected `,` or `}`"},
      {"{\"ts\":1,\"a\":\"open}", "byte 19: not a JSON object: unclosed string"},
      {"{\"ts\":1,\"b\":\"\xFF\"}", "byte 14: not a JSON object: invalid UTF-8"},
      {"{\"ts\":1 \"a\":2}", "byte 9: not a JSON object: expected `,` or `}`"},
      {"[1]", "byte 1: not a JSON object: expected an object"},
      {"7", "byte 1: not a JSON object: expected an object"},
      {"hello", "byte 1: not a JSON object: expected an object"},
      {"{\"a\":1}", "no event time: no field `ts`"},
      {"{\"ts\":true}", "byte 7: no event time: field `ts`: neither a number nor text"},
      {"{\"ts\":\"soon\"}", "byte 7: no event time: field `ts`: not an RFC 3339 time"},
      {"{\"ts\":null}", "byte 7: no event time: field `ts`: neither a number nor text"},
  };
  for (const auto& [line, reason] : bad) {
    INFO(line);
    const std::string separator = reason.starts_with("byte") ? ", " : ": ";
    CHECK(ReadRows(options, "{\"ts\":5,\"a\":1}\n" + line + "\n\n{\"ts\":6,\"a\":2}\n") ==
          std::vector<std::string>{"0@5: 1", "1 rejected: line 2" + separator + reason, "2@6: 2"});
  }
}

TEST_CASE("JsonCodec: without strict, fields that nobody reads are not looked at",
          "[ingest][unit]") {
  const std::string lines =
      "{\"ts\":1,\"b\":01}\n{\"ts\":2,\"b\":\"\\q\"}\n{\"ts\":3,\"b\":[1 2]}\n";
  CHECK(ReadRows({}, lines) == std::vector<std::string>{"0@1:", "1@2:", "2@3:"});
  CHECK(ReadRows({.strict = true}, lines) ==
        std::vector<std::string>{
            "0 rejected: line 1, byte 13: not a JSON object: malformed value",
            "1 rejected: line 2, byte 14: not a JSON object: invalid escape in a string",
            "2 rejected: line 3, byte 16: not a JSON object: expected `,` or `]`"});
}

TEST_CASE("JsonCodec: the last of several fields with one name counts", "[ingest][unit]") {
  const SourceCase options = {.fields = {{"a", TypeKind::kInt}}};
  std::string lines;
  std::vector<std::string> expected;
  for (int i = 0; i < 4; ++i) {  // the first by simdjson, the others by its layout
    lines +=
        "{\"a\":1,\"ts\":1,\"b\":2,\"a\":3}\n{\"\\u0061\":4,\"ts\":2,\"a\":5,\"a\":6,\"\\u0061\":7}"
        "\n";
    expected.push_back(std::to_string(2 * i) + "@1: 3");
    expected.push_back(std::to_string(2 * i + 1) + "@2: 7");
  }
  CHECK(ReadRows(options, lines) == expected);
}

TEST_CASE("JsonCodec: absent fields and states of rows do not leak", "[ingest][unit]") {
  const SourceCase options = {.fields = {{"a", TypeKind::kInt}, {"s", TypeKind::kString}}};
  CHECK(ReadRows(options,
                 "{\"ts\":1,\"a\":1,\"s\":\"x\"}\n{\"ts\":2}\n{\"ts\":3,\"a\":\"no\",\"s\":null}\n"
                 "{\"ts\":4,\"a\":4,\"s\":\"y\"}\n") ==
        std::vector<std::string>{"0@1: 1 'x'", "1@2: - -", "2@3: mismatch null", "3@4: 4 'y'"});
}

TEST_CASE("JsonCodec: a record in use may not be nested too deeply", "[ingest][unit]") {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  CHECK(RowOf(TypeKind::kDyn, nested(64)).find("[[") == 0);
  CHECK(RowOf(TypeKind::kDyn, nested(65)).find("nested more than 64 levels") != std::string::npos);
  CHECK(RowOf(TypeKind::kDyn, nested(100'000)).find("line 1") == 0);
  CHECK(RowOf(TypeKind::kDyn, std::string(100'000, '[')).find("line 1") == 0);
  const SourceCase strict = {.strict = true};
  CHECK(ReadRows(strict, "{\"ts\":1,\"b\":" + nested(1023) + "}")[0] == "0@1:");
  CHECK(ReadRows(strict, "{\"ts\":1,\"b\":" + nested(1024) + "}")[0].find("nested too deeply") !=
        std::string::npos);
}

TEST_CASE("JsonCodec: the time field has the source's unit and stays a field", "[ingest][unit]") {
  const SourceCase options = {.fields = {{"at", TypeKind::kTimestamp}},
                              .time = {.field = "at", .unit = TimeUnit::kSeconds}};
  CHECK(ReadRows(options, "{\"at\":1.25}\n{\"at\":\"1970-01-01T00:00:02Z\"}\n") ==
        std::vector<std::string>{"0@1250: timestamp(1s 250000000ns)", "1@2000: timestamp(2s 0ns)"});
}

TEST_CASE("JsonCodec: records can carry the positions they stand for", "[ingest][unit]") {
  cep::Partition partition;
  auto layout = std::make_shared<cep::Layout>();
  const std::string text =
      R"({"ts":1,"_source":"s","_topic":"t/u","_partition":3,"_offset":41})"
      "\n"
      R"({"ts":2,"_source":"s","_topic":"t/u","_partition":3,"_offset":42})"
      "\n"
      R"({"ts":3,"_source":"s","_topic":"t/u","_partition":0,"_offset":9223372036854775807})"
      "\n"
      R"({"ts":4})"
      "\n"
      R"({"ts":5,"_source":"s","_topic":"t","_partition":-1,"_offset":1})"
      "\n"
      R"({"ts":6,"_source":"s","_topic":7,"_partition":1,"_offset":1})"
      "\n"
      R"({"_source":"s","_topic":"t","_partition":1,"_offset":7})";
  auto source = OpenText({.positions = true}, text, &partition, layout);
  REQUIRE(source.ok());
  cep::Batch batch(layout);
  bool end = false;
  REQUIRE((*source)->Read(&batch, &end).ok());
  REQUIRE(batch.rows == 3);
  CHECK(batch.partitions[0] == batch.partitions[1]);
  CHECK(batch.partitions[0]->place == "s/t/u/3");
  CHECK(batch.partitions[2]->place == "s/t/u/0");
  CHECK(batch.offsets[1] == 42);
  CHECK(batch.offsets[2] == INT64_MAX);
  REQUIRE(batch.rejected.size() == 4);
  CHECK(batch.rejected[0].reason.find("field `_source`: no position") != std::string::npos);
  CHECK(batch.rejected[1].reason.find("field `_partition`: no position") != std::string::npos);
  CHECK(batch.rejected[2].reason.find("field `_topic`: no position") != std::string::npos);
  // A record that names its position is rejected under it.
  CHECK(batch.rejected[3].partition->place == "s/t/1");
  CHECK(batch.rejected[3].offset == 7);
}

}  // namespace
}  // namespace vigil::ingest
