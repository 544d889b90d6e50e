// Conditions of comparisons run as chains of tests: they give what the program gives.
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/cel/checker.h"
#include "rules/cel/fold.h"
#include "rules/cel/parser.h"
#include "rules/cel/test_chain.h"
#include "tests/rules/cel_fixture.h"

namespace vigil::rules::cel {
namespace {

// The chain of an expression, or null.
std::unique_ptr<const TestChain> ChainOf(CelFixture& fixture, const std::string& text) {
  Ast ast;
  TypePool types;
  IssueList issues;
  CheckOptions options;
  Expr* root = Parse(text, options.parse, ast, issues);
  Checker(fixture.environment, options, ast, types, issues).Run(root);
  REQUIRE_FALSE(issues.has_errors());
  Fold(root, ast);
  return TestChain::Make(*root, fixture.layout.get());
}

}  // namespace

TEST_CASE("CEL chain: which conditions are made of tests only", "[rules][unit]") {
  struct Row {
    std::string text;
    bool is_chain;
  };
  const std::vector<Row> rows = {
      {"type == 'login' && (flag || count > 3)", true},
      {"!(amount <= 10.0) && country != login.country", true},
      {"10 < count || country in ['a', 'b'] || count in [1, 2]", true},
      {"login.amount > amount && login.count == count", true},
      {"amount < login.amount && count == login.count", true},
      {"amount > 10", false},  // the constant would have to be converted
      {"any == 1", false},     // a field of any type
      {"count > rise[0].count", false},
      {"size(type) > 3 && flag", false},
      {"has(event.type) && flag", false},
      {"event.?flag.orValue(true)", false},
      {"at > timestamp('2020-01-01T00:00:00Z')", false},
  };
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text);
    CHECK((ChainOf(fixture, row.text) != nullptr) == row.is_chain);
  }
}

TEST_CASE("CEL chain: rows that lack a value are left to the program", "[rules][unit]") {
  CelFixture fixture;
  const std::string text = "flag && (type == 'x' || amount > 5.0) && country != login.country";
  const std::unique_ptr<const TestChain> chain = ChainOf(fixture, text);
  REQUIRE(chain != nullptr);
  const Compiled compiled = CompileValue(text, fixture.environment);
  const cep::Value absent;
  const cep::Value yes = cep::Value::Bool(true);
  const cep::Value x = cep::Value::String("x");
  const cep::Value y = cep::Value::String("y");
  const cep::Value de = cep::Value::String("DE");
  const cep::Value fr = cep::Value::String("FR");
  struct Row {
    cep::Value flag;
    cep::Value type;
    cep::Value amount;
    cep::Value country;
    std::string chain;  // what the chain says: `-` where it declines
    std::string result;
  };
  const std::vector<Row> rows = {
      {yes, x, absent, fr, "true", "true"},
      {yes, x, absent, de, "false", "false"},
      {yes, y, cep::Value::Double(6), fr, "true", "true"},
      {yes, y, cep::Value::Double(4), absent, "false", "false"},
      {yes, y, absent, fr, "-", "error: no such field `amount`"},
      {cep::Value::Bool(false), absent, absent, absent, "false", "false"},
      {absent, absent, absent, de, "-", "false"},
      {cep::Value::Null(), x, absent, fr, "-", "error: no such overload"},
      {yes, cep::Value::Null(), cep::Value::Double(6), fr, "-", "true"},
      {yes, cep::Value::Int(1), cep::Value::Double(6), fr, "-", "true"},
  };
  const cep::CapturedEvent* login = fixture.Event({{"country", de}});
  const cep::StageEvents stages[] = {{&login, 1}, {}, {}};
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    INFO("row " << i);
    cep::ColumnBlock block(fixture.layout);
    block.rows = 1;
    for (cep::Column& column : block.columns) column.Set(0, absent);
    block.columns[fixture.SlotOf("flag")].Set(0, row.flag);
    block.columns[fixture.SlotOf("type")].Set(0, row.type);
    block.columns[fixture.SlotOf("amount")].Set(0, row.amount);
    block.columns[fixture.SlotOf("country")].Set(0, row.country);
    Arena arena;
    cep::EvalContext context;
    context.block = &block;
    context.stages = stages;
    context.arena = &arena;
    const cep::Tri outcome = chain->Run(context);
    const std::string said = outcome == cep::Tri::kError  ? "-"
                             : outcome == cep::Tri::kTrue ? "true"
                                                          : "false";
    CHECK(said == row.chain);
    CHECK(CelFixture::Show(compiled.value->Eval(context)) == row.result);
  }
}

TEST_CASE("CEL chain: texts of every length are compared to the last byte", "[rules][unit]") {
  for (const size_t length : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 40}) {
    const std::string text(length, 'a');
    CelFixture fixture;
    const std::unique_ptr<const TestChain> chain = ChainOf(fixture, "type == '" + text + "'");
    REQUIRE(chain != nullptr);
    for (size_t changed = 0; changed <= length; ++changed) {
      std::string other = text;
      if (changed < length) other[changed] = 'b';
      cep::ColumnBlock block(fixture.layout);
      block.rows = 1;
      block.columns[0].Set(0, cep::Value::String(other));
      cep::EvalContext context;
      context.block = &block;
      CHECK(chain->Run(context) == (other == text ? cep::Tri::kTrue : cep::Tri::kFalse));
    }
  }
}

}  // namespace vigil::rules::cel
