// Texts, numbers, times and values as JSON.

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "alerts/utf8.h"
#include "alerts/value_json.h"

namespace vigil::alerts {
namespace {

using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

std::string Json(const Value& value) {
  std::string out;
  AppendValueJson(value, &out);
  return out;
}

std::string Text(const Value& value) {
  std::string out;
  AppendValueText(value, &out);
  return out;
}

}  // namespace

TEST_CASE("AppendJsonString: escapes and mends", "[alerts][unit]") {
  struct Row {
    std::string_view text;
    std::string_view json;
  };
  const Row rows[] = {
      {"", R"("")"},
      {"plain text", R"("plain text")"},
      {"say \"hi\"", R"("say \"hi\"")"},
      {"a\\b", R"("a\\b")"},
      {"\b\f\n\r\t", R"("\b\f\n\r\t")"},
      {std::string_view("\0\x1f", 2), R"("\u0000\u001f")"},
      {"a/b<c>\x7f", "\"a/b<c>\x7f\""},
      {"é€😀", R"("é€😀")"},
      {"a\xffz", "\"a\uFFFDz\""},
      {"cut \xE2\x82", "\"cut \uFFFD\""},
      {"\xC0\xAF", "\"\uFFFD\uFFFD\""},                      // overlong
      {"\xED\xA0\x80", "\"\uFFFD\uFFFD\uFFFD\""},            // a surrogate
      {"\xF4\x90\x80\x80", "\"\uFFFD\uFFFD\uFFFD\uFFFD\""},  // past U+10FFFF
  };
  for (const Row& row : rows) {
    std::string out;
    AppendJsonString(row.text, &out);
    CHECK(out == row.json);
  }
}

TEST_CASE("CutUtf8: never leaves the beginning of a character", "[alerts][unit]") {
  CHECK(CutUtf8("abc", 3) == "abc");
  CHECK(CutUtf8("abc", 2) == "ab");
  CHECK(CutUtf8("a€", 4) == "a€");
  CHECK(CutUtf8("a€", 3) == "a");
  CHECK(CutUtf8("a€", 2) == "a");
  CHECK(CutUtf8("a😀b", 4) == "a");
  CHECK(CutUtf8("\x80\x80\x80\x80\x80\x80", 5).size() == 5);  // not UTF-8 anyway
}

TEST_CASE("AppendJsonDouble: shortest digits that read back", "[alerts][unit]") {
  struct Row {
    double value;
    std::string_view json;
  };
  const Row rows[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {0.1, "0.1"},
      {-12.5, "-12.5"},
      {100000, "100000"},
      {123456789.25, "123456789.25"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1e-6, "0.000001"},
      {1e-7, "1e-07"},
      {0.1 + 0.2, "0.30000000000000004"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {std::numeric_limits<double>::denorm_min(), "5e-324"},
      {std::nan(""), "null"},
      {HUGE_VAL, "null"},
      {-HUGE_VAL, "null"},
  };
  for (const Row& row : rows) {
    std::string out;
    AppendJsonDouble(row.value, &out);
    CHECK(out == row.json);
  }
}

TEST_CASE("AppendTimeMs: RFC 3339, and beyond its years", "[alerts][unit]") {
  struct Row {
    int64_t ms;
    std::string_view text;
  };
  const Row rows[] = {
      {1700000000000, "2023-11-14T22:13:20.000Z"},
      {0, "1970-01-01T00:00:00.000Z"},
      {-1, "1969-12-31T23:59:59.999Z"},
      {951782400123, "2000-02-29T00:00:00.123Z"},
      {253402300799999, "9999-12-31T23:59:59.999Z"},
      {253402300800000, "+010000-01-01T00:00:00.000Z"},
      {-62167219200000, "0000-01-01T00:00:00.000Z"},
      {-62167219200001, "-000001-12-31T23:59:59.999Z"},
      {INT64_MAX, "+292278994-08-17T07:12:55.807Z"},
      {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
  };
  for (const Row& row : rows) {
    std::string out;
    AppendTimeMs(row.ms, &out);
    CHECK(out == row.text);
  }
}

TEST_CASE("AppendBase64: with padding", "[alerts][unit]") {
  struct Row {
    std::string_view bytes;
    std::string_view text;
  };
  const Row rows[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
  for (const Row& row : rows) {
    std::string out;
    AppendBase64(row.bytes, &out);
    CHECK(out == row.text);
  }
}

TEST_CASE("AppendValueJson: every kind of value", "[alerts][unit]") {
  const Value items[] = {Value::Int(1), Value::String("x\n"), Value::Null()};
  const MapEntry entries[] = {{Value::String("a"), Value::List(items, 3)},
                              {Value::Int(-7), Value::Bool(true)},
                              {Value::Bool(false), Value::Map(nullptr, 0)}};
  struct Row {
    Value value;
    std::string_view json;
    std::string_view text;
  };
  const Row rows[] = {
      {Value(), "null", "null"},
      {Value::Error("why"), "null", "null"},
      {Value::Null(), "null", "null"},
      {Value::Bool(true), "true", "true"},
      {Value::Int(INT64_MIN), "-9223372036854775808", "-9223372036854775808"},
      {Value::Uint(UINT64_MAX), "18446744073709551615", "18446744073709551615"},
      {Value::Double(2.5), "2.5", "2.5"},
      {Value::String("a \"b\""), R"("a \"b\"")", "a \"b\""},
      {Value::Bytes("foo"), R"("Zm9v")", "Zm9v"},
      {Value::TypeName("int"), R"("int")", "int"},
      {Value::Time(ValueTag::kTimestamp, 1700000000, 0), R"("2023-11-14T22:13:20Z")",
       "2023-11-14T22:13:20Z"},
      {Value::Time(ValueTag::kTimestamp, -1, 500000000), R"("1969-12-31T23:59:59.5Z")",
       "1969-12-31T23:59:59.5Z"},
      {Value::Time(ValueTag::kDuration, 3, 500000000), R"("3.5s")", "3.5s"},
      {Value::Time(ValueTag::kDuration, 0, -1000), R"("-0.000001s")", "-0.000001s"},
      {Value::Time(ValueTag::kDuration, -60, 0), R"("-60s")", "-60s"},
      {Value::List(items, 3), R"([1,"x\n",null])", R"([1,"x\n",null])"},
      {Value::List(nullptr, 0), "[]", "[]"},
      {Value::Map(entries, 3), R"({"a":[1,"x\n",null],"-7":true,"false":{}})",
       R"({"a":[1,"x\n",null],"-7":true,"false":{}})"},
  };
  for (const Row& row : rows) {
    CHECK(Json(row.value) == row.json);
    CHECK(Text(row.value) == row.text);
  }
}

TEST_CASE("AppendValueJson: nesting past the limit is null", "[alerts][unit]") {
  Value self;
  self = Value::List(&self, 1);  // as deep as can be
  CHECK(Json(self) == std::string(kMaxValueDepth, '[') + "null" + std::string(kMaxValueDepth, ']'));
}

}  // namespace vigil::alerts
