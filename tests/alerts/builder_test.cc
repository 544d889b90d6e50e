// AlertBuilder: alerts as JSON lines, templates and fields, errors of rules.

#include "alerts/builder.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/alerts/fakes.h"

namespace vigil::alerts {
namespace {

using cep::Record;
using cep::RecordKind;
using cep::Value;

// The one record that comes of `match`.
Record Build(AlertBuilder* builder, FakeMatch* match) {
  builder->OnMatch(match->get());
  std::vector<Record> records = builder->Take();
  REQUIRE(records.size() == 1);
  return records[0];
}

// Its line, with the id, which identity_test.cc checks, as `ID`.
std::string Line(const Record& record, const std::string& output) {
  std::string line = record.head + output + record.tail;
  const std::string id = ToHex(record.id);
  REQUIRE(line.compare(7, id.size(), id) == 0);
  return line.replace(7, id.size(), "ID");
}

std::string Line(RuleInfo rule, FakeMatch match) {
  AlertBuilder builder(ContextOf({std::move(rule)}));
  return Line(Build(&builder, &match), "alerts");
}

cep::RuleError Failure(std::string_view expression, uint64_t offset = 7) {
  cep::RuleError error;
  error.instant = 1000;
  error.partition = &TestPartition();
  error.offset = offset;
  error.expression = expression;
  error.reason = "no such field \"x\"";
  error.raw = "{\"a\":\n1}";
  return error;
}

}  // namespace

TEST_CASE("AlertBuilder: the least alert", "[alerts][unit]") {
  FakeMatch match;
  match.Add(0, 3, R"({"type":"login"})").Add(1, 5, R"({"type":"payment","amount":2.50})");
  CHECK(Line(TakeoverRule(), match) ==
        R"({"id":"ID","rule":"takeover","rule_set":"v1","severity":"medium","output":"alerts",)"
        R"("kind":"match","at":1700000000000,"time":"2023-11-14T22:13:20.000Z",)"
        R"("key":{"account":"A1"},)"
        R"("events":{"login":[{"type":"login"}],"payment":[{"type":"payment","amount":2.50}]},)"
        R"("positions":{"login":["in.jsonl/3"],"payment":["in.jsonl/5"]}})");
}

TEST_CASE("AlertBuilder: everything a rule can say", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.has_severity = true;
  rule.severity = Severity::kCritical;
  rule.tags = {"ato", "a\"b"};
  rule.on_match.fields = {{"amount", Returns(Value::Double(12.5))}, {"gone", Fails()}};
  rule.on_match.summary = {{"moved ", nullptr},
                           {"", Returns(Value::Double(12.5))},
                           {" as \"", nullptr},
                           {"", Returns(Value::String("web\t"))},
                           {"\"", nullptr}};
  FakeMatch match;
  match.Add(1, 4, R"({"n":2})").Add(1, 5, R"({"n":3})");
  CHECK(Line(rule, match) ==
        R"({"id":"ID","rule":"takeover","rule_set":"v1","severity":"critical","output":"alerts",)"
        R"("kind":"match","at":1700000000000,"time":"2023-11-14T22:13:20.000Z",)"
        R"("key":{"account":"A1"},"events":{"payment":[{"n":2},{"n":3}]},)"
        R"("positions":{"payment":["in.jsonl/4","in.jsonl/5"]},)"
        R"("fields":{"amount":12.5,"gone":null},"summary":"moved 12.5 as \"web\t\"",)"
        R"("tags":["ato","a\"b"]})");
}

TEST_CASE("AlertBuilder: a timeout has texts and time of its own", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.on_match.summary = {{"matched", nullptr}};
  rule.on_timeout.summary = {{"gave up", nullptr}};
  FakeMatch match;
  match.Add(0, 3).TimedOutAt(1700000060000);
  AlertBuilder builder(ContextOf({rule}));
  const Record record = Build(&builder, &match);
  CHECK(record.is_timeout);
  CHECK(record.instant == 1700000000000);
  CHECK(Line(record, "abandoned") ==
        R"({"id":"ID","rule":"takeover","rule_set":"v1","severity":"medium","output":"abandoned",)"
        R"("kind":"timeout","at":1700000060000,"time":"2023-11-14T22:14:20.000Z",)"
        R"("key":{"account":"A1"},"events":{"login":[{}]},"positions":{"login":["in.jsonl/3"]},)"
        R"("summary":"gave up"})");
}

TEST_CASE("AlertBuilder: evidence says how much of the events is shown", "[alerts][unit]") {
  auto layout = std::make_shared<cep::Layout>();
  layout->Add("amount", cep::TypeKind::kDouble);
  layout->Add("note", cep::TypeKind::kString);
  layout->Add("ok", cep::TypeKind::kBool);
  const std::vector<Value> values = {Value::Double(2.5), Value(), Value::Bool(true)};
  RuleInfo rule = TakeoverRule();
  const auto events_of = [&](Evidence evidence) {
    rule.on_match.evidence = evidence;
    auto context = ContextOf({rule});
    context->layout = layout;
    FakeMatch match;
    match.Add(0, 3, R"({"amount":2.50,"ok":true,"more":[1]})", TestPartition(), values);
    AlertBuilder builder(context);
    const std::string tail = Build(&builder, &match).tail;
    const size_t begin = tail.find("\"account\":\"A1\"},") + 16;
    return tail.substr(begin);
  };
  const std::string positions = R"("positions":{"login":["in.jsonl/3"]}})";
  CHECK(events_of(Evidence::kFull) ==
        R"("events":{"login":[{"amount":2.50,"ok":true,"more":[1]}]},)" + positions);
  CHECK(events_of(Evidence::kUsed) ==
        R"("events":{"login":[{"amount":2.5,"ok":true}]},)" + positions);
  CHECK(events_of(Evidence::kRefs) == positions);
}

TEST_CASE("AlertBuilder: keys are named and typed", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.key_names = {"account", "bank"};
  std::string key = TextKey("A\"1") + '\x02' + std::string("\x80\0\0\0\0\0\0\x2a", 8);
  FakeMatch match(key);
  match.Add(0, 1);
  AlertBuilder builder(ContextOf({rule}));
  const Record record = Build(&builder, &match);
  CHECK(record.key == key);
  CHECK(record.tail.find(R"("key":{"account":"A\"1","bank":42})") != std::string::npos);
}

TEST_CASE("AlertBuilder: expressions see the last event and all stages", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.on_match.fields = {{"last", Calls([](const cep::EvalContext& c) {
                             return Value::Int(static_cast<int64_t>(c.event->offset));
                           })},
                          {"counts", Calls([](const cep::EvalContext& c) {
                             auto* items = c.arena->New<Value>(2);
                             for (int s = 0; s < 2; ++s) items[s] = Value::Int(c.stages[s].count);
                             return Value::List(items, 2);
                           })},
                          {"oldest", Calls([](const cep::EvalContext& c) {
                             return Value::Int(static_cast<int64_t>(c.stages[1].events[0]->offset));
                           })}};
  FakeMatch match;
  match.Add(0, 1).Add(1, 2).Add(1, 3);
  CHECK(Line(rule, match).find(R"("fields":{"last":3,"counts":[1,2],"oldest":2}})") !=
        std::string::npos);
}

TEST_CASE("AlertBuilder: failed expressions are blank and counted by rule", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.on_match.fields = {{"a", Fails()}, {"b", Returns(Value())}, {"c", Returns(Value::Null())}};
  rule.on_match.summary = {{"<", nullptr}, {"", Fails()}, {">", nullptr}};
  AlertBuilder builder(ContextOf({TakeoverRule(), rule}));
  FakeMatch match;
  match.Add(0, 1);
  cep::Match second = match.get();
  second.rule = 1;
  builder.OnMatch(second);
  CHECK(builder.Take()[0].tail.find(R"("fields":{"a":null,"b":null,"c":null},"summary":"<>"})") !=
        std::string::npos);
  CHECK(builder.evaluation_errors() == std::vector<uint64_t>{0, 3});
}

TEST_CASE("AlertBuilder: one alert has one id and one order, rendered once", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.on_match.outputs = {"alerts", "audit"};
  AlertBuilder builder(ContextOf({rule}));
  FakeMatch match;
  match.Add(0, 1);
  const Record first = Build(&builder, &match);
  const Record again = Build(&builder, &match);
  CHECK(first.kind == RecordKind::kAlert);
  CHECK(first.has_rule);
  CHECK(first.id == again.id);
  CHECK(first.tail == again.tail);
  CHECK(builder.Take().empty());
}

TEST_CASE("AlertBuilder: an error of a rule as a line", "[alerts][unit]") {
  AlertBuilder builder(ContextOf({TakeoverRule()}));
  builder.OnRuleError(Failure("x > \"1\""));
  const std::vector<Record> records = builder.Take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].kind == RecordKind::kError);
  CHECK(records[0].has_rule);
  CHECK(records[0].instant == 1000);
  CHECK(records[0].head + "errors" + records[0].tail ==
        R"({"output":"errors","kind":"error","rule":"takeover","place":"in.jsonl/7",)"
        R"("expression":"x > \"1\"","reason":"no such field \"x\"","event":"{\"a\":\n1}"})");
}

TEST_CASE("AlertBuilder: errors carry at most 4 KiB of the event", "[alerts][unit]") {
  AlertBuilder builder(ContextOf({TakeoverRule()}));
  cep::RuleError error = Failure("x");
  const std::string raw = std::string(4095, 'a') + "€" + std::string(9000, 'b');
  error.raw = raw;
  builder.OnRuleError(error);
  CHECK(builder.Take()[0].tail.find("\"event\":\"" + std::string(4095, 'a') + "\"}") !=
        std::string::npos);
}

TEST_CASE("AlertBuilder: failures are sampled by rule and expression", "[alerts][unit]") {
  RuleInfo quarantines = TakeoverRule();
  quarantines.quarantines_errors = true;
  AlertBuilder builder(ContextOf({TakeoverRule(), quarantines}));
  const auto report = [&builder](uint32_t rule, std::string_view expression) {
    uint32_t taken = 0;
    for (uint64_t i = 0; i < 2 * kErrorSamples; ++i) {
      if (!builder.WantsRuleError(rule, expression)) continue;
      cep::RuleError error = Failure(expression, i);
      error.rule = rule;
      builder.OnRuleError(error);
      ++taken;
    }
    return taken;
  };
  CHECK(report(0, "a") == kErrorSamples);
  CHECK(report(0, "b") == kErrorSamples);
  CHECK(report(0, "") == 2 * kErrorSamples);   // invalid events
  CHECK(report(1, "a") == 2 * kErrorSamples);  // on_error: quarantine
  const std::vector<Record> records = builder.Take();
  CHECK(records.front().sample_group == "takeover\na");
  CHECK(records.back().sample_group.empty());
}

}  // namespace vigil::alerts
