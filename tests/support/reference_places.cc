#include "tests/support/reference_places.h"

#include <algorithm>
#include <utility>

namespace vigil::testing {

using patterns::Contiguity;
using patterns::Repeat;
using patterns::Stage;

uint32_t RequiredCount(const Stage& stage) { return std::max(stage.times_min, 1u); }
bool IsOptional(const Stage& stage) { return stage.optional || stage.times_min == 0; }
bool IsLoop(const Stage& stage) { return stage.times_max == patterns::kUnbounded; }
bool IsGreedyRange(const Stage& stage) {
  return stage.greedy && RequiredCount(stage) != stage.times_max;
}

Places::Places(const patterns::Pattern& pattern) : pattern_(pattern) {
  Collect(pattern.stages, nullptr);
}

void Places::Collect(const std::vector<Stage>& level, const Stage* group) {
  for (const Stage& stage : level) {
    if (stage.is_group()) {
      Collect(stage.group, &stage);
    } else {
      stages_.push_back(&stage);
      groups_.push_back(group);
    }
  }
}

const std::vector<Stage>& Places::Level(const Path& path, size_t depth) const {
  const std::vector<Stage>* level = &pattern_.stages;
  for (size_t d = 0; d < depth; ++d) level = &(*level)[path[d].stage].group;
  return *level;
}

const Stage& Places::StageOn(const Path& path, size_t depth) const {
  return Level(path, depth)[path[depth].stage];
}

const Stage* Places::GroupAbove(const Path& path, size_t depth) const {
  return depth == 0 ? nullptr : &StageOn(path, depth - 1);
}

const Stage& Places::StageAt(const Place& place) const {
  return StageOn(place.path, place.path.size() - 1);
}

const Stage* Places::GroupAround(const Place& place) const {
  return GroupAbove(place.path, place.path.size() - 1);
}

const Stage* Places::GroupAround(const Place& place, size_t depth) const {
  return GroupAbove(place.path, depth - 1);
}

// --- The next place ---------------------------------------------------------------------------

Place Places::Start() const {
  Place place;
  place.path.push_back({});
  return *Resolve(std::move(place));
}

// Follows a path that may end behind the last stage of a level, at a group, or at a negation that
// only guards the places behind it, to where a partial match can wait.
std::optional<Place> Places::Resolve(Place place) const {
  for (;;) {
    const std::vector<Stage>& level = Level(place.path, place.path.size() - 1);
    Frame& at = place.path.back();
    if (at.stage == level.size()) {
      place.path.pop_back();
      if (place.path.empty()) return place;
      if (!FinishRound(&place)) return std::nullopt;
    } else if (level[at.stage].is_group()) {
      place.path.push_back({});
    } else if (level[at.stage].contiguity == Contiguity::kNotFollowedBy && !IsLastAndTimed(place)) {
      ++at.stage;
    } else {
      return place;
    }
  }
}

// `place->path` ends at a group of which a round is over. False: Flink leads such a partial match
// nowhere. It makes the copy of a loop's end before it leads the end back to the beginning.
bool Places::FinishRound(Place* place) const {
  const Stage& group = StageOn(place->path, place->path.size() - 1);
  Frame& round = place->path.back();
  const bool is_in_loop = IsLoop(group) && round.count == RequiredCount(group);
  if (is_in_loop && place->is_copy()) return false;
  if (is_in_loop) place->ended_round = place->path.size();
  if (++round.count == group.times_max) {
    round = {round.stage + 1, 0};
    return true;
  }
  if (IsLoop(group)) round.count = std::min(round.count, RequiredCount(group));
  place->path.push_back({});
  return true;
}

// A `not_followed_by` that waits for the end of time: nothing comes behind it, and there is an end.
bool Places::IsLastAndTimed(const Place& place) const {
  if (StageAt(place).within_ms == 0 && pattern_.within_ms == 0) return false;
  Place next = place;
  ++next.path.back().stage;
  const std::optional<Place> behind = Resolve(std::move(next));
  return behind.has_value() && behind->is_complete();
}

std::optional<Place> Places::AfterAccepting(const Place& place) const {
  const Stage& stage = StageAt(place);
  Place next;
  next.path = place.path;
  if (IsOptional(stage)) {
    for (const Stage* lifted : NegationsBefore(place.path, place.path.size() - 1)) {
      next.lifted.insert(lifted->index);
    }
  }
  Frame& at = next.path.back();
  if (++at.count == stage.times_max) {
    if (IsGreedyRange(stage)) next.greedy_stage = stage.index;
    at = {at.stage + 1, 0};
  } else if (IsLoop(stage)) {
    at.count = std::min(at.count, RequiredCount(stage));
  }
  return Resolve(std::move(next));
}

std::optional<Place> Places::AfterNegation(const Place& place) const {
  Place next;
  next.path = place.path;
  next.lifted = place.lifted;
  ++next.path.back().stage;
  return Resolve(std::move(next));
}

std::optional<Place> Places::AfterStage(const Place& place, bool is_ended) const {
  const Stage& stage = StageAt(place);
  Place next;
  next.path = place.path;
  next.lifted = place.lifted;
  const bool is_skipped = place.path.back().count == 0;
  if (IsGreedyRange(stage) && !(is_skipped && GuardsOnlyIfTaken(place.path))) {
    if (is_ended) {
      next.is_after_until = true;
    } else {
      next.greedy_stage = stage.index;
    }
  }
  next.path.back() = {place.path.back().stage + 1, 0};
  return Resolve(std::move(next));
}

std::optional<Place> Places::AfterGroup(const Place& place, size_t depth) const {
  Place next;
  next.path.assign(place.path.begin(), place.path.begin() + static_cast<ptrdiff_t>(depth));
  next.lifted = place.lifted;
  const Stage& group = StageOn(next.path, depth - 1);
  Frame& round = next.path.back();
  if (IsLoop(group) && round.count > 0 && IsOptional(group)) {
    for (const Stage* lifted : NegationsBefore(next.path, depth - 1)) {
      next.lifted.insert(lifted->index);
    }
  }
  // What stands behind a group keeps off what its last stage is greedy for, even if the group is
  // left out; behind an open-ended one it does not, there the next round does.
  next.greedy_stage = TrailingGreedy(next.path, depth - 1);
  round = {round.stage + 1, 0};
  return Resolve(std::move(next));
}

Place Places::AfterLeavingOut(const Place& place) const {
  Place next = place;
  next.ended_round = 0;
  if (!WaitsApartIfLeftOut(place)) return next;
  next = {};
  next.path = place.path;
  next.waits_apart = true;
  return next;
}

// The greedy stage at the end of the stage of the path's frame `depth`.
uint32_t Places::TrailingGreedy(Path path, size_t depth) const {
  const Stage* stage = &StageOn(path, depth);
  while (stage->is_group()) {
    if (IsLoop(*stage)) return kNoStage;
    uint32_t last = static_cast<uint32_t>(stage->group.size()) - 1;
    while (stage->group[last].contiguity == Contiguity::kNotFollowedBy) --last;
    path.resize(depth + 1);
    path.push_back({last, 0});
    stage = &stage->group[last];
    ++depth;
  }
  return IsGreedyRange(*stage) && !GuardsOnlyIfTaken(path) ? stage->index : kNoStage;
}

// A greedy loop that lifts negations guards only the copy of what comes next without them.
bool Places::GuardsOnlyIfTaken(const Path& path) const {
  const Stage& stage = StageOn(path, path.size() - 1);
  return IsLoop(stage) && IsOptional(stage) && !NegationsBefore(path, path.size() - 1).empty();
}

// --- What holds at a place --------------------------------------------------------------------

bool Places::MayEndStage(const Place& place) const {
  const Stage& stage = StageAt(place);
  if (stage.is_negated() || place.waits_apart) return false;
  const uint32_t count = place.path.back().count;
  return count == 0 ? IsOptional(stage) : count >= RequiredCount(stage);
}

std::vector<size_t> Places::GroupsToLeave(const Place& place) const {
  std::vector<size_t> depths;
  if (place.waits_apart || StageAt(place).is_negated()) return depths;
  for (size_t depth = place.path.size() - 1; depth > 0; --depth) {
    if (place.path[depth] != Frame{}) break;  // not the beginning of a round
    const Stage& group = StageOn(place.path, depth - 1);
    const uint32_t rounds = place.path[depth - 1].count;
    if (rounds == 0 ? IsOptional(group) : rounds >= RequiredCount(group)) depths.push_back(depth);
  }
  return depths;
}

bool Places::IsHeadOfFirstOptionalRound(const Place& place) const {
  const size_t depth = place.path.size() - 1;
  return depth > 0 && place.path[depth].stage == 0 && place.path[depth - 1].count == 0 &&
         IsOptional(*GroupAround(place));
}

// Whoever leaves out an event where the stage (or the group that it begins) is optional, or where a
// loop could go on, waits in a copy of the place that has no other way.
bool Places::WaitsApartIfLeftOut(const Place& place) const {
  const Stage& stage = StageAt(place);
  if (stage.is_negated()) return false;
  const uint32_t count = place.path.back().count;
  return (count == 0 ? IsOptional(stage) : count >= RequiredCount(stage)) ||
         IsHeadOfFirstOptionalRound(place);
}

Repeat Places::Between(const Place& place) const {
  const Stage& stage = StageAt(place);
  const Stage* group = place.path.back().stage == 0 ? GroupAround(place) : nullptr;
  const bool is_first = place.path.back().count == 0;
  // The first stage of a group stands for it: in its later rounds, and between its own repetitions.
  if (group != nullptr && (!is_first || place.path[place.path.size() - 2].count > 0)) {
    return group->repeat;
  }
  if (!is_first) return stage.repeat;
  switch (group != nullptr ? group->contiguity : stage.contiguity) {
    case Contiguity::kFollowedBy:
      return Repeat::kRelaxed;
    case Contiguity::kFollowedByAny:
      return Repeat::kAny;
    default:
      return Repeat::kStrict;
  }
}

// The `not_followed_by` stages before the frame's stage: directly, or before optional stages.
std::vector<const Stage*> Places::NegationsBefore(const Path& path, size_t depth) const {
  std::vector<const Stage*> negations;
  const std::vector<Stage>& level = Level(path, depth);
  for (uint32_t i = path[depth].stage; i-- > 0;) {
    if (level[i].contiguity == Contiguity::kNotFollowedBy) {
      negations.push_back(&level[i]);
    } else if (!IsOptional(level[i])) {
      break;
    }
  }
  return negations;
}

// The stage behind that of the frame; behind the last one of a group what is behind the group.
const Stage* Places::Following(const Path& path, size_t depth) const {
  const std::vector<Stage>& level = Level(path, depth);
  if (path[depth].stage + 1 < level.size()) return &level[path[depth].stage + 1];
  return depth == 0 ? nullptr : Following(path, depth - 1);
}

std::vector<Negation> Places::NegationsAt(const Place& place) const {
  std::vector<Negation> negations;
  const auto add_before = [&](size_t depth) {
    for (const Stage* stage : NegationsBefore(place.path, depth)) {
      if (!place.lifted.contains(stage->index)) {
        negations.push_back({stage, GroupAbove(place.path, depth)});
      }
    }
  };
  const auto add_following = [&](size_t depth) {
    const Stage* stage = Following(place.path, depth);
    if (stage != nullptr && stage->contiguity == Contiguity::kNotFollowedBy) {
      negations.push_back({stage, GroupAbove(place.path, depth)});
    }
  };
  size_t depth = place.path.size() - 1;
  const Stage& stage = StageAt(place);
  const uint32_t count = place.path[depth].count;
  if (count > 0) {
    // Between repetitions the negation behind the stage is in force. Flink's oddity: where a
    // bounded stage waits apart, it is those before it instead (tests/corpus/patterns:
    // within-v1-00059).
    const bool is_in_loop = IsLoop(stage) && count == RequiredCount(stage);
    place.waits_apart && !is_in_loop ? add_before(depth) : add_following(depth);
    return negations;
  }
  add_before(depth);
  if (place.waits_apart) return negations;
  // At the beginning of a group also those before it; of its later rounds, but for the loop's, the
  // one behind it.
  while (depth > 0 && place.path[depth] == Frame{}) {
    --depth;
    const Stage& group = StageOn(place.path, depth);
    const uint32_t rounds = place.path[depth].count;
    if (rounds == 0) {
      add_before(depth);
    } else if (!IsLoop(group) || rounds < RequiredCount(group)) {
      add_following(depth);
    }
  }
  return negations;
}

int64_t Places::StepWithin(const Place& place) const {
  if (place.is_nowhere) return 0;
  const Stage& stage = StageAt(place);
  if (place.waits_apart || place.is_copy()) return 0;
  if (!stage.has_times) return stage.within_ms;
  // With `times`, Flink bounds every state of the stage but the one that it makes first: that of
  // the last repetition in the last round, or of the loop.
  for (size_t depth = 0; depth < place.path.size(); ++depth) {
    const Stage& around = StageOn(place.path, depth);
    const uint32_t count = place.path[depth].count;
    const bool is_made_first =
        IsLoop(around) ? count == RequiredCount(around) : count + 1 == around.times_max;
    if (!is_made_first) return stage.within_ms;
  }
  return 0;
}

}  // namespace vigil::testing
