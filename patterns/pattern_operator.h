// The operator that runs all pattern rules of a rule set over one shard's rows.
//
// Per block of rows: every distinct unary condition is evaluated once, over columns; then, key
// space by key space, the rows that can matter are looked up in the key table and offered to each
// block of rules that has matches open there or may start one. Time is kept per key: what falls due
// before a row happens before it; AdvanceTime() lets the rest happen. Thread safety: one thread per
// instance; the CompiledPatterns are shared.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include "cep/base/arena.h"
#include "cep/runtime/operator.h"
#include "patterns/cold_keys.h"
#include "patterns/due_calendar.h"
#include "patterns/key_table.h"
#include "patterns/match_store.h"
#include "patterns/matcher.h"
#include "patterns/rule_block.h"
#include "patterns/rule_load.h"
#include "patterns/state_encoder.h"
#include "patterns/stored_state.h"

namespace vigil::patterns {

// A unit that is stored and that nobody keeps any more: it is to be removed.
struct StrayUnit {
  StrayUnit() = default;
  explicit StrayUnit(const cep::RestoredUnit& unit)
      : key_group(unit.name.key_group),
        key_expression(unit.name.key_expression),
        key_values(unit.name.key_values),
        owner(unit.name.owner),
        stored(unit.stored) {}

  uint32_t key_group = 0;
  std::string key_expression;
  std::string key_values;
  std::string owner;
  cep::StoredParts stored;

  cep::UnitName name() const { return {key_group, key_expression, key_values, owner}; }
};
// Removes `units` of them, which it takes off; true once none is left.
StatusOr<bool> RemoveStrays(size_t units, std::vector<StrayUnit>* strays, cep::UnitWriter* out);

class PatternOperator : public cep::Operator {
 public:
  explicit PatternOperator(std::shared_ptr<const CompiledPatterns> patterns);

  void ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink* out) override;
  void AdvanceTime(int64_t watermark, cep::MatchSink* out) override;

  // State as units (cep/runtime/state_unit.h): what a key's partial matches for one block of rules
  // are. Its owner is the rule for which they stand, of several the first one, and only rules that
  // have some are in it; so a rule has a unit of its own where it shares nothing. An event that
  // several units hold is stored in each of them.
  //
  // Of fields, units know names: those of `layout`, which must be that of the rows to come. Before
  // anything below, and again when rows get another layout.
  void UseLayout(std::shared_ptr<const cep::Layout> layout);
  // From here on what changes is remembered for snapshots. Until then nothing is, and a snapshot
  // is empty. Before the first row.
  void KeepChanges() { keeps_changes_ = true; }
  // At its beginning a snapshot takes the list of keys that have changed; a key is written in its
  // turn, or when a row or time is about to change it. Of large units each segment counts.
  Status BeginSnapshot(cep::UnitWriter* out) override;
  StatusOr<bool> ContinueSnapshot(size_t units) override;
  // Takes what the unit holds for rules that are matched here, by their incarnations; what is left
  // of the unit when nobody takes it is removed by the next snapshot.
  Status Restore(const cep::RestoredUnit& unit) override;
  // Whether something was taken, also for the unit's owner: then what is stored is known here.
  enum class Taken : uint8_t { kNothing, kSome, kWithOwner };
  StatusOr<Taken> Take(const cep::RestoredUnit& unit);
  // Whether a rule of this incarnation is matched here.
  bool Matches(uint64_t incarnation) const;
  // What will be restored is as of this watermark: what falls due at or before it under rules that
  // have changed meanwhile does so at once, dated by it. Before the first unit.
  void ResumeAt(int64_t watermark) { resumed_at_ = watermark; }
  // A key leaves memory as a whole, and comes back with its next event that matters or when
  // something of it falls due; about 70 bytes of it stay.
  void ReadFrom(const cep::UnitReader* reader) override { reader_ = reader; }
  void LeaveMemory(size_t bytes, size_t pending) override;
  // Bytes of the state that is in memory.
  size_t state_bytes() const;
  // Writes what these rules have, by index in the rule set, whether it has changed or not.
  Status ExportUnits(const std::vector<uint32_t>& rules, cep::UnitWriter* out);
  // Appends all units that are stored, which this operator will not touch any more. No snapshot may
  // be under way, as for Retire(). Errors: of reading those that are not in memory, now or before.
  Status AbandonUnits(std::vector<StrayUnit>* out);

  // No rule starts a partial match any more; what is taken over or restored goes on. Before the
  // first row.
  void StartNothing();
  // Marks the rules, by index in the rule set, that have partial matches. Cost: a look at keys
  // until all rules are marked, else at each.
  void MarkOpen(std::vector<bool>* open);
  // The rules, by index in the rule set, start no partial match any more, and theirs are dropped.
  // Cost: one look at each key with state.
  void Retire(const std::vector<uint32_t>& rules);

  // Counters of each rule, by its index in the rule set.
  void AddCounters(std::vector<RuleCounters>* by_rule) const;
  // Adds what each rule costs, by its index in the rule set. Returns how many partial matches are
  // held, each of which may stand for several rules; some may be over. Cost: a look at some
  // thousand keys.
  double AddLoad(std::vector<RuleLoad>* by_rule) const;
  // Keys that hold state, over all key spaces; and those of them that are not in memory.
  size_t live_keys() const;
  size_t cold_keys() const;
  // Events that partial matches hold.
  size_t live_events() const { return store_.live_events(); }
  // Bytes of the events held by partial matches.
  size_t event_bytes() const { return store_.event_bytes(); }

 private:
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
  // A unit as it is stored, named by its owner.
  struct KnownUnit {
    uint32_t rule = 0;  // RuleRef
    cep::StoredParts stored;
  };
  using KnownUnits = absl::InlinedVector<KnownUnit, 1>;
  // A key that has lost its entry and still has units stored; none once it has come back.
  struct GoneKey {
    uint64_t hash = 0;
    std::string bytes;
    KnownUnits units;
    uint32_t next = kNoGone;  // another one of this hash
  };
  static constexpr uint32_t kNoGone = UINT32_MAX;
  struct Space {
    const KeySpace* keys = nullptr;
    std::vector<uint32_t> blocks;
    std::vector<uint32_t> single_blocks;  // those of no family
    std::vector<SpaceFamily> families;
    KeyTable table;
    DueCalendar<KeyEntry*> due;
    int64_t longest = 0;  // duration of its blocks, ms
    // Up to when those that may wait have been looked through, in turns.
    int64_t swept_at = INT64_MIN;
    std::string key_name;  // canonical key expression
    size_t key_fields = 0;
    std::vector<KnownUnits> known;
    std::vector<uint32_t> free_known;
    std::unique_ptr<ColdKeys> cold;  // null until a key leaves memory
    // Since the last snapshot began: keys that have changed, and those that have gone.
    std::vector<KeyEntry*> dirty;
    std::vector<GoneKey> gone;
    absl::flat_hash_map<uint64_t, uint32_t> gone_by_hash;
    // Of the snapshot under way: the same, up to which they have been written.
    std::vector<KeyEntry*> saving;
    size_t saved = 0;
    std::vector<GoneKey> removing;
    size_t removed = 0;
  };
  // A row under one of its keys.
  struct KeyedRow {
    uint64_t hash;
    uint32_t row;
    uint32_t variants;
    KeyEntry* likely;  // the entry of its hash when it was looked up ahead, or null
  };

  void CollectRows(const cep::OrderedBlock& rows, Space* space);
  void CollectSingleKeys(const cep::OrderedBlock& rows, const cep::RowBits& touched,
                         const Space& space);
  // Where a key's hash is marked in started_; other bits than those that place it in the table.
  static uint32_t StartedBit(uint64_t hash) { return (hash >> 40) % kStartedBits; }
  void PrefetchRow(const cep::OrderedBlock& rows, KeyedRow* keyed, const Space& space) const;
  [[gnu::always_inline]] static void PrefetchRuns(const KeyEntry* entry);
  [[gnu::always_inline]] void PrefetchNodes(const KeyEntry* entry, int64_t now,
                                            size_t reused) const;
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
  void SplitFamily(const SpaceFamily& family, KeyEntry* entry, Space* space);
  const cep::KeyExpr& ExprOf(const Space& space, uint32_t variants) const;
  void QueueDue(KeyEntry* entry, Space* space);
  void Schedule(KeyEntry* entry, Space* space);
  void FindDue(int64_t watermark, Space* space);
  void FindOver(int64_t watermark, Space* space);
  void ExpireDue(int64_t watermark, Space* space, cep::MatchSink* out);
  void Expire(KeyEntry* entry, int64_t watermark, Space* space, cep::MatchSink* out);
  void ExpireWaiting();
  // The key may change: the snapshot under way gets it as it is.
  void SaveBefore(KeyEntry* entry, Space* space) {
    if (entry->changed_in == saving_) [[unlikely]]
      SaveInTime(entry, space);
  }
  // Remembers that the state has changed, after SaveBefore().
  void Touch(KeyEntry* entry, BlockState* state, Space* space) {
    if (!keeps_changes_) return;
    state->is_dirty = true;
    if (entry->changed_in == changing_) return;
    entry->changed_in = changing_;
    space->dirty.push_back(entry);
  }

  // --- state as units (pattern_operator_state.cc, pattern_operator_restore.cc)
  // A rule by its place: block * 64 + bit.
  static uint32_t RuleRef(uint32_t block, uint32_t bit) { return block * kRulesPerBlock + bit; }
  static constexpr uint32_t kNoRule = UINT32_MAX;
  // By block: which of its rules are among these, which are by index in the rule set.
  std::vector<uint64_t> MasksOf(const std::vector<uint32_t>& rules) const;
  const BlockRule& NameOf(uint32_t rule) const {
    return patterns_->blocks[rule / kRulesPerBlock].names[rule % kRulesPerBlock];
  }
  void NameSpaces(const cep::Layout& layout);
  const SpaceFamily* FamilyOf(uint32_t block, const Space& space) const;
  // The key's state that holds the rule's partial matches, or null.
  BlockState* StateOf(uint32_t rule, KeyEntry* entry, const Space& space);
  uint64_t RulesIn(const BlockState& state) const;
  uint32_t OwnerOf(const BlockState& state, const Space& space) const;
  cep::UnitName NameOf(const KeyEntry& entry, const Space& space, uint32_t rule) const;
  void ForgetKey(KeyEntry* entry, Space* space);
  void ComeBack(KeyEntry* entry, Space* space);
  KnownUnits& KnownOf(KeyEntry* entry, Space* space);
  void SaveInTime(KeyEntry* entry, Space* space);
  StatusOr<bool> ContinueSpace(size_t end, Space* space);
  Status RemoveGone(const Space& space, GoneKey* gone);
  void PrefetchSaving(const Space& space) const;
  Status SaveKey(KeyEntry* entry, Space* space);
  Status RemoveUnowned(KeyEntry* entry, Space* space);
  Status PutKey(KeyEntry* entry, Space* space);
  // What of a state is written: rules of its block, or of each of its family's blocks.
  struct Share {
    uint32_t first = 0;  // block
    std::vector<uint64_t> masks;
  };
  Share WholeOf(const BlockState& state, const Space& space) const;
  const ListedRules& RulesOf(const BlockState& state, const Share& share);
  Status PutUnit(const KeyEntry& entry, const Space& space, const BlockState& state,
                 const Share& share, cep::StoredParts* stored, cep::UnitWriter* out);

  // A rule of a unit that is matched here.
  struct Target {
    uint32_t rule = 0;   // RuleRef
    uint64_t place = 0;  // among the unit's rules
  };
  class UnitRestorer;
  Status FindTargets(const StoredState& unit, std::vector<Target>* targets);
  void NumberEvents(KeyEntry* entry);
  bool has_restored() const { return !restored_.empty() || !settled_.empty(); }
  void SettleUnits();
  // Makes what was restored whole. Without `out` what is overdue waits.
  void SettleRestored(cep::MatchSink* out);

  // --- state out of memory (pattern_operator_cold.cc)
  // ... by the first `snapshots` of all.
  bool CanLeave(const KeyEntry& entry, const Space& space, uint64_t snapshots) const;
  void Leave(KeyEntry* entry, Space* space);
  void LeaveRestored(size_t bytes, uint64_t snapshots);
  void Fetch(const std::vector<ColdKeys::Unit>& units);
  void FetchRows(const cep::OrderedBlock& rows, const cep::RowBits& touched, Space* space);
  void FetchRules(const std::vector<uint32_t>& rules);

  void RemoveEmpty(KeyEntry* entry, Space* space);

  std::shared_ptr<const CompiledPatterns> patterns_;
  PredicateResults results_;
  MatchStore store_;
  std::vector<std::unique_ptr<Matcher>> matchers_;  // by block, then by family
  std::vector<Space> spaces_;
  int64_t watermark_ = INT64_MIN;  // time has been advanced to it
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
  // Of AdvanceTime().
  std::vector<DueCalendar<KeyEntry*>::Due> taken_;
  std::vector<KeyEntry*> due_;

  bool keeps_changes_ = false;
  // KeyEntry::changed_in of keys that change now, and of those that the snapshot under way is still
  // to write; 1 and 2 in turns.
  static constexpr uint8_t kNoSnapshot = 3;
  uint8_t changing_ = 1;
  uint8_t saving_ = kNoSnapshot;
  cep::UnitWriter* writer_ = nullptr;  // of the snapshot under way
  uint64_t snapshots_ = 0;             // that have begun
  size_t written_ = 0;                 // segments and removals, of all snapshots
  Status save_status_;                 // of keys that were written in time
  std::vector<StrayUnit> removing_strays_;
  StateEncoder encoder_{&store_};
  // By matcher: the rules that were listed last, most often those of the next key.
  std::vector<std::pair<std::vector<uint64_t>, ListedRules>> listed_;
  std::vector<StrayUnit> strays_;
  // Where keys that have left memory come back from; null: none leaves.
  const cep::UnitReader* reader_ = nullptr;
  size_t sweep_space_ = 0;  // the next one to look through for keys that can leave
  std::vector<ColdKeys::Unit> cold_units_;
  // Of restoring.
  std::shared_ptr<const cep::Layout> layout_;
  std::vector<std::pair<uint64_t, uint32_t>> by_incarnation_;  // and RuleRef; ascending
  std::vector<std::pair<Space*, KeyEntry*>> restored_;         // not whole yet
  std::vector<std::pair<Space*, KeyEntry*>> settled_;          // of which something may be overdue
  int64_t resumed_at_ = INT64_MIN;
  StoredState unit_;
  Arena unit_arena_;
  // Events that the last key's units have brought, by position.
  KeyEntry* events_of_ = nullptr;
  std::vector<std::string> events_fields_;
  std::map<std::pair<const cep::Partition*, uint64_t>, uint32_t> known_events_;
};

}  // namespace vigil::patterns
