// A pattern compiled to NFA states: what the Matcher runs.
//
// Made by CompilePattern() (patterns/compile.h). One Program serves up to 64 rules of the same
// shape at once (a RuleBlock, patterns/rule_block.h): edges are guarded by formulas over leaves (a
// stage's `where` or `until`), and what a leaf means for each rule of the block is the block's
// business. Evaluating a formula gives one bit per rule. Invariants:  (1) Immutable once built; any
// number of threads may read it.
//              (2) Every target and formula index is in range; at most kMaxStates states.
//              (3) The graph of kProceed edges has no cycle that consumes nothing, but for looping
//              groups, whose cycles
//                  the Matcher cuts (a state is entered once per event and rule).
// Source:      Flink CEP 1.20, org.apache.flink.cep.nfa (State, StateTransition): the same states
// and edges. Tests:       tests/patterns/compile_test.cc (golden dumps),
// tests/patterns/corpus_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "patterns/pattern.h"

namespace vigil::patterns {

inline constexpr uint32_t kMaxStates = 65535;

enum class StateKind : uint8_t {
  kNormal,
  kFinal,    // the match is complete
  kStop,     // a forbidden event: the partial match is discarded
  kPending,  // `not_followed_by` last: complete when its time runs out
};

enum class EdgeAction : uint8_t {
  kTake,     // accept the event, go to the target
  kIgnore,   // leave the event out, go to the target
  kProceed,  // go to the target without consuming the event
};

// What an edge's guard asks: a stage's `where` or `until` of the current event and partial match.
struct Leaf {
  uint32_t stage = 0;  // place in FlattenStages()
  bool is_until = false;
  bool operator==(const Leaf&) const = default;
};

// A boolean formula over leaves, as nodes in one array; children come before their parents.
struct Formula {
  enum class Op : uint8_t { kTrue, kLeaf, kNot, kAnd };
  Op op = Op::kTrue;
  uint32_t a = 0;  // kLeaf: index of the leaf; kNot, kAnd: a formula
  uint32_t b = 0;  // kAnd: the other formula
};

inline constexpr uint32_t kAlways = 0;  // the formula that is always true

struct Edge {
  EdgeAction action;
  uint32_t target;
  uint32_t formula;
};

struct State {
  std::string name;  // the stage's name, with `:n` for its copies, as Flink names them
  StateKind kind = StateKind::kNormal;
  uint32_t stage = 0;  // the stage that a kTake edge out of it feeds
  int64_t step_within =
      0;  // ms since the last accepted event until this state times out; 0 without
  std::vector<Edge> edges;
};

// The stage or group whose name its name begins with, and which of its states it is: the rest.
std::string_view StageNameOf(const State& state);
std::string_view RoleOf(const State& state);

struct Program {
  std::vector<State> states;
  std::vector<Formula> formulas;  // [kAlways] is kTrue
  std::vector<Leaf> leaves;
  uint32_t start = 0;
  uint32_t stage_count = 0;
  int64_t within = 0;  // ms from the first event, exclusive; 0 without
  AfterMatch after_match;
  int skip_stage = -1;  // Stage::index of after_match.stage
  // If every leaf is false for an event, no partial match changes: the event need not be looked at.
  bool ignores_unmatched = false;

  // What a formula is for an event that satisfies no leaf.
  bool HoldsUnmatched(uint32_t formula) const;

  // The automaton as text, one state a line and one edge an indented line.
  std::string Dump() const;
};

}  // namespace vigil::patterns
