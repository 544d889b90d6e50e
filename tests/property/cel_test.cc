// Compiled conditions give what a plain evaluator gives, for random typed expressions over random
// events; and over columns what they give one event at a time.
//
// An expression is made from a sequence of decisions, which RapidCheck draws and shrinks: what it
// reports is small. VIGIL_PROPERTY_ROUNDS multiplies the number of samples, VIGIL_PROPERTY_SEED is
// RapidCheck's seed.
#include <cstdlib>
#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include "cep/base/arena.h"
#include "cep/event/batch.h"
#include "cep/event/captured_event.h"
#include "patterns/predicates.h"
#include "rules/cel/compile.h"
#include "tests/support/cel_reference.h"
#include "tests/support/own_event.h"

namespace vigil::testing {
namespace {

using rules::cel::Compiled;

const cep::Schema& CaseSchema() {
  static const cep::Schema kSchema({{"flag", cep::TypeKind::kBool},
                                    {"count", cep::TypeKind::kInt},
                                    {"amount", cep::TypeKind::kDouble},
                                    {"country", cep::TypeKind::kString},
                                    {"type", cep::TypeKind::kString},
                                    {"any", cep::TypeKind::kDyn},
                                    {"tags", cep::Type::List(cep::TypeKind::kString)},
                                    {"nums", cep::Type::List(cep::TypeKind::kInt)}},
                                   cep::Schema::Undeclared::kError);
  return kSchema;
}

cep::Value ToValue(const CelValue& value, Arena& arena) {
  switch (value.kind) {
    case CelValue::Kind::kError:
      return cep::Value();
    case CelValue::Kind::kNull:
      return cep::Value::Null();
    case CelValue::Kind::kBool:
      return cep::Value::Bool(value.b);
    case CelValue::Kind::kInt:
      return cep::Value::Int(value.i);
    case CelValue::Kind::kDouble:
      return cep::Value::Double(value.d);
    case CelValue::Kind::kString:
      return cep::Value::String(arena.Copy(value.s));
    case CelValue::Kind::kList:
      break;
  }
  auto* items = arena.New<cep::Value>(value.items.size());
  for (size_t i = 0; i < value.items.size(); ++i) items[i] = ToValue(value.items[i], arena);
  return cep::Value::List(items, static_cast<uint32_t>(value.items.size()));
}

CelValue FromValue(const cep::Value& value) {
  switch (value.tag) {
    case cep::ValueTag::kNull:
      return CelValue::Null();
    case cep::ValueTag::kBool:
      return CelValue::Bool(value.b);
    case cep::ValueTag::kInt:
      return CelValue::Int(value.i);
    case cep::ValueTag::kDouble:
      return CelValue::Double(value.d);
    case cep::ValueTag::kString:
      return CelValue::String(std::string(value.text()));
    case cep::ValueTag::kList: {
      CelValue list = CelValue::List({});
      for (uint32_t i = 0; i < value.size; ++i) list.items.push_back(FromValue(value.list[i]));
      return list;
    }
    default:
      return CelValue::Error();
  }
}

// Captured events that live as long as this.
class Events {
 public:
  explicit Events(const cep::Layout& layout) : layout_(layout) {}

  const cep::CapturedEvent* Make(const CelEvent& fields) {
    const auto& slots = layout_.slots();
    std::vector<cep::Value> values(slots.size());
    for (size_t i = 0; i < slots.size(); ++i) {
      const auto at = fields.find(slots[i].name);
      if (at != fields.end()) values[i] = ToValue(at->second, arena_);
    }
    return events_.emplace_back(values).get();
  }

 private:
  const cep::Layout& layout_;
  Arena arena_;
  std::deque<testing::OwnEvent> events_;
};

struct Environment {
  Environment() {
    cel.schema = &CaseSchema();
    cel.layout = layout.get();
    cel.stages = {{"login", 0, false, ""}, {"rise", 1, true, ""}};
  }
  std::shared_ptr<cep::Layout> layout = std::make_shared<cep::Layout>();
  rules::cel::Environment cel;
};

// A block of `rows` rows, the events in turn; texts are in the arena.
cep::ColumnBlock BlockOf(const std::vector<CelEvent>& events, uint32_t rows,
                         const std::shared_ptr<cep::Layout>& layout, Arena& arena) {
  cep::ColumnBlock block(layout);
  block.rows = rows;
  for (uint32_t row = 0; row < rows; ++row) {
    const CelEvent& fields = events[row % events.size()];
    for (size_t slot = 0; slot < block.columns.size(); ++slot) {
      const auto at = fields.find(layout->slots()[slot].name);
      block.columns[slot].Set(row, at == fields.end() ? cep::Value() : ToValue(at->second, arena));
    }
  }
  return block;
}

CelScope RandomScope(Choices& choices) {
  CelScope scope;
  scope.event = RandomCelEvent(choices);
  scope.login = RandomCelEvent(choices);
  for (uint32_t i = choices.Next(3); i > 0; --i) scope.rise.push_back(RandomCelEvent(choices));
  return scope;
}

std::string Show(const CelEvent& event) {
  std::string out = "{";
  for (const auto& [name, value] : event) out += " " + name + ": " + value.ToString();
  return out + " }";
}

std::string Show(const CelScope& scope) {
  std::string out = "event " + Show(scope.event) + "\nlogin " + Show(scope.login);
  for (const CelEvent& event : scope.rise) out += "\nrise  " + Show(event);
  return out;
}

// What went wrong with one sample; empty if nothing.
using Property = std::function<std::string(Choices& expression, Choices& events)>;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void CheckProperty(int samples, const Property& property) {
  rc::detail::TestParams params;
  params.seed = FromEnvironment("VIGIL_PROPERTY_SEED", 20'090'213);
  params.maxSuccess = samples * static_cast<int>(FromEnvironment("VIGIL_PROPERTY_ROUNDS", 1));
  params.maxSize = 300;  // decisions of each kind
  const auto result = rc::detail::checkTestable(
      [&] {
        Choices expression(*rc::gen::arbitrary<std::vector<uint16_t>>());
        Choices events(*rc::gen::arbitrary<std::vector<uint16_t>>());
        const std::string wrong = property(expression, events);
        if (!wrong.empty()) RC_FAIL(wrong);
      },
      rc::detail::TestMetadata(), params);
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  INFO(message.str());
  CHECK(result.template is<rc::detail::SuccessResult>());
}

}  // namespace

TEST_CASE("CEL: programs equal a plain evaluator for random expressions", "[property]") {
  int evaluated = 0;
  int failed = 0;
  CheckProperty(10'000, [&](Choices& choices, Choices& event_choices) -> std::string {
    static constexpr CelKind kKinds[] = {CelKind::kBool,   CelKind::kInt,  CelKind::kDouble,
                                         CelKind::kString, CelKind::kInts, CelKind::kStrings};
    const CelScope scope = RandomScope(event_choices);
    const CelCase made(kKinds[choices.Next(6)], /*with_stages=*/true, choices);
    Environment environment;
    const Compiled compiled = rules::cel::CompileValue(made.text(), environment.cel);
    if (!compiled.ok) {
      // Nesting multiplies: what would go through too many items is refused.
      if (compiled.issues[0].code == "V0203") return "";
      return made.text() + "\n" + compiled.issues[0].message;
    }
    Events events(*environment.layout);
    const cep::CapturedEvent* login = events.Make(scope.login);
    std::vector<const cep::CapturedEvent*> rise;
    for (const CelEvent& event : scope.rise) rise.push_back(events.Make(event));
    const cep::StageEvents stages[] = {{&login, 1},
                                       {rise.data(), static_cast<uint32_t>(rise.size())}};
    Arena arena;
    cep::EvalContext context;
    context.event = events.Make(scope.event);
    context.stages = stages;
    context.arena = &arena;
    const CelValue expected = made.Evaluate(scope);
    const CelValue answer = FromValue(compiled.value->Eval(context));
    // The same event as a row of columns: other instructions, chains of tests among them.
    const cep::ColumnBlock block = BlockOf({scope.event}, 1, environment.layout, arena);
    context.event = nullptr;
    context.block = &block;
    const CelValue in_columns = FromValue(compiled.value->Eval(context));
    ++evaluated;
    failed += expected.is_error() ? 1 : 0;
    if (SameCelValue(expected, answer) && SameCelValue(expected, in_columns)) return "";
    return made.text() + "\n" + Show(scope) + "\nexpected " + expected.ToString() + ", is " +
           answer.ToString() + ", in columns " + in_columns.ToString();
  });
  WARN(evaluated << " evaluated, " << failed << " of them to an error");
  CHECK(evaluated > 5000);
  CHECK(failed < evaluated * 3 / 4);
}

TEST_CASE("CEL: conditions over columns equal a plain evaluator row by row", "[property]") {
  constexpr uint32_t kRows = 70;  // more than a word of bits
  int holds = 0;
  CheckProperty(4000, [&](Choices& choices, Choices& event_choices) -> std::string {
    std::vector<CelEvent> rows;
    for (uint32_t i = 0; i < 8; ++i) rows.push_back(RandomCelEvent(event_choices));
    const CelCase made(CelKind::kBool, /*with_stages=*/false, choices);
    Environment environment;
    const Compiled compiled = rules::cel::CompileCondition(made.text(), environment.cel);
    if (!compiled.ok) {
      if (compiled.issues[0].code == "V0203") return "";
      return made.text() + "\n" + compiled.issues[0].message;
    }
    if (compiled.correlated != nullptr) return made.text() + "\nreads no stage, yet is correlated";
    auto set = std::make_shared<patterns::PredicateSet>();
    const uint32_t id = set->Add(compiled.unary);
    Arena arena;
    const cep::ColumnBlock block = BlockOf(rows, kRows, environment.layout, arena);
    patterns::PredicateResults results(set);
    results.Evaluate(block);
    for (uint32_t row = 0; row < kRows; ++row) {
      CelScope scope;
      scope.event = rows[row % rows.size()];
      // A condition that is not a bool is an error.
      CelValue expected = made.Evaluate(scope);
      if (expected.kind != CelValue::Kind::kBool) expected = CelValue::Error();
      const patterns::TriBits& bits = results.of(id);
      const CelValue answer =
          bits.IsError(row) ? CelValue::Error() : CelValue::Bool(bits.yes.Test(row));
      holds += bits.yes.Test(row) ? 1 : 0;
      if (SameCelValue(expected, answer)) continue;
      return made.text() + "\n" + compiled.unary.text + "\n" + Show(scope) + "\nexpected " +
             expected.ToString() + ", is " + answer.ToString();
    }
    return "";
  });
  CHECK(holds > 1000);
}

}  // namespace vigil::testing
