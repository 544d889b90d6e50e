// Where in a pattern a partial match of the reference matcher waits, and which place comes next.
//
// A place is the way to a stage through the groups around it, with the repetitions and rounds done
// on each level, and the few marks that Flink's compiler leaves on it by making states more than
// once: which way a partial match came decides what holds there. No conditions are asked here; the
// matcher does that. Patterns are those that the rule loader accepts.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "patterns/pattern.h"

namespace vigil::testing {

// A stage on one level of a pattern: of the pattern itself, or in a group.
struct Frame {
  uint32_t stage = 0;  // on its level
  uint32_t count = 0;  // repetitions, or rounds of a group, done; of `n..` it stays at n
  auto operator<=>(const Frame&) const = default;
};

inline constexpr uint32_t kNoStage = UINT32_MAX;

struct Place {
  std::vector<Frame> path;  // outermost first; empty: the match is complete
  // It has left out an event where it could have gone on: now it can only accept.
  bool waits_apart = false;
  uint32_t greedy_stage = kNoStage;  // Stage::index: what fits that stage may not be used here
  // Negations, by Stage::index, that no longer hold since an optional stage behind them accepted.
  std::set<uint32_t> lifted;
  bool is_after_until = false;  // a greedy stage has ended by its `until`
  // Not 0: a round has just ended of the open-ended group of the path's first frames, this many. An
  // event that ends the group around that one ends the partial match.
  size_t ended_round = 0;
  // Flink made a state for it that leads nowhere: the partial match is over with the next event.
  bool is_nowhere = false;
  auto operator<=>(const Place&) const = default;

  bool is_complete() const { return path.empty() && !is_nowhere; }
  // Flink made a second state for it, which has no bound of its own.
  bool is_copy() const { return !lifted.empty() || is_after_until; }
};

uint32_t RequiredCount(const patterns::Stage& stage);
bool IsOptional(const patterns::Stage& stage);
bool IsLoop(const patterns::Stage& stage);
// Greedy where it matters: the stage may take more events or go on.
bool IsGreedyRange(const patterns::Stage& stage);

// A negation in force, and the group on whose level that is (null: none), whose `until` lifts it,
// as that of its own group does.
struct Negation {
  const patterns::Stage* stage = nullptr;
  const patterns::Stage* group = nullptr;
};

class Places {
 public:
  explicit Places(const patterns::Pattern& pattern);

  Place Start() const;
  const patterns::Stage& StageAt(const Place& place) const;
  const patterns::Stage* GroupAround(const Place& place) const;  // null: none
  const patterns::Stage& StageOf(uint32_t index) const { return *stages_[index]; }
  // The group around the stage with this index; null: none.
  const patterns::Stage* GroupOf(uint32_t index) const { return groups_[index]; }

  // What lies behind the place; none: Flink leads the partial match nowhere.
  std::optional<Place> AfterAccepting(const Place& place) const;
  std::optional<Place> AfterNegation(const Place& place) const;
  // Without another event: behind a stage that may end or be left out, `is_ended` by its `until`;
  // behind a group, that of the path's first `depth` frames.
  std::optional<Place> AfterStage(const Place& place, bool is_ended) const;
  std::optional<Place> AfterGroup(const Place& place, size_t depth) const;
  Place AfterLeavingOut(const Place& place) const;

  // Whether the stage has what it needs here, so that the next one may be tried.
  bool MayEndStage(const Place& place) const;
  // The groups that may be left here without another event, as depths: the place is the very
  // beginning of a round of each.
  std::vector<size_t> GroupsToLeave(const Place& place) const;
  // The group around the group of the path's first `depth` frames; null: none.
  const patterns::Stage* GroupAround(const Place& place, size_t depth) const;

  // What may lie between the previous event and the next one, in Flink's terms of a first event
  // (contiguity) or of repetitions: as a Repeat.
  patterns::Repeat Between(const Place& place) const;
  // The negations in force.
  std::vector<Negation> NegationsAt(const Place& place) const;
  // How long a partial match may wait here since its last event, ms; 0: for ever.
  int64_t StepWithin(const Place& place) const;

 private:
  using Path = std::vector<Frame>;
  const std::vector<patterns::Stage>& Level(const Path& path, size_t depth) const;
  const patterns::Stage& StageOn(const Path& path, size_t depth) const;
  const patterns::Stage* GroupAbove(const Path& path, size_t depth) const;
  std::optional<Place> Resolve(Place place) const;
  bool FinishRound(Place* place) const;
  bool IsLastAndTimed(const Place& place) const;
  bool IsHeadOfFirstOptionalRound(const Place& place) const;
  bool WaitsApartIfLeftOut(const Place& place) const;
  bool GuardsOnlyIfTaken(const Path& path) const;
  uint32_t TrailingGreedy(Path path, size_t depth) const;
  std::vector<const patterns::Stage*> NegationsBefore(const Path& path, size_t depth) const;
  const patterns::Stage* Following(const Path& path, size_t depth) const;
  void Collect(const std::vector<patterns::Stage>& level, const patterns::Stage* group);

  const patterns::Pattern& pattern_;
  std::vector<const patterns::Stage*> stages_;  // by Stage::index
  std::vector<const patterns::Stage*> groups_;
};

}  // namespace vigil::testing
