// Strict JSON: the JSONTestSuite, and simdjson's DOM parser as the judge of mutated lines.
#include "ingest/json_validate.h"

#include <fstream>
#include <random>

#include <absl/strings/escaping.h>
#include <catch2/catch.hpp>
#include <simdjson.h>

#include "ingest/json_flat.h"
#include "ingest/json_renderer.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

struct SuiteCase {
  std::string name;
  std::string text;
  char expect;  // y, n, i
};

std::vector<SuiteCase> JsonSuite() {
  std::vector<SuiteCase> cases;
  std::ifstream in(std::string(VIGIL_REPO_ROOT) + "/tests/corpus/json/json-suite.jsonl");
  simdjson::dom::parser parser;
  for (std::string line; std::getline(in, line);) {
    const simdjson::dom::element e = parser.parse(line);
    SuiteCase c;
    c.name = std::string(std::string_view(e["name"]));
    c.expect = std::string_view(e["expect"])[0];
    REQUIRE(absl::Base64Unescape(std::string(std::string_view(e["bytes"])), &c.text));
    cases.push_back(std::move(c));
  }
  REQUIRE(cases.size() == 316);
  return cases;
}

TEST_CASE("JsonCodec: strict gives the JSON suite's answers, case by case", "[ingest][corpus]") {
  for (const SuiteCase& c : JsonSuite()) {
    INFO(c.name);
    // A line break is white space to JSON, but it ends a line: where it is valid, a space stands
    // for it.
    std::string text = c.text;
    if (c.expect == 'y') std::replace(text.begin(), text.end(), '\n', ' ');
    const std::string line = "{\"id\":7,\"ts\":2,\"x\":" + text + "}";
    const std::vector<std::string> rows =
        ReadRows({.fields = {{"id", cep::TypeKind::kInt}}, .strict = true},
                 "{\"ts\":1,\"id\":1}\n" + line + "\n{\"ts\":3,\"id\":3}\n");
    REQUIRE(rows.size() >= 3);
    CHECK(rows.front() == "0@1: 1");
    CHECK(rows.back().ends_with("@3: 3"));
    for (size_t i = 1; i + 1 < rows.size(); ++i) {
      if (c.expect == 'y') CHECK(rows[i] == "1@2: 7");
      if (c.expect == 'n') CHECK(rows[i].find(" rejected: line ") == 1);
    }
  }
}

TEST_CASE("JsonCodec: no case of the JSON suite ends the process or harms its neighbours",
          "[ingest][corpus]") {
  const std::string long_arrays(100'000, '[');
  std::string long_objects;
  for (int i = 0; i < 50'000; ++i) long_objects += "[{\"\":";
  std::vector<SuiteCase> cases = JsonSuite();
  cases.push_back({"100000 opening arrays", long_arrays, 'n'});
  cases.push_back({"50000 open arrays and objects", long_objects, 'n'});
  for (const SuiteCase& c : cases) {
    for (const bool strict : {false, true}) {
      for (const std::string& line : {c.text, "{\"ts\":2,\"x\":" + c.text + "}"}) {
        INFO(c.name << (strict ? " strict" : ""));
        const std::vector<std::string> rows =
            ReadRows({.fields = {{"x", cep::TypeKind::kDyn}}, .strict = strict},
                     "{\"ts\":1,\"x\":1}\n" + line + "\n{\"ts\":3,\"x\":3}\n");
        REQUIRE(rows.size() >= 2);
        CHECK(rows.front() == "0@1: 1");
        CHECK(rows.back().ends_with("@3: 3"));
      }
    }
  }
}

// simdjson's DOM parser checks everything, and also refuses numbers out of range.
bool MayHoldHugeNumber(std::string_view text) {
  size_t digits = 0;
  bool exponent = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    exponent = c == 'e' || c == 'E' || (exponent && (digit || c == '+' || c == '-'));
    digits = digit ? digits + 1 : 0;
    if (digits > (exponent ? 2 : 17)) return true;
  }
  return false;
}

bool SimdjsonAccepts(simdjson::dom::parser* parser, std::string_view text) {
  simdjson::dom::object object;
  return parser->parse(text.data(), text.size()).get_object().get(object) == simdjson::SUCCESS;
}

TEST_CASE("ValidateJsonObject: accepts what simdjson accepts, over mutated lines",
          "[ingest][property]") {
  const std::string seeds[] = {
      R"({"id":0,"ts":1700000000001,"type":"transaction","account":"A0074156","amount":11.91,"ok":false,"n":null})",
      R"({"id": 0, "ts": 17, "type": "a, b: {c}", "amount": -1.5e3, "ok": true})",
      R"({"a":{"b":[1,2,{"c":"\u00e9\n"}],"d":[]},"e":{},"f":"é€😀","g":"\ud83d\ude00"})",
      R"(  { "a" : [ true , false ] , "" : "" }  )",
  };
  constexpr std::string_view kBytes = "\"\"\\:,{}[] 019-.eE+tfnu\x01\x80\xC3\xA9/:\"";
  std::mt19937 random(7);
  simdjson::dom::parser parser;
  size_t accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = seeds[random() % 4];
    for (unsigned n = random() % 3; n > 0; --n) {
      const size_t at = random() % text.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 4) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        case 2:
          text.insert(at, 1, byte);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 12));
          break;
      }
    }
    if (MayHoldHugeNumber(text)) continue;
    const bool expected = SimdjsonAccepts(&parser, text);
    JsonError error;
    if (ValidateJsonObject(text, &error) != expected) {
      FAIL(text << (expected ? " is valid, but " : " is not valid; ") << error.what);
    }
    if (IsValidFlatObject(text) && !expected) FAIL("flat: " << text);
    accepted += expected;
  }
  CHECK(accepted > 50'000);
}

TEST_CASE("IsValidFlatObject: sees whole lines of any length", "[ingest][unit]") {
  for (size_t n = 0; n < 300; ++n) {
    const std::string text = "{\"a\":\"" + std::string(n, ',') + "\",\"b\":12}";
    INFO(text);
    CHECK(IsValidFlatObject(text));
    CHECK_FALSE(IsValidFlatObject(text.substr(0, text.size() - 1)));
    CHECK_FALSE(IsValidFlatObject("{\"a\":\"" + std::string(n, 'x') + "\",\"b\":12,}"));
    CHECK_FALSE(IsValidFlatObject("{\"a\":\"" + std::string(n, 'x') + "\",\"b\":}"));
  }
}

TEST_CASE("JsonRenderer: one line of valid JSON, or why not", "[ingest][unit]") {
  std::string out = "before ";
  std::string why;
  CHECK(JsonRenderer::Get().AppendJson(" {\"a\":\n1}\t", &out, &why));
  CHECK(out == "before {\"a\": 1}");
  CHECK_FALSE(JsonRenderer::Get().AppendJson("{\"a\":01}", &out, &why));
  CHECK(out == "before {\"a\": 1}");
  CHECK(why == "byte 6: not a JSON object: malformed value");
}

TEST_CASE("RecordedJsonRenderer: the record as it was before it was recorded", "[ingest][unit]") {
  const std::string position = R"("_source":"s\"","_topic":"t","_partition":12,"_offset":3)";
  struct Case {
    std::string recorded, rendered;
  };
  const Case cases[] = {
      {R"({"a":1 ,)" + position + "}", R"({"a":1 })"},
      {"{ " + position + "}", "{ }"},
      {R"({"a":1,)" + position + R"(,"kafka":{"headers":{"_source":"x"}}})", R"({"a":1})"},
      {R"({"_source":"mine","a":{)" + position + "}," + position + "}",
       R"({"_source":"mine","a":{)" + position + "}}"},
      // Not where a recording puts it, or not whole.
      {"{" + position + R"(,"a":1})", "{" + position + R"(,"a":1})"},
      {R"({"a":{)" + position + "}}", R"({"a":{)" + position + "}}"},
      {R"({"_source":"s","_topic":"t","_partition":1})",
       R"({"_source":"s","_topic":"t","_partition":1})"},
      {R"({"a":"\"_source\":"})", R"({"a":"\"_source\":"})"},
  };
  for (const Case& c : cases) {
    std::string out;
    std::string why;
    CHECK(RecordedJsonRenderer::Get().AppendJson(c.recorded, &out, &why));
    CHECK(out == c.rendered);
  }
  std::string out;
  std::string why;
  CHECK_FALSE(RecordedJsonRenderer::Get().AppendJson("{" + position, &out, &why));
}

}  // namespace
}  // namespace vigil::ingest
