// What an expression may cost: refused when it is loaded, or ended when it runs.
#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/cel/functions.h"
#include "tests/rules/cel_fixture.h"

namespace vigil::rules::cel {
namespace {

constexpr const char* kTen = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";

// `inner` within nested macros over `range`, one a name.
std::string Nested(const std::string& range, const std::string& names, std::string inner) {
  for (const char name : names) inner = range + ".all(" + name + ", " + inner + ")";
  return inner;
}

std::string Repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("CEL limits: what must cost too much is refused at load", "[rules][unit]") {
  struct Row {
    std::string text;
    std::string code;
    std::string message;
  };
  const std::vector<Row> rows = {
      {Nested(kTen, "abcdef", "count > 0"), "V0203",
       "the macros go through 1111110 items, at most 100,000 are allowed: nested ones multiply"},
      {Nested("tags", "abcdef", "count > 0"), "V0203",
       "the macros go through 1111110 items, at most 100,000 are allowed: nested ones multiply"},
      {Nested("tags", std::string(200, 'a'), "count > 0"), "V0203",
       "the macros go through over 10^12 items, at most 100,000 are allowed: nested ones multiply"},
      {"lists.range(1000000).exists(i, i == count)", "V0203",
       "the macros go through 1000000 items, at most 100,000 are allowed: nested ones multiply"},
      {"type.matches('" + std::string(9000, 'a') + "')", "V0212",
       "a regular expression of 9000 bytes, at most 8192 are allowed"},
      {"type.matches('((((a{30}){30}){30}){30})')", "V0212",
       "invalid regular expression: invalid repetition size: {30}"},
      {"type == '" + std::string(70'000, 'x') + "'", "V0203",
       "the expression has 70010 bytes, at most 65536 are allowed"},
      {Repeat("(", 300) + "flag" + Repeat(")", 300), "V0203",
       "the expression is nested deeper than 250 levels"},
      {"cel.bind(x, " + Repeat("cel.bind(x, ", 260) + "1", "V0203",
       "the expression is nested deeper than 250 levels"},
  };
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text.substr(0, 60));
    const Compiled compiled = CompileCondition(row.text, fixture.environment);
    REQUIRE_FALSE(compiled.ok);
    CHECK(compiled.issues[0].code == row.code);
    CHECK(compiled.issues[0].message == row.message);
  }
}

TEST_CASE("CEL limits: nested macros that people write are accepted", "[rules][unit]") {
  for (const std::string& text : {
           Nested("tags", "abcd", "a != b"),
           Nested(kTen, "abcd", "count > a"),
           std::string("tags.exists(t, t in [\"a\", \"b\"]) && size(tags.map(t, t + \"x\")) > 2"),
       }) {
    CelFixture fixture;
    INFO(text);
    CHECK(CompileCondition(text, fixture.environment).ok);
  }
}

TEST_CASE("CEL limits: an accepted expression ends, whatever the event", "[rules][unit]") {
  CelFixture fixture;
  Arena storage;
  auto* items = storage.New<cep::Value>(60'000);
  for (int i = 0; i < 60'000; ++i) items[i] = cep::Value::Int(i);
  auto* entries = storage.New<cep::MapEntry>(60'000);
  for (int i = 0; i < 60'000; ++i) entries[i] = {cep::Value::Int(i), items[i]};
  const std::string text(1 << 20, 'a');
  const cep::CapturedEvent* event = fixture.Event({{"any", cep::Value::List(items, 60'000)},
                                                   {"scores", cep::Value::Map(entries, 60'000)},
                                                   {"type", cep::Value::String(text)},
                                                   {"country", cep::Value::String(text)},
                                                   {"count", cep::Value::Int(1)}});
  struct Row {
    std::string text;
    std::string error;
  };
  const std::string work = "more than 10,000,000 steps in one evaluation";
  const std::string memory = "more than 64 MiB of memory in one evaluation";
  const std::vector<Row> rows = {
      {"any.all(x, any.all(y, true))", "more than 100,000 iterations in one evaluation"},
      {"any.distinct().size()", work},
      {"any.all(x, x in any)", work},
      {"any.all(x, any.indexOf(-1) < 0)", work},
      {"any.all(x, any == any)", work},
      {"any.all(x, any.reverse() != any)", memory},
      {"scores == scores", work},
      {"any.all(k, scores[k] >= 0)", work},
      {"sets.equivalent(any, any)", work},
      {"any.map(x, any.sort()).size()", work},
      {"type.lastIndexOf(country + 'b')", work},
      {"any.map(x, type + country).size()", memory},
      {"any.exists(x, type.matches(string(x)))", work},
      {"any.exists(x, type.matches('a+b'))", work},
      {"any.exists(x, type + 'b' == country + 'b' && x < 0)", memory},
      {"any.exists(x, type == country && x < 0)", work},
      {"any.exists(x, type.contains('b'))", work},
      {"regex.extractAll(type, 'a.*b|a').size()", work},
      {"any.map(x, type.split('')).size()", memory},
      {"any.transformMapEntry(i, v, {v: i}).size()", work},
      {Repeat("(type + country).contains('b') || ", 60) + "false", memory},
      {"'x'.replace('', string(count) + '" + std::string(60'000, 'y') + "').replace('', '" +
           std::string(600, 'z') + "')",
       "text longer than 16 MiB"},
  };
  for (const Row& row : rows) {
    INFO(row.text.substr(0, 60));
    const auto start = std::chrono::steady_clock::now();
    CHECK(fixture.Eval(row.text, event) == "error: " + row.error);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    CHECK(took.count() < 20.0);  // far above what it takes, far below what it would without limits
  }
}

TEST_CASE("CEL limits: folding is bounded, too", "[rules][unit]") {
  // Constant parts that fail are tried again at every level below: all of them together may take
  // what one evaluation may.
  CelFixture fixture;
  std::string text = "lists.range(99999).map(x, lists.range(1).size())";
  for (int i = 0; i < 100; ++i) text = "size([" + text + "])";
  const auto start = std::chrono::steady_clock::now();
  CHECK(CompileCondition(text + " > 0 || count > 0", fixture.environment).ok);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  CHECK(took.count() < 20.0);
}

TEST_CASE("CEL limits: sizes are worth their steps", "[rules][unit]") {
  const std::string text(160, 'a');
  const cep::Value args[] = {cep::Value::String(text), cep::Value::Int(1)};
  CHECK(StepsOf(Cost::kConstant, args, 2) == 0);
  CHECK(StepsOf(Cost::kLinear, args, 2) == 13);  // 1, 11 for the text, 1 for the number
  CHECK(StepsOf(Cost::kProduct, args, 1) == 11);
  CHECK(StepsOf(Cost::kSquare, args, 1) == 144);
}

}  // namespace vigil::rules::cel
