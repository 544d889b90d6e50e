// Up to 64 rules of the same shape, matched together: one bit per rule.
//
// Rules that differ only in their unary conditions (a hundred thresholds, a thousand merchants)
// share one Program and one set of partial matches; each partial match says by a mask for which of
// the rules it stands. Deciding an edge gives a mask, so the work per event hardly grows with the
// number of rules. Immutable once built; shared by all shards.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/key.h"
#include "patterns/pattern.h"
#include "patterns/predicates.h"
#include "patterns/program.h"

namespace vigil::patterns {

inline constexpr uint32_t kRulesPerBlock = 64;
inline constexpr uint32_t kNeverGrouped = UINT32_MAX;
// Up to so many partial matches of a key, going through them is cheaper than keeping them grouped.
inline constexpr uint32_t kGroupAbove = 32;

// Calls f(bit) for each bit set in `mask`.
template <typename F>
void ForEachBit(uint64_t mask, F f) {
  for (; mask != 0; mask &= mask - 1) f(static_cast<uint32_t>(std::countr_zero(mask)));
}

// One rule to be matched; `id` is its index in the rule set.
struct PatternRule {
  uint32_t id = 0;
  const Pattern* pattern = nullptr;
  cep::KeyExpr key;
  // What its stored partial matches are known by: the rule's name, and a number that is given to no
  // other rule and, after a reset, not to this one again.
  std::string name;
  uint64_t incarnation = 0;
};

// What a leaf of the program means for the rules of a block, as far as the current event alone
// decides.
struct LeafPredicate {
  enum class Kind : uint8_t {
    kShared,     // the same condition for all rules
    kThreshold,  // `common && field op c`, with a constant of its own for each rule
    kIndexed,  // `common && field == c`, `field in [...]` or `field.startsWith(c)`, with constants
               // of its own for each rule
    kPerRule,  // a condition of its own for each rule
  };
  Kind kind = Kind::kShared;
  uint32_t shared = 0;             // kShared: the condition; kThreshold, kIndexed: the common part
  uint32_t loosest = 0;            // kThreshold: the atom that holds whenever any rule's does
  cep::Atom threshold;             // kThreshold: slot and operator
  std::vector<double> constants;   // kThreshold: ascending
  std::vector<uint64_t> prefix;    // kThreshold: [i] = rules of the i smallest constants
  uint32_t index = 0;              // kIndexed: of the predicate set's indexes
  uint32_t member = 0;             // kIndexed: which of the index's blocks this one is
  std::vector<std::string> texts;  // kIndexed: the whole condition, for each bit
  std::vector<uint32_t> per_rule;  // kPerRule: a condition for each bit
  bool differs = false;            // not the same for all rules of the block's family
  uint32_t stage = 0;              // place in FlattenStages()
  bool is_until = false;
  bool is_trivial = false;                            // always true
  std::shared_ptr<const cep::Expression> correlated;  // the part that reads earlier events, or null
  uint32_t variant = 0;  // which of the key space's expressions the stage's own key is
};

// A rule of a block, as its stored partial matches name it.
struct BlockRule {
  std::string name;
  uint64_t incarnation = 0;
  uint32_t stage_names = 0;  // in RuleBlock::stage_names
};

struct RuleBlock {
  Program program;
  std::vector<uint32_t> rules;   // rule set index by bit
  uint64_t all = 0;              // a bit for each rule
  std::vector<BlockRule> names;  // by bit
  // What the rules call their stages and, behind them, groups (FlattenStages()); one list unless
  // they differ. The program's states are named as in the first one.
  std::vector<std::vector<std::string>> stage_names;
  std::vector<LeafPredicate> leaves;   // by the program's leaf index
  std::vector<uint32_t> start_leaves;  // leaves on which it depends whether an event starts a match
  bool starts_always = false;  // ... and an event may start one even if all of those are false
  uint32_t key_space = 0;
  OnError on_error = OnError::kNoMatch;
  bool emit_timeouts = false;
  int64_t ttl = 0;  // Pattern::ttl_ms
  Limits limits;
  // A key with more partial matches than this keeps them grouped (patterns/grouped_runs.h); never
  // if `why_explicit` says why they cannot be.
  uint32_t group_above = kNeverGrouped;
  std::string why_explicit;
};

// Where the stage or group that the state belongs to stands in the first of the block's lists of
// names.
uint32_t StagePlaceOf(const RuleBlock& block, const State& state);

// Rules that keep their state under the same keys: one hash table per shard.
struct KeySpace {
  std::vector<uint32_t>
      variants;  // indices into CompiledPatterns::key_exprs; one, or several with stage keys
};

// All blocks of one shape, where they are several: rules that differ in so far unmet conditions
// only are matched together, whatever their number (PatternOperator::ProcessFamily).
struct Family {
  uint32_t first = 0;  // of its blocks, which follow one another
  uint32_t size = 0;
};

// A rule set's patterns, ready to run.
struct CompiledPatterns {
  std::vector<cep::KeyExpr> key_exprs;  // distinct ones; the source hashes each for the exchange
  std::vector<KeySpace> key_spaces;
  std::vector<RuleBlock> blocks;
  std::vector<Family> families;
  std::shared_ptr<const PredicateSet> predicates;
};

// `group_above`: RuleBlock::group_above where partial matches can be grouped; the answers do not
// depend on it.
// `known_keys`: key expressions that keep their places; those of the rules come behind them.
// Errors: as CompilePattern(), naming no rule (the caller knows which patterns it gave).
StatusOr<std::shared_ptr<const CompiledPatterns>> CompilePatterns(
    const std::vector<PatternRule>& rules, uint32_t group_above = kGroupAbove,
    const std::vector<cep::KeyExpr>& known_keys = {});

}  // namespace vigil::patterns
