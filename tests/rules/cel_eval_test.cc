// Evaluation in rules/cel: values, errors, limits.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/cel/evaluate.h"
#include "rules/cel/functions.h"
#include "tests/rules/cel_fixture.h"

namespace vigil::rules::cel {
namespace {

struct Row {
  std::string text;
  std::string result;
};

void CheckRows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text);
    CHECK(fixture.Eval(row.text) == row.result);
  }
}

}  // namespace

TEST_CASE("CEL eval: operators", "[rules][unit]") {
  CheckRows({
      {"1 + 2 * 3 - 4 / 2 % 3", "5"},
      {"9223372036854775807 + 1", "error: integer overflow"},
      {"-9223372036854775808 - 1", "error: integer overflow"},
      {"-(-9223372036854775808)", "error: integer overflow"},
      {"-9223372036854775808 / -1", "error: integer overflow"},
      {"0u - 1u", "error: integer overflow"},
      {"1 / 0", "error: division by zero"},
      {"1 % 0", "error: modulus by zero"},
      {"1.0 / 0.0 > 1e308", "true"},
      {"false && 1 / 0 > 0", "false"},
      {"1 / 0 > 0 && false", "false"},
      {"true && 1 / 0 > 0", "error: division by zero"},
      {"1 / 0 > 0 || true", "true"},
      {"1 / 0 > 0 || false", "error: division by zero"},
      {"dyn(1) && true", "error: no such overload"},
      {"dyn(1) || true", "true"},
      {"true ? 1 : 1 / 0", "1"},
      {"1 / 0 > 0 ? 1 : 2", "error: division by zero"},
      {"9007199254740993 == 9007199254740992.0", "false"},
      {"9007199254740993 > 9007199254740992.0", "true"},
      {"1 == 1u && 1u == 1.0 && 1.0 == 1", "true"},
      {"-1 < 0u", "true"},
      {"1 < 1.5 && 2u > 1.5", "true"},
      {"double('NaN') == double('NaN')", "false"},
      {"double('NaN') < 1", "false"},
      {"1 in [1.0, 2u]", "true"},
      {"2u in {1: 'a', 2: 'b'}", "true"},
      {"[1, [2]] == [1u, [2.0]]", "true"},
      {"{'a': 1} == {'a': 1.0}", "true"},
      {"dyn('a') == 1", "false"},
      {"dyn('a') < 1", "error: no such overload"},
      {"null == null && dyn(1) != null", "true"},
      {"'a' + 'b' + string(1)", "\"ab1\""},
      {"[1] + [2]", "[1, 2]"},
      {"{'a': 1, 'a': 2}", "error: a key is repeated in a map"},
      {"{'a': 1}.b", "error: no such field `b`"},
      {"[1][1]", "error: list index out of range"},
  });
}

TEST_CASE("CEL eval: macros", "[rules][unit]") {
  CheckRows({
      {"[1, 2].all(x, x > 0)", "true"},
      {"[1, 0].all(x, 1 / x > 5)", "false"},
      {"[0, 1].exists(x, 1 / x > 0)", "true"},
      {"[0, 1].exists(x, 1 / x > 5)", "error: division by zero"},
      {"[1, 2, 2].exists_one(x, x == 2)", "false"},
      {"[1, 2, 3].filter(x, x % 2 == 1)", "[1, 3]"},
      {"[1, 2, 3].map(x, x * 2)", "[2, 4, 6]"},
      {"[1, 2, 3].map(x, x > 1, x * 2)", "[4, 6]"},
      {"{'a': 1, 'b': 2}.map(k, k + '!')", "[\"a!\", \"b!\"]"},
      {"[[1, 2], [3]].map(l, l.map(x, x + size(l)))", "[[3, 4], [4]]"},
      {"[1, 2].map(x, [3, 4].filter(y, y > x + 1))", "[[3, 4], [4]]"},
      {"[1].map(x, [2].map(x, x))", "[[2]]"},
      {"dyn(1).all(x, true)", "error: no such overload"},
  });
}

TEST_CASE("CEL eval: functions", "[rules][unit]") {
  CheckRows({
      {"size('h\u00e9llo')", "5"},
      {"'Hello'.lowerAscii() + 'x'.upperAscii()", "\"helloX\""},
      {"' \t\u00a0a b '.trim()", "\"a b\""},
      {"'t\u00e4st'.indexOf('s')", "2"},
      {"'t\u00e4st'.charAt(1)", "\"\u00e4\""},
      {"'t\u00e4st'.charAt(4)", "\"\""},
      {"'t\u00e4st'.charAt(5)", "error: index out of range: 5"},
      {"'abcabc'.lastIndexOf('b')", "4"},
      {"'t\u00e4st'.substring(1, 3)", "\"\u00e4s\""},
      {"'abc'.substring(2, 1)", "error: the substring would end before it starts"},
      {"'a,b,,c'.split(',')", "[\"a\", \"b\", \"\", \"c\"]"},
      {"'a,b,c'.split(',', 2)", "[\"a\", \"b,c\"]"},
      {"'\u00e4b'.split('')", "[\"\u00e4\", \"b\"]"},
      {"''.split(',')", "[\"\"]"},
      {"['a', 'b'].join('-')", "\"a-b\""},
      {"'aXbXc'.replace('X', '--', 1)", "\"a--bXc\""},
      {"'ab'.replace('', '_')", "\"_a_b_\""},
      {"'\xf8'.replace('', '_').startsWith('_')", "true"},  // not UTF-8, as no event or rule is
      {"'foo bar'.matches('o{2} b')", "true"},
      {"'x'.matches(dyn('a('))", "error: invalid regular expression: missing ): a("},
      {"int('42') + int(1.9) + int(2u)", "45"},
      {"int(1e19)", "error: number out of range"},
      {"uint(-1)", "error: number out of range"},
      {"double('1.5')", "1.5"},
      {"string(0.1) + string(1e100)", "\"0.11e+100\""},
      {"bytes('\u00ff')", "b\"\\xc3\\xbf\""},
      {"string(b'\\xff')", "error: invalid UTF-8"},
      {"type(1u) == uint && type(int) != int", "true"},
      {"timestamp('2009-02-13T23:31:30.5Z').getFullYear()", "2009"},
      {"timestamp('2009-02-13T23:31:30Z').getHours('Europe/Paris')", "0"},
      {"timestamp('2009-02-13T23:31:30Z').getDayOfWeek('+01:00')", "6"},
      {"timestamp('2009-02-13T23:31:30Z').getHours(dyn('Mars'))",
       "error: unknown time zone `Mars`"},
      {"timestamp('2009-02-13T23:31:30Z').getHours(dyn('/etc/localtime'))",
       "error: unknown time zone `/etc/localtime`"},
      {"timestamp('2009-02-13T23:31:30Z').getHours(dyn('../zoneinfo/UTC'))",
       "error: unknown time zone `../zoneinfo/UTC`"},
      {"timestamp(dyn('2023-02-29T00:00:00Z'))", "error: not an RFC 3339 timestamp"},
      {"timestamp('2020-01-01T00:00:00+01:30')", "timestamp(\"2019-12-31T22:30:00Z\")"},
      {"timestamp('9999-12-31T23:59:59Z') + duration('1s')",
       "error: timestamp out of range: years 1 to 9999"},
      {"duration('1h30m') + duration('-0.5s')", "duration(\"5399.5s\")"},
      {"duration('-1.5s').getMilliseconds()", "-500"},
      {"duration('1h') > duration('59m')", "true"},
      {"duration(dyn('5 m'))", "error: not a duration such as 1h30m or 1.5s"},
      {"geo.distance_km(0, 0, 0, 180) > 20015.0", "true"},
      {"geo.distance_km(52.52, 13.405, 52.52, 13.405)", "0.0"},
      {"geo.distance_km(dyn('a'), 0, 0, 0)",
       "error: no such overload: geo.distance_km takes numbers"},
  });
}

TEST_CASE("CEL eval: work is bounded", "[rules][unit]") {
  CelFixture fixture;
  const cep::CapturedEvent* event = fixture.Event({{"count", cep::Value::Int(1)}});
  CHECK(fixture.Eval("count > 0 ? 'x'.replace('', '" + std::string(60'000, 'y') +
                         "').replace('', '" + std::string(600, 'z') + "') : ''",
                     event) == "error: text longer than 16 MiB");
}

TEST_CASE("CEL eval: a condition of numbers allocates nothing", "[rules][unit]") {
  CelFixture fixture;
  const Compiled compiled = CompileValue(
      "amount * 2.0 > 10.0 && count % 3 == 1 && country != login.country", fixture.environment);
  REQUIRE(compiled.ok);
  const cep::CapturedEvent* event = fixture.Event({{"amount", cep::Value::Double(6)},
                                                   {"count", cep::Value::Int(4)},
                                                   {"country", cep::Value::String("FR")}});
  const cep::CapturedEvent* login = fixture.Event({{"country", cep::Value::String("DE")}});
  const cep::StageEvents stages[] = {{&login, 1}, {}, {}};
  Arena arena;
  cep::EvalContext context;
  context.event = event;
  context.stages = stages;
  context.arena = &arena;
  CHECK(compiled.value->EvalBool(context) == cep::Tri::kTrue);
  CHECK(arena.bytes_reserved() == 0);
}

TEST_CASE("CEL eval: what a condition makes on its way does not add up", "[rules][unit]") {
  CelFixture fixture;
  const std::string text(1 << 16, 'x');
  const cep::CapturedEvent* event = fixture.Event({{"type", cep::Value::String(text)}});
  Arena arena;
  cep::EvalContext context;
  context.event = event;
  context.arena = &arena;
  const Compiled holds = CompileValue("size(type + type) > 3", fixture.environment);
  const Compiled fails = CompileValue("(type + type).matches(type)", fixture.environment);
  REQUIRE((holds.ok && fails.ok));
  for (int row = 0; row < 100; ++row) {
    CHECK(holds.value->EvalBool(context) == cep::Tri::kTrue);
    CHECK(CelFixture::Show(fails.value->Eval(context)) ==
          "error: a regular expression of 65536 bytes, at most 8192 are allowed");
  }
  CHECK(arena.bytes_reserved() < (1 << 16));  // but for the texts of errors
  const Compiled made = CompileValue("type + type", fixture.environment);
  made.value->Eval(context);
  CHECK(arena.bytes_reserved() > (1 << 17));
}

TEST_CASE("CEL eval: every function of the table has its documentation", "[rules][unit]") {
  for (const Function& function : FunctionTable::Get().functions()) {
    for (const Overload& overload : function.overloads) {
      INFO(overload.signature);
      CHECK_FALSE(overload.doc.empty());
      CHECK(overload.implementation != nullptr);
    }
  }
  CHECK(FunctionTable::Get().Find("geo.distance_km") != nullptr);
  CHECK(FunctionTable::Get().Find("nothing") == nullptr);
}

TEST_CASE("CEL eval: by itself, with declared variables", "[rules][unit]") {
  Arena arena;
  EvaluateRequest request;
  request.expression = "a.b + x";
  request.container = "ns";
  request.variables = {{"ns.a.b", "int", cep::Value::Int(2)}, {"x", "", cep::Value::Int(3)}};
  const EvaluateResult result = Evaluate(request, arena);
  CHECK(result.ok);
  CHECK(result.type == "int");
  CHECK(CelFixture::Show(result.value) == "5");

  request.expression = "y || true";
  request.check = false;
  CHECK(CelFixture::Show(Evaluate(request, arena).value) == "true");
  request.expression = "y";
  CHECK(CelFixture::Show(Evaluate(request, arena).value) == "error: unknown name `y`");
}

}  // namespace vigil::rules::cel
