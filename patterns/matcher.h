// Advances the partial matches of one key by one event, or by time: the heart of the engine.
//
// An explicit-run matcher for any pattern: each partial match is a Run; an event is offered to
// each. A run stands for several rules of a block at once, so each step splits it by masks.
// Semantics are Flink CEP 1.20's NFA.doProcess and advanceTime; runs are kept by start and
// creation, where Flink keeps a heap, which shows only in the order of matches that complete
// together. Thread safety: none; a shard has one Matcher per block. Tests:
// tests/property/matcher_test.cc, tests/cmd/corpus_test.cc (Flink's own answers).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/match.h"
#include "cep/runtime/ordered_block.h"
#include "patterns/key_table.h"
#include "patterns/match_store.h"
#include "patterns/rule_block.h"

namespace vigil::patterns {

// What limits and errors cost a rule; summed over shards for metrics.
struct RuleCounters {
  uint64_t evaluation_errors = 0;
  uint64_t invalid_events = 0;  // records that were not valid as a whole when the rule wanted them
  // Saturating where partial matches are grouped.
  uint64_t dropped_partials = 0;       // beyond partial_matches_per_key
  uint64_t dropped_long_partials = 0;  // beyond events_per_match
  uint64_t dropped_matches = 0;        // beyond matches_per_event

  void Add(const RuleCounters& from) {
    evaluation_errors += from.evaluation_errors;
    invalid_events += from.invalid_events;
    dropped_partials += from.dropped_partials;
    dropped_long_partials += from.dropped_long_partials;
    dropped_matches += from.dropped_matches;
  }
};

// The row being processed, and what is known of it; shared by all blocks of a key space.
struct RowContext {
  const cep::OrderedBlock* rows = nullptr;
  uint32_t row = 0;
  int64_t ts = 0;
  uint64_t seq = 0;
  uint32_t variants = 1;         // which of the key space's expressions gave this key, as bits
  uint32_t captured = kNoEvent;  // made when first wanted; holds a reference
  bool is_invalid = false;       // capturing failed: no rule accepts it
  std::string why_invalid;
};

class Matcher {
 public:
  // The matches that one event completes for a rule hold at most so many events together, whatever
  // `matches_per_event` allows: what goes out at one instant is held in memory.
  static constexpr uint32_t kMaxEvidence = 250000;

  Matcher(const RuleBlock& block, const PredicateSet& predicates, const PredicateResults& results,
          MatchStore* store);

  // Makes this matcher, of a family's first block, stand for all blocks of the family: what it does
  // is done for the rules of each. It is given no row of split_rows(). The members outlive it.
  void StandFor(std::vector<Matcher*> members) { members_ = std::move(members); }

  // Prepares for a block of rows whose predicates have been evaluated; a family's blocks first.
  void BeginRows(uint32_t rows);

  // Of a family: rows at which some condition may hold for some of its rules only, or fail.
  const cep::RowBits& split_rows() const { return split_rows_; }
  // Hands a family's partial matches of one key over: each of `states`, by member, gets its own.
  void Split(BlockState* from, std::vector<BlockState>* states);

  // Rows at which a match may start, or an error must be counted, valid after BeginRows().
  const cep::RowBits& start_rows() const { return start_rows_; }
  // Rows that can change anything; others need not be looked at. All rows where an unmatched event
  // changes runs.
  const cep::RowBits& touched_rows() const { return touched_rows_; }

  // Offers the row to the key's runs. `state->runs` may be empty. Time must have been advanced to
  // the row's.
  void ProcessRow(RowContext* context, std::string_view key, BlockState* state,
                  cep::MatchSink* out);

  // When the key is forgotten if it sees no other event: kNever without a `ttl`.
  int64_t ForgottenAt(const BlockState& state) const;
  bool has_ttl() const { return block_.ttl > 0; }
  // Whether nothing comes of a partial match that falls due but its end, in the order of their
  // starts, as long as no complete match is held back.
  bool ends_silently() const { return ends_silently_; }

  // Ends runs that fall due at or before `now`, one instant at which some fall due after the other;
  // at the end of time (kNever) all of them together.
  void AdvanceTime(int64_t now, std::string_view key, BlockState* state, cep::MatchSink* out);

  // No rule starts a partial match any more; what they have goes on. Before the first row.
  void StartNothing() { starts_ = false; }
  // The rules start no partial match any more; what they have is dropped by DropRetired().
  void Retire(uint64_t rules) { live_ &= ~rules; }
  // Returns false if there were none, and nothing has changed.
  bool DropRetired(BlockState* state);
  uint64_t live() const { return live_; }

  // Whether the last ProcessRow() changed the key's partial matches.
  bool has_changed() const { return has_changed_; }

  // State that comes back from storage (matcher_state.cc).
  // The state that a partial match may wait in, by its stage's place (StagePlaceOf()) and its role;
  // -1: there is none.
  int FindState(uint32_t stage, std::string_view role);
  // Makes whole what units have put into `state`, whose events have got their final numbers: sets
  // what follows from runs' paths, orders them, keeps them grouped if some are.
  void Settle(BlockState* state);
  // Lets go of the events of a state that is about to go.
  void LetGo(BlockState* state);
  // As AdvanceTime(), for what fell due before it came back: all of it now, together.
  void ExpireOverdue(int64_t now, std::string_view key, BlockState* state, cep::MatchSink* out);

  // When the run falls due: kNever without any `within`.
  int64_t DueOf(const Run& run) const;

  const std::vector<RuleCounters>& counters() const { return counters_; }
  // Rows that were offered to it, and partial matches that it looked at for them.
  uint64_t steps() const { return steps_; }
  const RuleBlock& block() const { return block_; }

 private:
  // A leaf's outcome for a set of rules.
  struct LeafMask {
    uint64_t yes = 0;
    uint64_t error = 0;
  };
  struct LeafCache {
    bool has_unary = false;
    LeafMask unary;        // for all rules of the block, of the current row
    uint64_t counted = 0;  // rules whose failed unary part has been counted for this row
    uint32_t run_epoch = 0;
    uint64_t yes = 0;  // for the rules of the current run
  };
  // A run that an event makes of another.
  struct Child {
    Run run;
    bool took = false;
    bool is_final = false;
    uint32_t take = 0;  // which take edge made it: children of one take share a node
    uint32_t stage = 0;
  };
  struct Taken {
    EdgeAction action;
    uint32_t target;
    uint32_t stage;
    uint64_t rules;
  };
  struct Visit {
    uint32_t state;
    uint64_t rules;
  };

  // Calls f(matcher, bit) for each rule; of a family, which has all rules or none, for all of it.
  template <typename F>
  void ForEachRule(uint64_t rules, F f) {
    if (members_.empty()) return ForEachBit(rules, [&](uint32_t bit) { f(*this, bit); });
    for (Matcher* member : members_) {
      ForEachBit(member->live_, [&](uint32_t bit) { f(*member, bit); });
    }
  }
  void BeginFamilyRows();

  LeafMask UnaryMask(const LeafPredicate& leaf, uint32_t row) const;
  LeafMask IndexedMask(const LeafPredicate& leaf, uint32_t row) const;
  LeafMask ThresholdMask(const LeafPredicate& leaf, uint32_t row) const;
  uint64_t LeafYes(uint32_t leaf, const Run& run);
  uint64_t Correlated(const LeafPredicate& leaf, const Run& run, LeafMask unary, uint64_t* errors);
  uint64_t Evaluate(uint32_t formula, uint64_t rules, const Run& run);
  void CountErrors(uint32_t leaf, uint64_t rules);
  void FillStages(const Run& run);

  // kCompare: of a state's runs, that of each depends on its operands.
  enum class Outcome : uint8_t { kStays, kDies, kStep, kCompare };
  struct Judgement;
  struct StateRows;
  static Outcome OutcomeFor(const Run& run, const StateRows& rows, const Judgement& judged);
  const Judgement& Judge(StateRows* rows) const;
  void FillOperands(Run* run);
  void FillStartOperands(Run* run);
  void Step(const Run& run, bool is_start);
  bool MayStart() const { return start_rows_.Test(context_->row) && live_ != 0; }
  uint64_t PlainStartRules();
  void FillStart(uint64_t rules, Run* run) const;
  void Start();
  void StartAlone(BlockState* state);
  void CollectEdges(const Run& run);
  uint64_t ReachesFinal(uint32_t state, uint64_t rules, const Run& run);
  [[gnu::always_inline]] void PrefetchFew(const Run* runs, uint32_t size, uint32_t stepped) const;
  void StepRuns(const Run* runs, uint32_t size);
  void AddStart(uint32_t size);
  bool FinishStep(const Run* runs, uint32_t size);
  bool CaptureIfTaken();
  bool CaptureFor(uint64_t rules);
  void Offer(std::string_view key, BlockState* state);
  void OfferAll(std::string_view key, BlockState* state);
  void EndRuns(int64_t now, BlockState* state);
  void Commit(BlockState* state);
  void Splice(RunList* runs);
  void UpdateDue(BlockState* state);
  void EnforceRunLimits(BlockState* state);
  // Counts what a limit drops for the rules, `count` each, and reports it as long as samples are
  // wanted, at the place of an event.
  enum class Limit : uint8_t { kPartialMatchesPerKey, kEventsPerMatch, kMatchesPerEvent };
  void CountDropped(Limit limit, uint64_t rules, uint64_t count, const cep::Partition* partition,
                    uint64_t offset, int64_t instant);
  void CountDroppedHere(Limit limit, uint64_t rules, uint64_t count);

  void Complete(std::string_view key, int64_t instant, BlockState* state);
  void EmitHeld(std::string_view key, int64_t instant, BlockState* state, std::vector<Run>* held);
  void RemoveUnused(BlockState* state, std::vector<Run>* held);
  void ForgetIfSilent(int64_t now, std::string_view key, BlockState* state);
  // Of keys with many partial matches (matcher_grouped.cc).
  void Group(BlockState* state);
  void ProcessGrouped(std::string_view key, BlockState* state);
  void CommitGrouped(GroupedRuns* grouped);
  class SpelledMatches;
  void CompleteGrouped(const GroupedRuns& grouped, std::string_view key);
  void AdvanceGrouped(int64_t now, BlockState* state);
  void UpdateGroupedDue(BlockState* state);
  int64_t FloorAt(int64_t now) const;

  int64_t EndOf(const Run& run) const;
  bool PruningBound(const Run& match, uint64_t* seq, bool* inclusive) const;
  void ForgetEmitted();
  void Emit(cep::MatchKind kind, const Run& run, uint64_t rules, int64_t instant, int64_t at,
            std::string_view key);
  void EmitPath(cep::MatchKind kind, uint64_t rules, int64_t instant, int64_t at,
                std::string_view key);
  // Ends runs that fall due at or before `now`; what comes of it is dated `not_before` at the
  // earliest.
  void ExpireAt(int64_t now, int64_t not_before, std::string_view key, BlockState* state);

  const RuleBlock& block_;
  uint64_t live_;  // rules that have not been retired
  bool starts_ = true;
  const PredicateSet& predicates_;
  const PredicateResults& results_;
  MatchStore* store_;
  bool has_due_ = false;
  bool skips_ = false;
  bool has_step_within_ = false;
  bool ends_silently_ = false;
  // A field of the row, or of an event on a run's path, as comparisons want it: in an order of
  // unsigned numbers.
  struct Operand {
    uint64_t bits = 0;
    bool is_known = false;
  };
  static Operand OperandOf(int64_t value);
  static Operand OperandOf(double value);
  static Operand OperandOf(std::string_view value);
  static Operand OperandOf(const cep::Value& value, cep::ColumnKind kind);
  static Operand OperandOf(const cep::Column& column, uint32_t row, cep::ColumnKind kind);
  // Where a comparison of a row with a run's operand is known to be false: outside of `width` from
  // `low` on, or inside. As it stands, nowhere.
  struct FalseRange {
    uint64_t low = 0;
    uint64_t width = UINT64_MAX;
    uint32_t is_inside = 0;

    // 0 or 1.
    uint32_t Has(uint64_t operand) const { return uint32_t{operand - low > width} ^ is_inside; }
  };
  // A comparison, and of what bits of the row's operand its FalseRange is made.
  struct Comparison : cep::StageComparison {
    Comparison() = default;
    explicit Comparison(const cep::StageComparison& what);
    FalseRange FalseFor(const Operand& row) const;

    uint64_t low_mask = 0;
    uint64_t width_flip = 0;
    uint64_t width_mask = 0;
    uint32_t is_inside = 0;
    // Operands with more in their highest byte tell nothing.
    int most_high = UINT8_MAX;
  };
  // What a row does to the runs in a state, as far as that is plain.
  struct Judgement {
    uint64_t seq = UINT64_MAX;  // the row's
    Outcome outcome = Outcome::kStep;
    // If it is kCompare, by comparison: the row's fields, and for which operands it is false.
    uint16_t known = 0;
    uint64_t operands[kRunOperands] = {};
    FalseRange is_false[kRunOperands];
  };
  // What is known of a state without a full step.
  struct StateRows {
    // What an event does to a run there if it satisfies none of the leaves that the state asks.
    Outcome unmatched = Outcome::kStep;
    std::vector<uint32_t> leaves;  // but for compared_leaf
    cep::RowBits possible;         // rows at which one of the leaves may hold
    // A leaf that no event satisfies if one of the comparisons fails, or -1.
    int compared_leaf = -1;
    cep::RowBits compared_possible;  // rows at which what it asks of the event alone may hold
    std::array<Comparison, kRunOperands> comparisons;
    uint32_t compared = 0;  // so many of them
    // ... of which all are of a field with the same one of the event that starts the match.
    bool compares_with_start = false;
    Judgement judged;  // of the last row

    std::span<const Comparison> All() const { return {comparisons.data(), compared}; }
  };
  void FindComparisons(StateRows* rows) const;
  void FindPlainStart();
  // How most matches start: an event that satisfies one leaf goes to one state, and nothing else
  // can become of it.
  struct PlainStart {
    uint32_t leaf = 0;
    uint32_t target = 0;
    uint32_t stage = 0;
  };
  bool has_plain_start_ = false;
  PlainStart plain_start_;
  void ClassifyStates();

  std::vector<StateRows> state_rows_;  // by state; empty for large programs
  cep::RowBits start_rows_;
  cep::RowBits touched_rows_;
  std::vector<Matcher*> members_;  // of a family
  // FindState()'s, filled at its first call.
  std::map<std::pair<uint32_t, std::string_view>, uint16_t> states_by_role_;
  cep::RowBits split_rows_;
  std::vector<RuleCounters> counters_;
  uint64_t steps_ = 0;

  // Scratch of one row.
  RowContext* context_ = nullptr;
  cep::MatchSink* out_ = nullptr;
  std::vector<LeafCache> cache_;
  uint32_t run_epoch_ = 0;
  uint32_t takes_ = 0;
  // Runs that do not stay as they are, by place, and what becomes of them: the children up to
  // `end`. A match that starts is a change of the place behind all runs.
  struct Change {
    uint32_t place;
    uint32_t end;
  };
  std::vector<Change> changes_;
  std::vector<Child> children_;
  std::vector<Taken> edges_;
  std::vector<Visit> visits_;
  std::vector<Visit> seen_;
  std::vector<uint32_t> take_nodes_;
  std::vector<Run> kept_;           // those of children_ that become runs
  std::vector<uint32_t> kept_end_;  // by change, in kept_
  std::vector<Run> new_runs_;
  bool refuses_ = false;  // the event is not valid: no stage accepts it
  bool has_changed_ = false;
  std::vector<Run> completed_;
  std::vector<Run> held_;  // of a key that had none
  std::vector<Run> new_groups_;
  std::vector<uint64_t> emitted_;   // per bit, matches reported for this event
  std::vector<uint64_t> evidence_;  // ... and the events in them
  std::vector<cep::MatchEvent> path_;
  std::vector<const cep::CapturedEvent*> stage_events_;
  std::vector<cep::StageEvents> stages_;
  uint32_t stages_epoch_ = 0;
  Arena arena_;
};

}  // namespace vigil::patterns
