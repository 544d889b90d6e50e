// What the checker of rules/cel says of names and types.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/rules/cel_fixture.h"

namespace vigil::rules::cel {

TEST_CASE("CEL checker: errors name the thing and the way out", "[rules][unit]") {
  struct Row {
    std::string text;
    uint32_t begin;
    uint32_t end;
    std::string code;
    std::string message;
    std::string hint;
  };
  const std::vector<Row> rows = {
      {"type == \"x\" && amout > 10000.0", 15, 20, "V0102", "unknown field `amout`",
       "did you mean `amount`?"},
      {"event.amout > 1.0", 6, 11, "V0102", "unknown field `amout`", "did you mean `amount`?"},
      {"zzzzzz == 1", 0, 6, "V0102", "unknown field `zzzzzz`", ""},
      {"card.brnd == \"v\"", 5, 9, "V0102", "unknown field `brnd` of `card`",
       "did you mean `brand`?"},
      {"count.x == 1", 6, 7, "V0207", "`count` is int and has no field `x`", ""},
      {"amount + 1 > 2.0", 7, 8, "V0207", "`+` does not take double and int", "write `1.0`"},
      {"count * amount > 2.0", 6, 7, "V0207", "`*` does not take int and double",
       "convert one of them: `double(count)`"},
      {"type + count == \"x1\"", 5, 6, "V0207", "`+` does not take string and int",
       "convert it to text: `string(count)`"},
      {"-type == \"\"", 0, 1, "V0207", "`-` does not take string", ""},
      {"amount > \"100\"", 7, 8, "V0207", "`>` does not compare double with string",
       "write the number without quotes: `100`"},
      {"account == 100", 8, 10, "V0207", "`==` does not compare string with int",
       "write it as text: `\"100\"`"},
      {"at > \"2020-01-01T00:00:00Z\"", 3, 4, "V0207", "`>` does not compare timestamp with string",
       "convert the text: `timestamp(\"2020-01-01T00:00:00Z\")`"},
      {"wait < \"5m\"", 5, 6, "V0207", "`<` does not compare duration with string",
       "convert the text: `duration(\"5m\")`"},
      {"tags > tags", 5, 6, "V0207", "`>` does not compare list(string) with list(string)", ""},
      {"type in \"abc\"", 5, 7, "V0207", "`in` looks in a list or a map, not in string",
       "a part of a text is found by `contains`"},
      {"count in tags", 6, 8, "V0207", "`in` does not look for int in list(string)", ""},
      {"tags[\"a\"] == \"x\"", 5, 8, "V0207", "a list is indexed by int, not by string", ""},
      {"count[0] == 1", 5, 6, "V0207", "`count` is int and has no items to index", ""},
      {"count", 0, 5, "V0208", "a condition must be bool, this one is int",
       "compare it, as in `count > 0`"},
      {"flag && count", 8, 13, "V0208", "the operand of `&&` must be bool, `count` is int",
       "compare it, as in `count > 0`"},
      {"count ? true : false", 0, 5, "V0208", "the condition of `? :` must be bool, `count` is int",
       "compare it, as in `count > 0`"},
      {"(flag ? type : count) == 1", 6, 7, "V0207",
       "the branches of `? :` have types string and int", ""},
      {"count.all(x, x > 0)", 6, 9, "V0207", "`all` goes over a list or a map, not over int", ""},
      {"tags.all(t, size(t))", 12, 19, "V0208",
       "the condition of `all` must be bool, `size(t)` is int", "compare it, as in `size(t) > 0`"},
      {"startWith(type)", 0, 9, "V0206", "unknown function `startWith`",
       "did you mean `startsWith`?"},
      {"type.startsWith(3)", 5, 15, "V0207", "there is no `string.startsWith(int)`",
       "it is `string.startsWith(string) -> bool`"},
      {"type.matches(\"a(\")", 13, 17, "V0212", "invalid regular expression: missing ): a(",
       "patterns are RE2's: no look-around, no back-references"},
      {"geo.distance_km('a', 0, 0, 0) > 1", 4, 15, "V0207",
       "there is no `geo.distance_km(string, int, int, int)`",
       "it is `geo.distance_km(number, number, number, number) -> double`"},
      {"later.amount > 1.0", 0, 5, "V0210", "stage `later` comes later in the pattern", ""},
      {"rise.amount > 1.0", 0, 4, "V0209",
       "stage `rise` may accept several events, so its name is a list",
       "index it: `rise[size(rise)-1].amount`"},
      {"rise.exists(r, r.amout > 1.0)", 17, 22, "V0102", "unknown field `amout`",
       "did you mean `amount`?"},
      {"login.amout > 1.0", 6, 11, "V0102", "unknown field `amout`", "did you mean `amount`?"},
      {"a.b.C{x: 1} == 1", 0, 5, "V0213", "message literals such as `a.b.C{}` are not supported",
       ""},
      // Extensions.
      {"x_()", 0, 2, "V0206", "unknown function `x_`", ""},
      {"len(type) > 1", 0, 3, "V0206", "unknown function `len`", "did you mean `size`?"},
      {"isNull(type)", 0, 6, "V0206", "unknown function `isNull`",
       "a field that may be absent is tested by `has(event.x) && ...`, or read by "
       "`event.?x.orValue(0)`"},
      {"math.abss(1) > 0", 5, 9, "V0206", "unknown function `math.abss`",
       "did you mean `math.abs`?"},
      {"exists(type)", 0, 6, "V0206", "unknown function `exists`",
       "macros are written as in `list.exists(x, x > 0)`"},
      {"has(type)", 0, 3, "V0205", "`has` takes one field selection", "write `has(event.type)`"},
      {"ip(\"300.1.1.1\").isLoopback()", 3, 14, "V0202", "`300.1.1.1`: not an IP address", ""},
      {"wait > duration(\"5 m\")", 16, 21, "V0202", "not a duration such as 1h30m or 1.5s", ""},
      {"at > timestamp(\"2020-13-01T00:00:00Z\")", 15, 37, "V0202", "not an RFC 3339 timestamp",
       ""},
      {"at.getHours(\"Mars\") > 3", 12, 18, "V0202", "unknown time zone `Mars`",
       "as in `\"Europe/Paris\"`, `\"UTC\"` or `\"+02:00\"`"},
      {"type == \"%d\".format([type])", 21, 25, "V0207",
       "`%d` takes int, uint or double, not string", ""},
      {"type == \"%d %s\".format([1])", 23, 26, "V0207", "the format takes 2 arguments, 1 is given",
       ""},
      {"type == \"%q\".format([1])", 8, 12, "V0202", "`%q` is no clause of a format", ""},
      {"regex.replace(type, \"a(\", \"\") == \"\"", 20, 24, "V0212",
       "invalid regular expression: missing ): a(",
       "patterns are RE2's: no look-around, no back-references"},
      {"event.?amount > 1.0", 14, 15, "V0207",
       "`>` does not compare optional_type(double) with double",
       "give a value for where it is absent: `event.?amount.orValue(...)`"},
      {"event.?amount == 1.0", 14, 16, "V0207",
       "`==` does not compare optional_type(double) with double",
       "give a value for where it is absent: `event.?amount.orValue(...)`"},
      {"event.?amout.hasValue()", 7, 12, "V0102", "unknown field `amout`",
       "did you mean `amount`?"},
      {"event.?amount.orValue(1) > 1.0", 14, 21, "V0207",
       "there is no `optional_type(double).orValue(int)`",
       "it is `optional_type(T).orValue(T) -> T`"},
      {"amount.optMap(a, a > 1.0)", 7, 13, "V0207",
       "`optMap` is for optional values, `amount` is double", "as in `event.?x.optMap(v, v + 1)`"},
      {"event.?amount.optFlatMap(a, a > 1.0).orValue(true)", 28, 35, "V0207",
       "the result of `optFlatMap` must be optional, `a > 1.0` is bool", "use `optMap`"},
      {"[?amount] == []", 2, 8, "V0207", "after `?` comes an optional value, `amount` is double",
       "as in `[?event.?x]` or `{?\"k\": optional.of(x)}`"},
      {"tags.all(t, t, true)", 12, 13, "V0205", "the two variables of `all` have the same name `t`",
       ""},
      {"tags.all(i, 1, true)", 12, 13, "V0205",
       "the second argument of `all` must be the name of a variable",
       "as in `list.all(k, v, k > v)`"},
      {"tags.sortBy(t, [t]) == []", 15, 18, "V0207",
       "`sortBy` orders by numbers, texts, bytes, bools or times, not by list(string)", ""},
      {"scores.sortBy(k, k) == []", 7, 13, "V0207",
       "`sortBy` goes over a list, not over map(string, int)", ""},
      {"tags.transformMapEntry(i, t, t) == {}", 29, 30, "V0207",
       "`transformMapEntry` makes a map from entries such as `{k: v}`, not from string", ""},
      {"cel.bind(1, 2, true)", 9, 10, "V0205",
       "the first argument of `cel.bind` must be the name of a variable",
       "as in `cel.bind(x, size(list), x > 1 && x < 9)`"},
      {"tags.sum() > 1", 5, 8, "V0207", "there is no `list(string).sum()`",
       "it is `list(int).sum() -> int`, `list(uint).sum() -> uint`, `list(double).sum() -> "
       "double`, "
       "`list(duration).sum() -> duration`"},
      {"{1.5: 2} == {}", 1, 4, "V0207", "a map's key is bool, int, uint or string, not double", ""},
  };
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text);
    const Compiled compiled = CompileCondition(row.text, fixture.environment);
    CHECK_FALSE(compiled.ok);
    REQUIRE(compiled.issues.size() == 1);
    const Issue& issue = compiled.issues[0];
    CHECK(issue.begin == row.begin);
    CHECK(issue.end == row.end);
    CHECK(issue.code == row.code);
    CHECK(issue.message == row.message);
    CHECK(issue.hint == row.hint);
  }
}

TEST_CASE("CEL checker: every error of an expression is reported", "[rules][unit]") {
  CelFixture fixture;
  const Compiled compiled = CompileCondition(
      "amout > 1.0 && count + 1.5 > 2.0 && later.x && (1 + )", fixture.environment);
  std::vector<std::string> codes;
  for (const Issue& issue : compiled.issues) codes.push_back(issue.code);
  CHECK(codes == std::vector<std::string>{"V0102", "V0207", "V0210", "V0201"});
}

TEST_CASE("CEL checker: types of values", "[rules][unit]") {
  struct Row {
    std::string text;
    std::string type;
  };
  const std::vector<Row> rows = {
      {"1", "int"},
      {"amount * 2.0", "double"},
      {"[1, 2]", "list(int)"},
      {"[1, 'a']", "list(dyn)"},
      {"[[], [1]]", "list(list(int))"},
      {"{'a': 1.0}", "map(string, double)"},
      {"tags.map(t, size(t))", "list(int)"},
      {"scores.filter(k, true)", "list(string)"},
      {"scores['a']", "int"},
      {"card.limit", "double"},
      {"any", "dyn"},
      {"any + 1", "int"},
      {"any + any", "dyn"},
      {"at - at", "duration"},
      {"at + wait", "timestamp"},
      {"flag ? 1 : any", "dyn"},
      {"type(1)", "type"},
      {"login.amount", "double"},
      {"rise[0].tags", "list(string)"},
      {"rise.map(r, r.amount)", "list(double)"},
      {"rise", "list(map(string, dyn))"},
      {"login", "map(string, dyn)"},
      {"geo.distance_km(1, 2.0, amount, count)", "double"},
      {"count == 1.5 || 2u < count || 1 in [1.0]", "bool"},
      {"amount == null", "bool"},
      {"event.?amount.orValue(1.0)", "double"},
      {"[?event.?count]", "list(int)"},
      {"tags.transformMap(i, t, size(t))", "map(int, int)"},
      {"tags.transformMapEntry(i, t, {t: i})", "map(string, int)"},
      {"tags.sortBy(t, size(t))", "list(string)"},
      {"math.greatest(count, 1)", "int"},
      {"math.greatest(count, amount)", "dyn"},
      {"math.least(1.0, amount, 2.0)", "double"},
      {"cel.bind(x, count, x + 1)", "int"},
      {"[1, 2].min()", "int"},
      {"[duration('1s'), null][0]", "duration"},
      // What only expressions know is dyn outside of them.
      {"event.?amount", "dyn"},
      {"[optional.of(1), optional.none()]", "list(dyn)"},
      {"ip('::1')", "dyn"},
  };
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text);
    const Compiled compiled = CompileValue(row.text, fixture.environment);
    REQUIRE(compiled.ok);
    CHECK(compiled.type.ToString() == row.type);
  }
}

TEST_CASE("CEL checker: undeclared fields follow the schema's rule", "[rules][unit]") {
  CelFixture inferred(cep::Schema::Undeclared::kDynWarning);
  const Compiled warned = CompileCondition("amout > 1.0", inferred.environment);
  CHECK(warned.ok);
  REQUIRE(warned.issues.size() == 1);
  CHECK_FALSE(warned.issues[0].is_error);
  CHECK(warned.issues[0].message == "field `amout` is not in the inferred schema");
  CHECK(warned.issues[0].hint == "did you mean `amount`?");
  CHECK(inferred.layout->Find("amout") == 0);

  CelFixture none(cep::Schema::Undeclared::kDyn);
  const Compiled silent = CompileCondition("type == 'x' && whatever.x[0] > 1", none.environment);
  CHECK(silent.ok);
  CHECK(silent.issues.empty());
}

TEST_CASE("CEL checker: defines are put in, and their issues name them", "[rules][unit]") {
  CelFixture fixture;
  fixture.defines = {{"is_payment", "type == \"payment\" && amount > floor"},
                     {"floor", "10.0"},
                     {"risky", "[\"XX\", \"YY\"]"},
                     {"bad", "amout > 1.0"},
                     {"one", "two || flag"},
                     {"two", "three"},
                     {"three", "flag && one"},
                     {"self", "self"}};
  CHECK(CompileCondition("is_payment && country in risky", fixture.environment).unary.text ==
        "type == \"payment\" && amount > 10.0 && country in [\"XX\", \"YY\"]");

  const Compiled bad = CompileCondition("flag && bad && bad", fixture.environment);
  REQUIRE(bad.issues.size() == 1);
  CHECK(bad.issues[0].define == "bad");
  CHECK(bad.issues[0].begin == 0);
  CHECK(bad.issues[0].end == 5);

  const Compiled cycle = CompileCondition("one", fixture.environment);
  REQUIRE(cycle.issues.size() == 1);
  CHECK(cycle.issues[0].define == "three");
  CHECK(cycle.issues[0].begin == 8);
  CHECK(cycle.issues[0].code == "V0211");
  CHECK(cycle.issues[0].message == "define `one` uses itself: one → two → three → one");
  CHECK(CompileCondition("self", fixture.environment).issues[0].message ==
        "define `self` uses itself: self → self");
}

TEST_CASE("CEL checker: defines that multiply end in an error", "[rules][unit]") {
  CelFixture fixture;
  fixture.defines["d0"] = "count";
  for (int i = 1; i <= 40; ++i) {
    const std::string before = "d" + std::to_string(i - 1);
    fixture.defines["d" + std::to_string(i)] = before + " + " + before;
  }
  const Compiled compiled = CompileCondition("d40 > 0", fixture.environment);
  REQUIRE_FALSE(compiled.issues.empty());
  CHECK(compiled.issues[0].code == "V0203");
}

TEST_CASE("CEL checker: a name means the nearest thing", "[rules][unit]") {
  CelFixture fixture;
  fixture.environment.stages.push_back({"country", 3, false, ""});
  // A stage hides the field, `event.` reaches it; a macro's variable hides both.
  const Compiled stage = CompileCondition("event.country != country.country", fixture.environment);
  REQUIRE(stage.ok);
  CHECK(stage.correlated->text() == "event.country != country.country");
  CHECK(CompileCondition("tags.all(country, country == 'x')", fixture.environment).ok);
  // A define put into a macro whose variable has the same name keeps its meaning.
  fixture.defines["big"] = "amount > 5.0";
  const Compiled hidden =
      CompileCondition("tags.all(amount, amount == 'x' && big)", fixture.environment);
  REQUIRE(hidden.ok);
  CHECK(hidden.unary.text == "tags.all(amount, amount == \"x\" && .amount > 5.0)");
}

}  // namespace vigil::rules::cel
