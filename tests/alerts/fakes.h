// Hand-made matches, expressions and contexts for the tests of this room.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/context.h"
#include "cep/event/expression.h"
#include "cep/event/key.h"
#include "cep/event/match.h"
#include "tests/support/own_event.h"

namespace vigil::alerts {

// An expression that does what the test says.
class FakeExpression : public cep::Expression {
 public:
  using Function = std::function<cep::Value(const cep::EvalContext&)>;
  explicit FakeExpression(Function function) : function_(std::move(function)) {}
  cep::Value Eval(const cep::EvalContext& context) const override { return function_(context); }
  const std::string& text() const override { return text_; }

 private:
  Function function_;
  std::string text_ = "fake";
};

inline std::shared_ptr<const cep::Expression> Returns(cep::Value value) {
  return std::make_shared<FakeExpression>([value](const cep::EvalContext&) { return value; });
}

inline std::shared_ptr<const cep::Expression> Calls(FakeExpression::Function function) {
  return std::make_shared<FakeExpression>(std::move(function));
}

inline std::shared_ptr<const cep::Expression> Fails() {
  return Returns(cep::Value::Error("no such field"));
}

inline const cep::Partition& TestPartition() {
  static const cep::Partition kPartition{"", "", 0, "in.jsonl"};
  return kPartition;
}

// Typed key bytes of one text.
inline std::string TextKey(std::string_view text) {
  std::string key(1, '\x04');
  for (int shift = 24; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(text.size() >> shift));
  }
  return key.append(text);
}

// A match that owns its events.
class FakeMatch {
 public:
  explicit FakeMatch(std::string key = TextKey("A1")) : key_(std::move(key)) {
    match_.instant = match_.at = 1700000000000;
  }

  FakeMatch& Add(uint32_t stage, uint64_t offset, std::string_view json = "{}",
                 const cep::Partition& partition = TestPartition(),
                 const std::vector<cep::Value>& values = {}) {
    cep::CapturedEvent* event = captured_.emplace_back(values, json, &partition).get();
    event->ts = 1700000000000;
    event->offset = offset;
    events_.push_back({stage, event});
    return *this;
  }
  FakeMatch& TimedOutAt(int64_t at) {
    match_.kind = cep::MatchKind::kTimeout;
    match_.at = at;
    return *this;
  }

  const cep::Match& get() {
    match_.key = key_;
    match_.events = events_.data();
    match_.event_count = static_cast<uint32_t>(events_.size());
    return match_;
  }

 private:
  std::string key_;
  std::deque<testing::OwnEvent> captured_;
  std::vector<cep::MatchEvent> events_;
  cep::Match match_;
};

// A rule `takeover` with key `account` and stages `login` and `payment`.
inline RuleInfo TakeoverRule() {
  RuleInfo rule;
  rule.id = "takeover";
  rule.key_names = {"account"};
  rule.stage_names = {"login", "payment"};
  rule.on_match.outputs = {"alerts"};
  rule.on_timeout.outputs = {"abandoned"};
  return rule;
}

inline std::shared_ptr<AlertContext> ContextOf(std::vector<RuleInfo> rules) {
  auto context = std::make_shared<AlertContext>();
  context->rules = std::move(rules);
  context->rule_set = "v1";
  return context;
}

}  // namespace vigil::alerts
