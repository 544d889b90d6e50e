// Fuzz target: any bytes as a CEL condition; what compiles is evaluated over an empty and a filled
// event.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "cep/base/arena.h"
#include "cep/base/check.h"
#include "rules/cel/compile.h"
#include "rules/cel/evaluate.h"

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

void Evaluate(const cel::Compiled& compiled) {
  static const cep::Value kItems[] = {cep::Value::Int(1), cep::Value::Null()};
  static const cep::Value kValues[] = {cep::Value::String("text"), cep::Value::Int(-1),
                                       cep::Value::Double(1.5),    cep::Value::Bool(true),
                                       cep::Value::Null(),         cep::Value::List(kItems, 2)};
  cep::CapturedEvent filled;
  filled.values = kValues;
  filled.value_count = 6;
  const cep::CapturedEvent empty;
  const cep::CapturedEvent* accepted[] = {&filled, &empty};
  const cep::StageEvents stages[] = {{accepted, 1}, {accepted, 2}};
  Arena arena;
  for (const cep::CapturedEvent* event :
       {&empty, static_cast<const cep::CapturedEvent*>(&filled)}) {
    arena.Reset();
    cep::EvalContext context;
    context.event = event;
    context.stages = stages;
    context.arena = &arena;
    if (compiled.correlated != nullptr) compiled.correlated->Eval(context);
    if (compiled.value != nullptr) compiled.value->Eval(context);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::map<std::string, std::string> defines = {{"def", "i > 1 || def2"}, {"def2", "b"}};
  cep::Layout layout;
  for (const cep::Field& field : FuzzSchema().fields()) layout.Add(field.name, field.type);
  cel::Environment environment;
  environment.schema = &FuzzSchema();
  environment.layout = &layout;
  environment.stages = {{"one", 0, false, ""}, {"many", 1, true, ""}};
  environment.defines = &defines;

  const cel::Compiled condition = cel::CompileCondition(text, environment);
  for (const cel::Issue& issue : condition.issues) {
    if (issue.define.empty()) CEP_CHECK(issue.begin <= issue.end && issue.end <= size + 1);
  }
  if (condition.ok) {
    Evaluate(condition);
    // Canonical text is CEL again, and already canonical.
    const cel::Compiled again = cel::CompileCondition(condition.unary.text, environment);
    if (again.ok) CEP_CHECK(again.unary.text == condition.unary.text);
  }
  const cel::Compiled value = cel::CompileValue(text, environment);
  if (value.ok) Evaluate(value);

  Arena arena;
  cel::EvaluateRequest request;
  request.expression = text;
  request.check = false;
  cel::Evaluate(request, arena);
  return 0;
}
