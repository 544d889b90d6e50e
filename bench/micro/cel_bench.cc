// What conditions cost: a comparison over a column, and compiled programs for one event at a time.
//
// Times are CPU time of the thread. `per_item` is nanoseconds a row and predicate, or an
// evaluation. Compile with the release preset; take the least of several repetitions, as other work
// on the machine only adds.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "cep/base/arena.h"
#include "cep/base/check.h"
#include "cep/event/batch.h"
#include "cep/event/captured_event.h"
#include "patterns/predicates.h"
#include "rules/cel/compile.h"

namespace vigil::rules::cel {
namespace {

constexpr const char* kCountries[] = {"US", "GB", "DE", "FR", "ES", "IT", "XX", "YY"};
constexpr const char* kTypes[] = {"login", "transaction", "transaction", "transaction", "logout"};

const cep::Schema& BenchSchema() {
  static const cep::Schema kSchema({{"type", cep::TypeKind::kString},
                                    {"country", cep::TypeKind::kString},
                                    {"channel", cep::TypeKind::kString},
                                    {"amount", cep::TypeKind::kDouble},
                                    {"failed_attempts", cep::TypeKind::kInt},
                                    {"new_location", cep::TypeKind::kBool}},
                                   cep::Schema::Undeclared::kError);
  return kSchema;
}

// A layout with every field of the schema, and what compiles against it.
struct Setup {
  Setup() {
    for (const cep::Field& field : BenchSchema().fields()) layout->Add(field.name, field.type);
    environment.schema = &BenchSchema();
    environment.layout = layout.get();
    environment.stages = {{"login", 0, false, ""}};
  }

  // A full block of rows, from a fixed sequence.
  cep::ColumnBlock Block() const {
    cep::ColumnBlock block(layout);
    block.rows = cep::kBatchRows;
    uint64_t state = 42;
    for (uint32_t row = 0; row < block.rows; ++row) {
      state = state * 6364136223846793005 + 1442695040888963407;
      const auto random = static_cast<uint32_t>(state >> 33);
      const cep::Value values[] = {cep::Value::String(kTypes[random % 5]),
                                   cep::Value::String(kCountries[random / 7 % 8]),
                                   cep::Value::String(random % 3 == 0 ? "web" : "app"),
                                   cep::Value::Double(random % 20'000),
                                   cep::Value::Int(random / 11 % 8),
                                   cep::Value::Bool(random / 13 % 2 == 0)};
      for (size_t slot = 0; slot < block.columns.size(); ++slot) {
        block.columns[slot].Set(row, values[slot]);
      }
    }
    return block;
  }

  std::shared_ptr<cep::Layout> layout = std::make_shared<cep::Layout>();
  Environment environment;
};

void Report(benchmark::State& state, uint64_t items_per_round) {
  state.counters["per_item"] = benchmark::Counter(
      static_cast<double>(items_per_round) * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// One unary comparison over the rows of a block.
void OverColumn(benchmark::State& state, const char* text) {
  Setup setup;
  const Compiled compiled = CompileCondition(text, setup.environment);
  CEP_CHECK(compiled.ok && compiled.unary.kind == cep::Condition::Kind::kAtom);
  auto set = std::make_shared<patterns::PredicateSet>();
  const uint32_t id = set->Add(compiled.unary);
  patterns::PredicateResults results(set);
  const cep::ColumnBlock block = setup.Block();
  for (auto _ : state) {
    results.Evaluate(block);
    benchmark::DoNotOptimize(results.of(id));
  }
  Report(state, cep::kBatchRows);
}

// Expressions as programs, one event at a time: what runs for correlated and opaque conditions.
void AsProgram(benchmark::State& state, const std::vector<const char*>& texts) {
  Setup setup;
  std::vector<std::shared_ptr<const cep::Expression>> programs;
  for (const char* text : texts) {
    const Compiled compiled = CompileValue(text, setup.environment);
    CEP_CHECK(compiled.ok);
    programs.push_back(compiled.value);
  }
  const cep::ColumnBlock block = setup.Block();
  std::vector<cep::Value> values(setup.layout->slots().size());
  values[1] = cep::Value::String("DE");
  cep::EventShape shape;
  shape.value_count = static_cast<uint32_t>(values.size());
  cep::CapturedEvent login;
  login.shape = &shape;
  login.values = values.data();
  const cep::CapturedEvent* accepted = &login;
  const cep::StageEvents stages[] = {{&accepted, 1}};
  Arena arena;
  cep::EvalContext context;
  context.block = &block;
  context.stages = stages;
  context.arena = &arena;
  uint64_t held = 0;
  for (auto _ : state) {
    for (uint32_t row = 0; row < block.rows; ++row) {
      context.row = row;
      for (const auto& program : programs) {
        held += program->EvalBool(context) == cep::Tri::kTrue ? 1 : 0;
      }
    }
  }
  benchmark::DoNotOptimize(held);
  CEP_CHECK(held > 0 && arena.bytes_reserved() == 0);
  Report(state, cep::kBatchRows);
}

BENCHMARK_CAPTURE(OverColumn, double_threshold, "amount > 10000.0");
BENCHMARK_CAPTURE(OverColumn, double_with_int, "amount > 10000");
BENCHMARK_CAPTURE(OverColumn, int_threshold, "failed_attempts > 3");
BENCHMARK_CAPTURE(OverColumn, bool_field, "new_location");
BENCHMARK_CAPTURE(OverColumn, string_equality, "type == \"transaction\"");
BENCHMARK_CAPTURE(OverColumn, short_string_equality, "country == \"XX\"");

// The conditions of account-takeover, the example of the documents; both for each event.
BENCHMARK_CAPTURE(AsProgram, account_takeover,
                  std::vector<const char*>{
                      "type == \"login\" && (new_location || failed_attempts > 3)",
                      "type == \"transaction\" && channel in [\"web\", \"app\"] && "
                      "amount > 10000.0 && country != login.country"});
BENCHMARK_CAPTURE(AsProgram, correlated_part, std::vector<const char*>{"country != login.country"});
BENCHMARK_CAPTURE(AsProgram, arithmetic,
                  std::vector<const char*>{"amount * 2.0 + 1.0 > 10000.0 && "
                                           "failed_attempts % 3 == 1"});

}  // namespace
}  // namespace vigil::rules::cel
