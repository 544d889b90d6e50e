// Fuzz target: any bytes as a CEL condition; what compiles is evaluated over an empty and a filled
// event, each also as a row of columns: the result is the same.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/check.h"
#include "rules/cel/compile.h"
#include "rules/cel/evaluate.h"
#include "rules/cel/format.h"
#include "tests/support/own_event.h"

namespace {

using vigil::Arena;
namespace cep = vigil::cep;
namespace cel = vigil::rules::cel;

const cep::Schema& FuzzSchema() {
  static const cep::Schema kSchema({{"s", cep::TypeKind::kString},
                                    {"i", cep::TypeKind::kInt},
                                    {"d", cep::TypeKind::kDouble},
                                    {"b", cep::TypeKind::kBool},
                                    {"t", cep::TypeKind::kTimestamp},
                                    {"l", cep::Type::List(cep::TypeKind::kInt)},
                                    {"o", cep::Type::Object({{"x", cep::TypeKind::kDyn}})}},
                                   cep::Schema::Undeclared::kDyn);
  return kSchema;
}

std::string Show(const cep::Value& value) {
  return value.is_error() ? "error" : cel::FormatLiteral(value);
}

// The event's values as the only row of a block.
cep::ColumnBlock RowOf(const cep::CapturedEvent& event,
                       const std::shared_ptr<const cep::Layout>& layout) {
  cep::ColumnBlock block(layout);
  block.rows = 1;
  for (uint32_t slot = 0; slot < block.columns.size(); ++slot) {
    block.columns[slot].Set(0, event.Get(slot));
  }
  return block;
}

void EvaluateBothWays(const cep::Expression& expression, cep::EvalContext context,
                      const cep::ColumnBlock& row) {
  const std::string answer = Show(expression.Eval(context));
  context.event = nullptr;
  context.block = &row;
  CEP_CHECK(Show(expression.Eval(context)) == answer);
}

void Evaluate(const cel::Compiled& compiled, const std::shared_ptr<const cep::Layout>& layout) {
  static const cep::Value kItems[] = {cep::Value::Int(1), cep::Value::Null()};
  const std::vector<cep::Value> values = {cep::Value::String("text"), cep::Value::Int(-1),
                                          cep::Value::Double(1.5),    cep::Value::Bool(true),
                                          cep::Value::Null(),         cep::Value::List(kItems, 2)};
  const vigil::testing::OwnEvent filled(values);
  const cep::CapturedEvent empty;
  const cep::CapturedEvent* accepted[] = {filled.get(), &empty};
  const cep::StageEvents stages[] = {{accepted, 1}, {accepted, 2}};
  Arena arena;
  for (const cep::CapturedEvent* event : {&empty, filled.get()}) {
    arena.Reset();
    cep::EvalContext context;
    context.event = event;
    context.stages = stages;
    context.arena = &arena;
    const cep::ColumnBlock row = RowOf(*event, layout);
    if (compiled.correlated != nullptr) EvaluateBothWays(*compiled.correlated, context, row);
    if (compiled.value != nullptr) EvaluateBothWays(*compiled.value, context, row);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::map<std::string, std::string> defines = {{"def", "i > 1 || def2"}, {"def2", "b"}};
  const auto layout = std::make_shared<cep::Layout>();
  for (const cep::Field& field : FuzzSchema().fields()) layout->Add(field.name, field.type);
  cel::Environment environment;
  environment.schema = &FuzzSchema();
  environment.layout = layout.get();
  environment.stages = {{"one", 0, false, ""}, {"many", 1, true, ""}};
  environment.defines = &defines;

  const cel::Compiled condition = cel::CompileCondition(text, environment);
  for (const cel::Issue& issue : condition.issues) {
    if (issue.define.empty()) CEP_CHECK(issue.begin <= issue.end && issue.end <= size + 1);
  }
  if (condition.ok) {
    Evaluate(condition, layout);
    // Canonical text is CEL again, and already canonical.
    const cel::Compiled again = cel::CompileCondition(condition.unary.text, environment);
    if (again.ok) CEP_CHECK(again.unary.text == condition.unary.text);
  }
  const cel::Compiled value = cel::CompileValue(text, environment);
  if (value.ok) Evaluate(value, layout);

  Arena arena;
  cel::EvaluateRequest request;
  request.expression = text;
  request.check = false;
  cel::Evaluate(request, arena);
  return 0;
}
