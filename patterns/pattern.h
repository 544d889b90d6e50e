// A pattern as a rule's author wrote it, with its conditions compiled: what CompilePattern() turns
// into a Program.
//
// Terms are Flink CEP's: contiguity, quantifiers, after-match skip. Plain data; made by
// rules/compile.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/event/expression.h"

namespace vigil::patterns {

enum class Contiguity : uint8_t {
  kBegin,          // begin: the first stage of the pattern or of a group
  kNext,           // next
  kFollowedBy,     // followed_by
  kFollowedByAny,  // followed_by_any
  kNotNext,        // not_next
  kNotFollowedBy,  // not_followed_by
};

// Contiguity among a stage's own repetitions.
enum class Repeat : uint8_t { kRelaxed, kStrict, kAny };

// What becomes of a condition whose evaluation fails.
enum class OnError : uint8_t { kNoMatch, kMatch, kQuarantine };

// True when both parts are; an absent part is true.
struct StageCondition {
  cep::Condition unary;  // reads the current event only
  std::shared_ptr<const cep::Expression>
      correlated;  // reads earlier stages, or the stage's own list; may be null
};

inline constexpr uint32_t kUnbounded = UINT32_MAX;

struct Stage {
  std::string name;
  uint32_t index =
      0;  // number of the stage in the rule: depth-first in pattern order, groups not counted
  Contiguity contiguity = Contiguity::kBegin;
  StageCondition where;
  std::shared_ptr<const StageCondition> until;  // null without
  bool has_times = false;
  uint32_t times_min = 1;  // 0 is allowed and means optional
  uint32_t times_max = 1;  // kUnbounded for `n..`
  bool optional = false;
  bool greedy = false;
  Repeat repeat = Repeat::kRelaxed;
  int64_t within_ms = 0;            // since the previous stage's event; 0 without
  std::vector<uint32_t> key_slots;  // the stage's own `key`; empty: the rule's
  std::vector<Stage> group;         // not empty: a group of these stages

  bool is_group() const { return !group.empty(); }
  bool is_negated() const {
    return contiguity == Contiguity::kNotNext || contiguity == Contiguity::kNotFollowedBy;
  }
};

enum class SkipKind : uint8_t {
  kNoSkip,
  kSkipToNext,
  kSkipPastLastEvent,
  kSkipToFirst,
  kSkipToLast
};

struct AfterMatch {
  SkipKind kind = SkipKind::kNoSkip;
  std::string stage;  // of kSkipToFirst and kSkipToLast
};

// Bounds on one rule's state, each 1 to 1,000,000.
struct Limits {
  uint32_t partial_matches_per_key = 10000;
  uint32_t events_per_match = 1000;
  uint32_t matches_per_event = 10000;
};

struct Pattern {
  std::vector<Stage> stages;
  int64_t within_ms = 0;  // first to last event, exclusive; 0 without
  int64_t ttl_ms = 0;     // a key that saw no event for so long keeps no state; 0: it does
  AfterMatch after_match;
  OnError on_error = OnError::kNoMatch;
  bool emit_timeouts = false;  // the rule has `on_timeout`
  Limits limits;
};

// All stages of the pattern: first those that accept events, at the place that their `index` says,
// then the groups, depth first. A stage's place here is its id in a Program's leaves.
std::vector<const Stage*> FlattenStages(const Pattern& pattern);

}  // namespace vigil::patterns
