// What a shard runs while rules change: pattern operators of several generations, each made of the
// rules that came with one edit.
//
// A rule that an edit leaves alone stays with the operator that holds its partial matches, under
// the index that it has in the new rule set; what an edit replaces or takes away is retired there.
// A rule whose edit is compatible comes with the edit under its old incarnation: what it has is
// handed over, as units of state. So is what a version that drains has, to an operator that starts
// nothing. An operator whose rules are all retired goes. So an operator
// costs what its generation's rules cost, and there are at most as many as there are rules. Tests:
// tests/daemon/running_rules_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cep/runtime/operator.h"
#include "patterns/pattern_operator.h"
#include "patterns/rule_block.h"

namespace vigil::patterns {

inline constexpr uint32_t kRetired = UINT32_MAX;

// The rules that came with one edit.
struct Generation {
  uint64_t number = 0;  // never used again
  std::shared_ptr<const CompiledPatterns> patterns;
  // By the index that a rule had in the rule set with which it came: its index now, or kRetired.
  // Rules that did not come with this generation are kRetired as well.
  std::vector<uint32_t> index_now;
  // Its rules start nothing: they finish what they take over.
  bool is_draining = false;
};

// Immutable once made; all shards share it.
struct RunningPatterns {
  std::vector<Generation> generations;
  std::shared_ptr<const cep::Layout> layout;  // of the rows to come
};

// Thread safety: one thread per instance.
class RunningOperator : public cep::Operator {
 public:
  // Takes the operators of generations that go on from `before`, which is of no use afterwards;
  // null: there is nothing before it.
  RunningOperator(std::shared_ptr<const RunningPatterns> running, RunningOperator* before);

  void ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink* out) override;
  void AdvanceTime(int64_t watermark, cep::MatchSink* out) override;

  // As PatternOperator's; what is said once goes for the operators that follow this one, too.
  void KeepChanges();
  Status BeginSnapshot(cep::UnitWriter* out) override;
  StatusOr<bool> ContinueSnapshot(size_t units) override;
  Status Restore(const cep::RestoredUnit& unit) override;
  void ReadFrom(const cep::UnitReader* reader) override;
  void LeaveMemory(size_t bytes, size_t pending) override;
  void ResumeAt(int64_t watermark);

  // As PatternOperator's, by the rules' indices now.
  void AddCounters(std::vector<RuleCounters>* by_rule) const;
  double AddLoad(std::vector<RuleLoad>* by_rule) const;
  // Of draining rules: marks, by their indices now, those that have partial matches.
  void MarkOpen(std::vector<bool>* open) const;
  size_t live_keys() const;
  size_t cold_keys() const;
  size_t state_bytes() const;
  size_t live_events() const;

 private:
  // Retires the rules of an earlier operator, which `now` (null: nothing) is left of, that the edit
  // has changed. Those of `added` that are of the same incarnation take over what they have.
  void HandOver(const Generation& old, const Generation* now, PatternOperator* op,
                const std::vector<PatternOperator*>& added);

  std::shared_ptr<const RunningPatterns> running_;
  std::vector<std::unique_ptr<PatternOperator>> operators_;  // by generation
  bool keeps_changes_ = false;
  const cep::UnitReader* reader_ = nullptr;
  Status save_status_;             // of operators that have gone
  std::vector<StrayUnit> strays_;  // of operators that have gone, or that nobody took
  // Of the snapshot under way.
  std::vector<StrayUnit> removing_strays_;
  cep::UnitWriter* writer_ = nullptr;
  int64_t watermark_ = INT64_MIN;
};

}  // namespace vigil::patterns
