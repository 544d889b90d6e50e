// What the tests of rules/cel share: a schema, stages, defines and ways to evaluate.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/batch.h"
#include "cep/event/captured_event.h"
#include "rules/cel/compile.h"
#include "rules/cel/format.h"
#include "tests/support/own_event.h"

namespace vigil::rules::cel {

class CelFixture {
 public:
  explicit CelFixture(cep::Schema::Undeclared undeclared = cep::Schema::Undeclared::kError)
      : schema({{"type", cep::TypeKind::kString},
                {"account", cep::TypeKind::kString},
                {"country", cep::TypeKind::kString},
                {"amount", cep::TypeKind::kDouble},
                {"count", cep::TypeKind::kInt},
                {"flag", cep::TypeKind::kBool},
                {"at", cep::TypeKind::kTimestamp},
                {"wait", cep::TypeKind::kDuration},
                {"any", cep::TypeKind::kDyn},
                {"tags", cep::Type::List(cep::TypeKind::kString)},
                {"scores", cep::Type::Map(cep::TypeKind::kString, cep::TypeKind::kInt)},
                {"card", cep::Type::Object({{"brand", cep::TypeKind::kString},
                                            {"limit", cep::TypeKind::kDouble}})}},
               undeclared) {
    environment.schema = &schema;
    environment.layout = layout.get();
    environment.stages = {{"login", 0, false, ""},
                          {"rise", 1, true, ""},
                          {"later", 2, false, "stage `later` comes later in the pattern"}};
    environment.defines = &defines;
  }

  // The slot of a field, added when new.
  uint32_t SlotOf(std::string_view name) {
    const cep::Field* field = schema.Find(name);
    return layout->Add(name, field == nullptr ? cep::Type() : field->type);
  }

  // A captured event with these fields; lives as long as the fixture.
  const cep::CapturedEvent* Event(const std::vector<std::pair<std::string, cep::Value>>& fields) {
    std::vector<cep::Value> values;
    for (const auto& [name, value] : fields) {
      const uint32_t slot = SlotOf(name);
      if (values.size() <= slot) values.resize(slot + 1);
      values[slot] = value;
    }
    return events.emplace_back(values).get();
  }

  // The value of an expression over an event and stages; "error: ..." where it fails, "issue: ..."
  // where it does not compile.
  std::string Eval(std::string_view text, const cep::CapturedEvent* event = nullptr,
                   const cep::StageEvents* stages = nullptr) {
    const Compiled compiled = CompileValue(text, environment);
    if (!compiled.ok) return "issue: " + compiled.issues[0].message;
    Arena arena;
    cep::EvalContext context;
    context.event = event;
    context.stages = stages;
    context.arena = &arena;
    return Show(compiled.value->Eval(context));
  }

  static std::string Show(const cep::Value& value) {
    if (value.is_error()) return "error: " + std::string(value.text());
    return FormatLiteral(value);
  }

  cep::Schema schema;
  std::shared_ptr<cep::Layout> layout = std::make_shared<cep::Layout>();
  std::map<std::string, std::string> defines;
  Environment environment;
  std::deque<testing::OwnEvent> events;
};

}  // namespace vigil::rules::cel
