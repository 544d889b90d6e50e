// How a condition is split and normalised: unary atoms, opaque parts, the correlated rest.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/rules/cel_fixture.h"

namespace vigil::rules::cel {
namespace {

using cep::Condition;

// The tree in one line: atoms as {text}, opaque parts as <text>.
std::string Dump(const Condition& condition) {
  std::string inner;
  for (const Condition& child : condition.children) {
    inner += (inner.empty() ? "" : ", ") + Dump(child);
  }
  switch (condition.kind) {
    case Condition::Kind::kTrue:
      return "true";
    case Condition::Kind::kAtom:
      return "{" + condition.text + "}";
    case Condition::Kind::kOpaque:
      return "<" + condition.text + ">";
    case Condition::Kind::kAnd:
      return "and(" + inner + ")";
    case Condition::Kind::kOr:
      return "or(" + inner + ")";
    case Condition::Kind::kNot:
      return "not(" + inner + ")";
  }
  return "?";
}

}  // namespace

TEST_CASE("CEL condition: the unary part becomes atoms, the rest is correlated", "[rules][unit]") {
  struct Row {
    std::string text;
    std::string unary;
    std::string correlated;
  };
  const std::vector<Row> rows = {
      {"true", "true", ""},
      {"type == 'x'", "{type == \"x\"}", ""},
      {"'x' == type", "{type == \"x\"}", ""},
      {"900 < amount", "{amount > 900.0}", ""},
      {"amount > 900u", "{amount > 900.0}", ""},
      {"count >= 2.0", "{count >= 2}", ""},
      {"count >= 2.5", "{count >= 2.5}", ""},
      {"amount > 10.0 * 100.0", "{amount > 1000.0}", ""},
      {"flag", "{flag}", ""},
      {"flag == true", "{flag == true}", ""},
      {"(!(true && false) || flag) && true", "true", ""},
      {"(false && flag || false) || flag", "{flag}", ""},
      {"(true && flag) == null", "<(true && flag) == null>", ""},
      {"!flag", "{!flag}", ""},
      {"!!flag", "{flag}", ""},
      {"event.flag && event.type == 'x'", "and({flag}, {type == \"x\"})", ""},
      {"type in ['a', 'b']", "{type in [\"a\", \"b\"]}", ""},
      {"type in []", "<type in []>", ""},
      {"type.startsWith('x')", "{type.startsWith(\"x\")}", ""},
      {"any.startsWith('x' + 'y')", "{any.startsWith(\"xy\")}", ""},
      {"!type.startsWith('x')", "not({type.startsWith(\"x\")})", ""},
      {"type.startsWith(type)", "<type.startsWith(type)>", ""},
      {"'x'.startsWith(type)", "<\"x\".startsWith(type)>", ""},
      {"card.brand.startsWith('v')", "<card.brand.startsWith(\"v\")>", ""},
      {"type.startsWith(login.type)", "true", "type.startsWith(login.type)"},
      {"amount in [1, 2u]", "{amount in [1.0, 2.0]}", ""},
      {"amount == null", "{amount == null}", ""},
      {"amount < double('NaN')", "<amount < double(\"NaN\")>", ""},
      {"at > timestamp('2020-01-01T00:00:00Z')", "{at > timestamp(\"2020-01-01T00:00:00Z\")}", ""},
      {"wait < duration('5m')", "{wait < duration(\"300s\")}", ""},
      {"any == 'x' || any > 3", "or({any == \"x\"}, {any > 3})", ""},
      {"card.brand == 'v'", "<card.brand == \"v\">", ""},
      {"has(event.amount)", "<has(event.amount)>", ""},
      {"amount > amount * 2.0", "<amount > amount * 2.0>", ""},
      {"!(flag && amount > 1.0)", "or({!flag}, not({amount > 1.0}))", ""},
      {"!(type == 'x' || type != 'y')", "and({type != \"x\"}, {type == \"y\"})", ""},
      {"(flag && flag) && (type == 'x' && flag)", "and({flag}, {flag}, {type == \"x\"}, {flag})",
       ""},
      {"flag ? true : type == 'x'", "<flag ? true : type == \"x\">", ""},
      {"true ? flag : type == 'x'", "{flag}", ""},
      {"!(flag || true) == flag", "{flag == false}", ""},
      {"[1, 2].exists(x, x > (flag || true ? 1 : 0)) && flag", "{flag}", ""},
      {"true && flag && (false || flag)", "and({flag}, {flag})", ""},
      {"flag && 1 > 2", "<false>", ""},
      {"flag || 1 < 2", "true", ""},
      {"flag && (type == 'x' || (flag ? true : false))",
       "and({flag}, or({type == \"x\"}, <flag ? true : false>))", ""},
      {"amount > 1.0 && country != login.country && flag", "and({amount > 1.0}, {flag})",
       "country != login.country"},
      {"flag || login.flag", "true", "flag || login.flag"},
      {"size(rise) == 0 || amount > rise[size(rise)-1].amount", "true",
       "size(rise) == 0 || amount > rise[size(rise) - 1].amount"},
      {"rise.all(r, r.amount > 1.0) && login.flag", "true",
       "rise.all(r, r.amount > 1.0) && login.flag"},
  };
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text);
    const Compiled compiled = CompileCondition(row.text, fixture.environment);
    REQUIRE(compiled.ok);
    CHECK(Dump(compiled.unary) == row.unary);
    CHECK((compiled.correlated == nullptr ? "" : compiled.correlated->text()) == row.correlated);
  }
}

TEST_CASE("CEL condition: equal conditions have equal texts, which read back", "[rules][unit]") {
  struct Row {
    std::string a;
    std::string b;
    bool equal;
  };
  const std::vector<Row> rows = {
      {"amount>900&&type==\"x\"", "900.0 < amount && 'x' == event.type", true},
      {"flag && (type == 'x' || flag)", "flag&&(type=='x'||flag)", true},
      {"!(type == 'x')", "type != 'x'", true},
      {"tags.exists(t, t == 'a')", "tags.exists(t,t==\"a\")", true},
      {"type == 'x' || flag && flag", "(type == 'x' || flag) && flag", false},
      {"count > 2", "count >= 2", false},
      {"flag || (flag ? flag : count > 1)", "(flag || flag) ? flag : count > 1", false},
      {"type == 'a\\nb'", "type == '''a\nb'''", true},
      {"flag && event.type.startsWith('a\\'')", "flag&&type . startsWith(\"a'\")", true},
  };
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.a << " and " << row.b);
    const Compiled a = CompileCondition(row.a, fixture.environment);
    const Compiled b = CompileCondition(row.b, fixture.environment);
    REQUIRE((a.ok && b.ok));
    CHECK((a.unary.text == b.unary.text) == row.equal);
    const Compiled again = CompileCondition(a.unary.text, fixture.environment);
    REQUIRE(again.ok);
    CHECK(again.unary.text == a.unary.text);
  }
}

TEST_CASE("CEL condition: a bool field fails on null, its comparison does not", "[rules][unit]") {
  CelFixture fixture;
  const cep::CompareOp kGt = cep::CompareOp::kGt;
  CHECK(CompileCondition("flag", fixture.environment).unary.atom.op == kGt);  // flag > false
  CHECK(CompileCondition("!flag", fixture.environment).unary.atom.op == cep::CompareOp::kLt);
  CHECK(CompileCondition("flag == true", fixture.environment).unary.atom.op == cep::CompareOp::kEq);
}

TEST_CASE("CEL condition: an atom has the field's slot and constants of its type",
          "[rules][unit]") {
  CelFixture fixture;
  const Compiled compiled = CompileCondition("count > 1 && 900 < amount", fixture.environment);
  REQUIRE(compiled.unary.children.size() == 2);
  const cep::Atom& atom = compiled.unary.children[1].atom;
  CHECK(atom.slot == fixture.SlotOf("amount"));
  CHECK(atom.op == cep::CompareOp::kGt);
  REQUIRE(atom.constants.size() == 1);
  CHECK(atom.constants[0].tag == cep::ValueTag::kDouble);
  CHECK(atom.constants[0].d == 900.0);
}

TEST_CASE("CEL condition: opaque parts read columns and captured events alike", "[rules][unit]") {
  CelFixture fixture;
  struct Row {
    std::string text;
    cep::Value amount;
    cep::Value type;
    std::string result;
  };
  const cep::Value absent;
  const std::vector<Row> rows = {
      {"amount > 5.0", cep::Value::Double(6), absent, "true"},
      {"5 > amount", cep::Value::Int(6), absent, "false"},
      {"amount > 5.0", absent, absent, "error: no such field `amount`"},
      {"amount > 5.0", cep::Value::Null(), absent, "error: no such overload"},
      {"amount == null", cep::Value::Null(), absent, "true"},
      {"amount == 5.0", cep::Value::Null(), absent, "false"},
      {"amount > 5.0", cep::Value::String("x"), absent, "error: value of another type"},
      {"amount + 1.0", cep::Value::Double(1), absent, "2.0"},
      {"amount + 1.0", cep::Value::Null(), absent, "error: no such overload"},
      {"type == 'x'", absent, cep::Value::String("x"), "true"},
      {"type < 'x'", absent, cep::Value::String("y"), "false"},
      {"has(event.type) && !has(event.amount)", absent, cep::Value::String("y"), "true"},
      {"event", cep::Value::Double(1), absent, "{\"amount\": 1.0}"},
      {"{'a': event.type}", absent, cep::Value::String("y"), "{\"a\": \"y\"}"},
  };
  const uint32_t amount = fixture.SlotOf("amount");
  const uint32_t type = fixture.SlotOf("type");
  for (const Row& row : rows) {
    INFO(row.text);
    const Compiled compiled = CompileValue(row.text, fixture.environment);
    REQUIRE(compiled.ok);
    cep::ColumnBlock block(fixture.layout);
    block.rows = 3;
    for (cep::Column& column : block.columns) column.Set(2, cep::Value());
    block.columns[amount].Set(2, row.amount);
    block.columns[type].Set(2, row.type);
    Arena arena;
    cep::EvalContext context;
    context.block = &block;
    context.row = 2;
    context.arena = &arena;
    CHECK(CelFixture::Show(compiled.value->Eval(context)) == row.result);

    context.block = nullptr;
    context.event = fixture.Event(
        {{"amount", block.columns[amount].Get(2)}, {"type", block.columns[type].Get(2)}});
    CHECK(CelFixture::Show(compiled.value->Eval(context)) == row.result);
  }
}

TEST_CASE("CEL condition: stages are read in place", "[rules][unit]") {
  CelFixture fixture;
  const cep::CapturedEvent* login =
      fixture.Event({{"country", cep::Value::String("DE")}, {"amount", cep::Value::Double(1)}});
  const cep::CapturedEvent* rises[] = {fixture.Event({{"amount", cep::Value::Double(2)}}),
                                       fixture.Event({{"amount", cep::Value::Double(5)}}),
                                       fixture.Event({{"country", cep::Value::String("FR")}})};
  const cep::StageEvents full[] = {{&login, 1}, {rises, 3}, {}};
  const cep::StageEvents empty[] = {{}, {}, {}};
  const cep::CapturedEvent* event = fixture.Event({{"country", cep::Value::String("DE")}});
  struct Row {
    std::string text;
    std::string full;
    std::string empty;
  };
  const std::vector<Row> rows = {
      {"login.country == country", "true", "error: the stage has accepted no event"},
      {"has(login.country)", "true", "error: the stage has accepted no event"},
      {"has(login.type)", "false", "error: the stage has accepted no event"},
      {"login.type", "error: no such field `type`", "error: the stage has accepted no event"},
      {"size(rise)", "3", "0"},
      {"rise.size() > 2", "true", "false"},
      {"rise[1].amount", "5.0", "error: list index out of range"},
      {"rise[2].amount", "error: no such field `amount`", "error: list index out of range"},
      {"has(rise[2].amount)", "false", "error: list index out of range"},
      {"rise.exists(r, r.amount > 4.0)", "true", "false"},
      {"rise.all(r, r.amount > 1.0)", "error: no such field `amount`", "true"},
      {"rise.filter(r, has(r.amount)).map(r, r.amount)", "[2.0, 5.0]", "[]"},
      {"size(rise.filter(r, has(r.amount)))", "2", "0"},
      {"rise.filter(r, has(r.country))", "[{\"country\": \"FR\"}]", "[]"},
      {"(true ? rise[0] : rise[1]).amount", "2.0", "error: list index out of range"},
      {"rise[0] == login", "false", "error: list index out of range"},
      {"login", "{\"amount\": 1.0, \"country\": \"DE\"}", "error: the stage has accepted no event"},
      {"rise.map(r, {'x': r})[2]", "{\"x\": {\"country\": \"FR\"}}",
       "error: list index out of range"},
      {"login.amount in rise.map(r, has(r.amount), r.amount)", "false",
       "error: the stage has accepted no event"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    std::string with_events = fixture.Eval(row.text, event, full);
    CHECK(
        (with_events == row.full ||
         with_events == "{\"country\": \"DE\", \"amount\": 1.0}"));  // slots in order of first use
    CHECK(fixture.Eval(row.text, event, empty) == row.empty);
  }
}

}  // namespace vigil::rules::cel
