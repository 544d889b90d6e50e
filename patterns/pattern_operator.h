// The operator that runs all pattern rules of a rule set over one shard's rows.
//
// Per block of rows: every distinct unary condition is evaluated once, over columns; then, key
// space by key space, the rows that can matter are looked up in the key table and offered to each
// block of rules that has matches open there or may start one. Time is kept per key: what falls due
// before a row happens before it; AdvanceTime() lets the rest happen. Thread safety: one thread per
// instance; the CompiledPatterns are shared.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "cep/runtime/operator.h"
#include "patterns/key_table.h"
#include "patterns/match_store.h"
#include "patterns/matcher.h"
#include "patterns/rule_block.h"
#include "patterns/rule_load.h"

namespace vigil::patterns {

class PatternOperator : public cep::Operator {
 public:
  explicit PatternOperator(std::shared_ptr<const CompiledPatterns> patterns);

  void ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink* out) override;
  void AdvanceTime(int64_t watermark, cep::MatchSink* out) override;

  // The rules, by index in the rule set, start no partial match any more, and theirs are dropped.
  // Cost: one look at each key with state.
  void Retire(const std::vector<uint32_t>& rules);

  // Counters of each rule, by its index in the rule set.
  void AddCounters(std::vector<RuleCounters>* by_rule) const;
  // Adds what each rule costs, by its index in the rule set. Returns how many partial matches are
  // held, each of which may stand for several rules. Cost: a look at some thousand keys.
  double AddLoad(std::vector<RuleLoad>* by_rule) const;
  // Keys that hold state, over all key spaces.
  size_t live_keys() const;
  // Events held by partial matches are reached through nodes; this is their number.
  size_t live_nodes() const { return store_.live_nodes(); }
  // Bytes of the events held by partial matches.
  size_t event_bytes() const { return store_.event_bytes(); }

 private:
  // When a key may have something due. Due times of one duration are queued in order of time, as
  // rows come in order.
  struct Due {
    int64_t at;
    KeyEntry* entry;
  };
  // Blocks of one shape, and the matcher that stands for all of them.
  struct SpaceFamily {
    uint32_t first = 0;  // of its blocks
    uint32_t size = 0;
    uint32_t matcher = 0;
    size_t words = 0;  // of a bit for each of its blocks
    // By row of the rows at hand: the blocks that may start a match there; set where the family
    // splits.
    std::vector<uint64_t> starters;

    bool Has(uint32_t block) const { return block - first < size; }
  };
  struct Space {
    const KeySpace* keys = nullptr;
    std::vector<uint32_t> blocks;
    std::vector<uint32_t> single_blocks;  // those of no family
    std::vector<SpaceFamily> families;
    KeyTable table;
    // By distinct `within` duration of the space's blocks.
    std::vector<int64_t> durations;
    std::vector<std::deque<Due>> due;
  };
  // A row under one of its keys.
  struct KeyedRow {
    uint64_t hash;
    uint32_t row;
    uint32_t variants;
    const KeyEntry* likely;  // the entry of its hash when it was looked up ahead, or null
  };

  void CollectRows(const cep::OrderedBlock& rows, Space* space);
  void CollectSingleKeys(const cep::OrderedBlock& rows, const cep::RowBits& touched,
                         const Space& space);
  // Where a key's hash is marked in started_; other bits than those that place it in the table.
  static uint32_t StartedBit(uint64_t hash) { return (hash >> 40) % kStartedBits; }
  void PrefetchRow(const cep::OrderedBlock& rows, KeyedRow* keyed, const Space& space) const;
  [[gnu::always_inline]] static void PrefetchRuns(const KeyEntry* entry);
  [[gnu::always_inline]] void PrefetchNode(const KeyEntry* entry) const;
  [[gnu::always_inline]] void PrefetchEvent(const KeyEntry* entry) const;
  void ProcessKeyedRow(const cep::OrderedBlock& rows, const KeyedRow& keyed, Space* space,
                       cep::MatchSink* out);
  void ProcessBlock(uint32_t block, RowContext* context, Space* space, KeyEntry** entry,
                    const KeyedRow& keyed, cep::MatchSink* out);
  void FindStarters(SpaceFamily* family) const;
  void ProcessFamily(const SpaceFamily& family, Space* space, KeyEntry** entry,
                     const KeyedRow& keyed, cep::MatchSink* out);
  // Offers the row to those of the family's blocks that have state or may start a match.
  void ProcessMembers(const SpaceFamily& family, bool splits, Space* space, KeyEntry** entry,
                      const KeyedRow& keyed, cep::MatchSink* out);
  void SplitFamily(const SpaceFamily& family, KeyEntry* entry);
  const cep::KeyExpr& ExprOf(const Space& space, uint32_t variants) const;
  void QueueDue(KeyEntry* entry, Space* space);
  void RemoveEmpty(KeyEntry* entry, Space* space);

  std::shared_ptr<const CompiledPatterns> patterns_;
  PredicateResults results_;
  MatchStore store_;
  std::vector<std::unique_ptr<Matcher>> matchers_;  // by block, then by family
  std::vector<Space> spaces_;
  std::vector<KeyedRow> keyed_rows_;
  // Marks the keys of rows of the block at hand at which a match may start, by hash: a filter
  // without false negatives.
  static constexpr uint32_t kStartedBits = 8192;
  std::vector<uint64_t> started_;
  cep::RowBits starts_;  // rows at which some block of the current key space may start a match
  RowContext context_;
  BlockState fresh_;  // stands in for the state of a key without any
  std::vector<BlockState> split_;
  std::vector<uint64_t> members_;  // a bit for each block of a family
};

}  // namespace vigil::patterns
