#include "tests/support/reference_run.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "cep/base/check.h"
#include "cep/event/key.h"
#include "rules/cel/compile.h"
#include "tests/support/own_event.h"
#include "tests/support/reference_matcher.h"

namespace vigil::testing {
namespace {

const cep::Partition kPartition{"", "", 0, "case"};

// The events of a case as rows and as captured events; their numbers are rows of `batch`.
class CaseRows {
 public:
  CaseRows(const LoadedCase& loaded, const std::vector<CaseEvent>& events)
      : batch_(loaded.rules->layout) {
    for (uint32_t row = 0; row < events.size(); ++row) {
      AppendRow(events[row], row, kPartition, &batch_);
      std::vector<cep::Value> values;
      for (const cep::Column& column : batch_.columns) values.push_back(column.Get(row));
      captured_.emplace_back(values).get()->ts = events[row].ts;
    }
  }

  const cep::Batch& batch() const { return batch_; }
  const cep::CapturedEvent& captured(uint32_t row) const { return *captured_[row].get(); }

 private:
  cep::Batch batch_;
  std::deque<OwnEvent> captured_;
};

// A condition of a stage; its unary part is compiled anew from its text.
class WholeCondition {
 public:
  WholeCondition(const patterns::StageCondition& condition, const rules::RuleSet& rules)
      : correlated_(condition.correlated) {
    if (condition.unary.kind == cep::Condition::Kind::kTrue) return;
    cep::Layout layout = *rules.layout;
    rules::cel::Environment environment;
    environment.schema = rules.schema.get();
    environment.layout = &layout;
    rules::cel::Compiled compiled = rules::cel::CompileValue(condition.unary.text, environment);
    CEP_CHECK(compiled.ok && layout.slots().size() == rules.layout->slots().size());
    unary_ = compiled.value;
  }

  bool Holds(const cep::EvalContext& context) const {
    return IsTrue(unary_, context) && IsTrue(correlated_, context);
  }

 private:
  static bool IsTrue(const std::shared_ptr<const cep::Expression>& part,
                     const cep::EvalContext& context) {
    return part == nullptr || part->EvalBool(context) == cep::Tri::kTrue;
  }

  std::shared_ptr<const cep::Expression> unary_;  // null: true
  std::shared_ptr<const cep::Expression> correlated_;
};

// One rule over the rows of a case.
class RuleRun {
 public:
  RuleRun(const LoadedCase& loaded, const rules::CompiledRule& rule, const CaseRows& rows)
      : rule_(rule), rows_(rows) {
    for (const patterns::Stage* stage : patterns::FlattenStages(rule.pattern)) {
      if (!stage->is_group()) {
        stages_.push_back(stage);
        where_.try_emplace(stage, stage->where, *loaded.rules);
      }
      if (!stage->is_group() || stage->until != nullptr) asking_.push_back(stage);
      if (stage->until != nullptr) until_.try_emplace(stage, *stage->until, *loaded.rules);
    }
  }

  // Keys that some stage finds in some row, as typed bytes.
  std::set<std::string> Keys() const {
    std::set<std::string> keys;
    for (uint32_t row = 0; row < rows_.batch().rows; ++row) {
      for (const patterns::Stage* stage : asking_) {
        std::string key;
        if (cep::AppendKey(rows_.batch(), row, KeyOf(*stage), &key)) keys.insert(key);
      }
    }
    return keys;
  }

  void RunKey(const std::string& key, const std::vector<CaseEvent>& events, ReferenceResults* out) {
    SelectRows(key);
    ReferenceInput input;
    input.pattern = &rule_.pattern;
    input.newest_ts = events.back().ts;
    for (uint32_t row : selected_) input.times.push_back(events[row].ts);
    input.where = [&](const patterns::Stage& stage, uint32_t event, const History& history) {
      return HasKey(stage, selected_[event], key) && Ask(where_.at(&stage), event, history);
    };
    input.until = [&](const patterns::Stage& stage, uint32_t event, const History& history) {
      return HasKey(stage, selected_[event], key) && Ask(until_.at(&stage), event, history);
    };
    const ReferenceAnswer answer = RunReference(input);
    out->hangs_on_ties |= answer.hangs_on_ties;
    out->is_due_at_end |= answer.is_due_at_end;
    out->is_too_large |= answer.is_too_large;
    ResultParts parts;
    parts.rule = &rule_.info;
    parts.key = key;
    for (const History& match : answer.matches) out->results.insert(Text(parts, match, events));
    parts.is_timeout = true;
    for (const ReferenceTimeout& timeout : answer.timeouts) {
      parts.due = timeout.due;
      out->results.insert(Text(parts, timeout.history, events));
    }
  }

 private:
  const std::vector<uint32_t>& KeyOf(const patterns::Stage& stage) const {
    return stage.key_slots.empty() ? rule_.key_slots : stage.key_slots;
  }

  bool HasKey(const patterns::Stage& stage, uint32_t row, const std::string& key) const {
    std::string found;
    return cep::AppendKey(rows_.batch(), row, KeyOf(stage), &found) && found == key;
  }

  // The rows that belong to the key: those in which any stage finds it.
  void SelectRows(const std::string& key) {
    selected_.clear();
    for (uint32_t row = 0; row < rows_.batch().rows; ++row) {
      if (std::any_of(asking_.begin(), asking_.end(),
                      [&](const patterns::Stage* stage) { return HasKey(*stage, row, key); })) {
        selected_.push_back(row);
      }
    }
  }

  bool Ask(const WholeCondition& condition, uint32_t event, const History& history) const {
    std::vector<std::vector<const cep::CapturedEvent*>> accepted(stages_.size());
    for (const Accepted& earlier : history) {
      accepted[earlier.stage].push_back(&rows_.captured(selected_[earlier.event]));
    }
    std::vector<cep::StageEvents> stages;
    for (const auto& list : accepted) {
      stages.push_back({list.data(), static_cast<uint32_t>(list.size())});
    }
    Arena arena;
    cep::EvalContext context;
    context.event = &rows_.captured(selected_[event]);
    context.stages = stages.data();
    context.arena = &arena;
    return condition.Holds(context);
  }

  std::string Text(ResultParts parts, const History& history,
                   const std::vector<CaseEvent>& events) const {
    for (const Accepted& accepted : history) {
      parts.events.emplace_back(accepted.stage, events[selected_[accepted.event]].id);
    }
    return ResultText(parts);
  }

  const rules::CompiledRule& rule_;
  const CaseRows& rows_;
  std::vector<const patterns::Stage*> stages_;  // by Stage::index
  std::vector<const patterns::Stage*> asking_;  // with a condition: also groups with `until`
  std::map<const patterns::Stage*, WholeCondition> where_;
  std::map<const patterns::Stage*, WholeCondition> until_;  // of groups too
  std::vector<uint32_t> selected_;                          // rows of the current key
};

}  // namespace

ReferenceResults RunReferenceCase(const LoadedCase& loaded, const std::vector<CaseEvent>& events) {
  const CaseRows rows(loaded, events);
  ReferenceResults results;
  for (const rules::CompiledRule& rule : loaded.rules->rules) {
    RuleRun run(loaded, rule, rows);
    for (const std::string& key : run.Keys()) run.RunKey(key, events, &results);
  }
  return results;
}

}  // namespace vigil::testing
