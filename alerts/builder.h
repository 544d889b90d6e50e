// Makes records of what a shard's patterns report: alerts rendered in full but for the name of
// their output, and errors of rules.
//
// `record.head + output name + record.tail` is a JSON line (without its end); with Format::kText
// `head` is the whole text and `tail` is empty. An alert is rendered once, however many outputs it
// goes to: the Router looks those up by `rule` and `is_timeout`. Error records go to the output
// `errors`:
//   {"output":"errors","kind":"error","rule","place":"PLACE/OFFSET","expression","reason","event":
//   raw text, at most 4 KiB, [position fields, see rejects.h]}
// Thread safety: one shard's thread owns a builder; builders share the context.
// Tests: tests/alerts/builder_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/alert_json.h"
#include "alerts/context.h"
#include "alerts/identity.h"
#include "alerts/match_stages.h"
#include "cep/base/arena.h"
#include "cep/event/record.h"
#include "cep/runtime/shard.h"

namespace vigil::alerts {

class AlertBuilder : public cep::RecordSink {
 public:
  explicit AlertBuilder(std::shared_ptr<const AlertContext> context);

  void OnMatch(const cep::Match& match) override;
  // False after kErrorSamples of a (rule, expression). Each shard knows its own; the Router makes
  // it kErrorSamples in all. Invalid events (no expression) and rules that quarantine are never
  // sampled.
  bool WantsRuleError(uint32_t rule, std::string_view expression) override;
  void OnRuleError(const cep::RuleError& error) override;
  std::vector<cep::Record> Take() override;

  // Expressions of `summary` and `fields` that failed, by rule.
  const std::vector<uint64_t>& evaluation_errors() const { return evaluation_errors_; }

 private:
  bool IsSampled(uint32_t rule, std::string_view expression) const;
  void Evaluate(const cep::Match& match, const std::vector<cep::StageEvents>& stages,
                const AlertSpec& spec);
  void FindEventIds(const std::vector<cep::StageEvents>& stages);

  std::shared_ptr<const AlertContext> context_;
  AlertJson json_;
  std::vector<cep::Record> records_;
  std::vector<uint64_t> evaluation_errors_;
  // By rule: how often a condition's failure has been reported.
  std::vector<std::map<std::string, uint32_t, std::less<>>> samples_;

  // Memory reused from match to match.
  MatchStages stages_;
  Arena arena_;  // what `fields_` and `event_ids_` may point into
  std::vector<EventId> event_ids_;
  std::vector<cep::Value> fields_;
  std::string summary_;
  std::string scratch_;
};

}  // namespace vigil::alerts
