#include "tests/support/reference_matcher.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace vigil::testing {
namespace {

using patterns::Contiguity;
using patterns::Pattern;
using patterns::Repeat;
using patterns::SkipKind;
using patterns::Stage;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr size_t kMaxPartials = 2000;
constexpr int kNoStage = -1;

// Where in the pattern a partial match waits: for repetition `count + 1` of a stage.
struct Place {
  uint32_t stage = 0;       // the number of stages: the match is complete
  uint32_t count = 0;       // repetitions accepted; of `n..` it stays at n
  bool has_waited = false;  // an event was left out here: an optional stage is no longer skipped
  int greedy_stage = kNoStage;  // an event that fits this stage may not be used here
  auto operator<=>(const Place&) const = default;
};

struct Partial {
  History history;
  Place place;
  auto operator<=>(const Partial&) const = default;

  uint32_t start() const { return history.front().event; }
};

// What becomes of a partial match by one event.
struct Outcome {
  std::vector<Partial> partials;
  std::vector<History> complete;
  bool is_forbidden = false;  // a forbidden event: `partials` are void, complete matches stand
};

uint32_t RequiredCount(const Stage& stage) { return std::max(stage.times_min, 1u); }
bool IsOptional(const Stage& stage) { return stage.optional || stage.times_min == 0; }

class Reference {
 public:
  explicit Reference(const ReferenceInput& input)
      : input_(input), pattern_(*input.pattern), stages_(pattern_.stages) {}

  ReferenceAnswer Run() {
    for (uint32_t event = 0; event < input_.times.size() && !answer_.is_too_large; ++event) {
      AdvanceTime(input_.times[event]);
      Process(event);
    }
    AdvanceTime(input_.newest_ts - 1);
    ExpireUpTo(kNever);  // the end of time is one step
    return std::move(answer_);
  }

 private:
  const Stage& StageAt(const Place& place) const { return stages_[place.stage]; }
  bool IsComplete(const Place& place) const { return place.stage == stages_.size(); }
  bool IsLast(const Place& place) const { return place.stage + 1 == stages_.size(); }

  bool Holds(uint32_t stage, uint32_t event, const History& history) const {
    return input_.where(stages_[stage], event, history);
  }
  bool IsEnded(const Stage& stage, uint32_t event, const History& history) const {
    return stage.until != nullptr && input_.until(stage, event, history);
  }

  // --- Places ---------------------------------------------------------------------------------

  // The place after `stage`. A `not_followed_by` is a place only at the end; elsewhere it guards
  // the places behind it.
  Place After(uint32_t stage, int greedy_stage) const {
    Place next;
    next.stage = stage + 1;
    next.greedy_stage = greedy_stage;
    while (next.stage + 1 < stages_.size() &&
           StageAt(next).contiguity == Contiguity::kNotFollowedBy) {
      ++next.stage;
    }
    return next;
  }

  bool MayMoveOn(const Place& place) const {
    const Stage& stage = StageAt(place);
    if (stage.is_negated() || place.has_waited) return false;
    return place.count == 0 ? IsOptional(stage) : place.count >= RequiredCount(stage);
  }

  bool IsGreedyRange(const Stage& stage) const {
    return stage.greedy && RequiredCount(stage) != stage.times_max;
  }

  // The place reached from `place` without consuming the event. A greedy stage keeps the events
  // that fit it to itself, until it has ended.
  Place MoveOn(const Place& place, uint32_t event, const History& history) const {
    const Stage& stage = StageAt(place);
    const bool keeps = IsGreedyRange(stage) && !IsEnded(stage, event, history);
    return After(place.stage, keeps ? static_cast<int>(place.stage) : kNoStage);
  }

  // The place after one more repetition.
  Place AfterAccepting(const Place& place) const {
    const Stage& stage = StageAt(place);
    const uint32_t count = place.count + 1;
    if (count == stage.times_max) {
      return After(place.stage, IsGreedyRange(stage) ? static_cast<int>(place.stage) : kNoStage);
    }
    Place next;
    next.stage = place.stage;
    next.count =
        stage.times_max == patterns::kUnbounded ? std::min(count, RequiredCount(stage)) : count;
    return next;
  }

  // The same place, the event left out. An optional stage that waits has shaken off a greedy one.
  Place AfterLeavingOut(Place place) const {
    place.has_waited = true;
    if (IsOptional(StageAt(place))) place.greedy_stage = kNoStage;
    return place;
  }

  // --- One event ------------------------------------------------------------------------------

  bool IsKeptByGreedy(const Place& place, uint32_t event, const History& history) const {
    return place.greedy_stage != kNoStage &&
           Holds(static_cast<uint32_t>(place.greedy_stage), event, history);
  }

  bool IsForbidden(const Place& place, uint32_t event, const History& history) const {
    const Stage& stage = StageAt(place);
    const bool is_loop = stage.times_max == patterns::kUnbounded;
    // Flink's oddity: where `n..m` may end but waits for more, the negations before it are in force
    // again, those after it are not (tests/corpus/patterns: within-v1-00059).
    if (place.has_waited && !is_loop && place.count >= RequiredCount(stage)) {
      return IsForbiddenBefore(place.stage, event, {}, history);
    }
    return place.count == 0 ? IsForbiddenBefore(place.stage, event, history, history)
                            : IsForbiddenBetween(place.stage, event, history);
  }

  // A `not_followed_by` is in force from the end of the stage before it until a stage behind it
  // accepts an event; optional ones behind it may have accepted none of `lifting`.
  bool IsForbiddenBefore(uint32_t stage, uint32_t event, const History& lifting,
                         const History& history) const {
    while (stage-- > 0) {
      const bool forbids = stages_[stage].contiguity == Contiguity::kNotFollowedBy;
      if (forbids && Holds(stage, event, history)) return true;
      if (!forbids && (!IsOptional(stages_[stage]) || HasAccepted(lifting, stage))) return false;
    }
    return false;
  }

  // It is also in force between the repetitions of the stage before it.
  bool IsForbiddenBetween(uint32_t stage, uint32_t event, const History& history) const {
    return stage + 1 < stages_.size() &&
           stages_[stage + 1].contiguity == Contiguity::kNotFollowedBy &&
           Holds(stage + 1, event, history);
  }

  static bool HasAccepted(const History& history, uint32_t stage) {
    return std::any_of(history.begin(), history.end(),
                       [&](const Accepted& accepted) { return accepted.stage == stage; });
  }

  bool MayLeaveOut(const Place& place, uint32_t event, const History& history) const {
    if (history.empty()) return false;  // a match begins with an event that it accepts
    const Stage& stage = StageAt(place);
    const auto fits = [&] { return Holds(place.stage, event, history); };
    if (place.count == 0) {
      if (stage.contiguity == Contiguity::kFollowedByAny) return true;
      return stage.contiguity == Contiguity::kFollowedBy && !fits();
    }
    if (stage.repeat == Repeat::kStrict || IsEnded(stage, event, history)) return false;
    return stage.repeat == Repeat::kAny || !fits();
  }

  void Offer(const Partial& partial, uint32_t event, Outcome* out) const {
    const Place& place = partial.place;
    if (IsComplete(place)) return;  // it was reported when its last event was accepted
    if (IsKeptByGreedy(place, event, partial.history)) return;
    if (StageAt(place).is_negated()) return OfferToNegation(partial, event, out);

    if (IsForbidden(place, event, partial.history)) out->is_forbidden = true;
    if (Holds(place.stage, event, partial.history) &&
        !IsEnded(StageAt(place), event, partial.history)) {
      Accept(partial, event, out);
    }
    if (MayLeaveOut(place, event, partial.history)) {
      out->partials.push_back({partial.history, AfterLeavingOut(place)});
    }
    if (MayMoveOn(place)) {
      Offer({partial.history, MoveOn(place, event, partial.history)}, event, out);
    }
  }

  // `not_next`, or a `not_followed_by` that waits for the end of time.
  void OfferToNegation(const Partial& partial, uint32_t event, Outcome* out) const {
    const Place& place = partial.place;
    if (Holds(place.stage, event, partial.history)) {
      out->is_forbidden = true;
    } else if (StageAt(place).contiguity == Contiguity::kNotFollowedBy) {
      out->partials.push_back(partial);
    } else if (IsLast(place)) {
      out->complete.push_back(partial.history);
    } else {
      Offer({partial.history, After(place.stage, kNoStage)}, event, out);
    }
  }

  void Accept(const Partial& partial, uint32_t event, Outcome* out) const {
    Partial next;
    next.history = partial.history;
    next.history.push_back({partial.place.stage, event});
    next.place = AfterAccepting(partial.place);
    if (MayEndAt(next.place, event, partial.history)) out->complete.push_back(next.history);
    if (!IsComplete(next.place)) out->partials.push_back(std::move(next));
  }

  // Whether the end can be reached from `place` without another event. What stands between is asked
  // about the event just accepted, and about the partial match as it was before it.
  bool MayEndAt(const Place& place, uint32_t event, const History& before) const {
    if (IsComplete(place)) return true;
    if (IsKeptByGreedy(place, event, before)) return false;
    const Stage& stage = StageAt(place);
    if (stage.contiguity == Contiguity::kNotNext) {
      return !IsLast(place) && !Holds(place.stage, event, before) &&
             MayEndAt(After(place.stage, kNoStage), event, before);
    }
    return MayMoveOn(place) && MayEndAt(MoveOn(place, event, before), event, before);
  }

  void Process(uint32_t event) {
    std::set<Partial> next;
    const auto offer = [&](const Partial& partial) {
      Outcome outcome;
      Offer(partial, event, &outcome);
      for (History& match : outcome.complete) completed_.insert(std::move(match));
      if (!outcome.is_forbidden) next.insert(outcome.partials.begin(), outcome.partials.end());
    };
    for (const Partial& partial : partials_) offer(partial);
    offer(Partial());  // every event may begin a match
    partials_ = std::move(next);
    answer_.is_too_large = partials_.size() > kMaxPartials;
    Report();
  }

  // --- Time -----------------------------------------------------------------------------------

  // How long the partial match may wait here since the last event it accepted; 0: for ever.
  int64_t StepWithin(const Place& place) const {
    const Stage& stage = StageAt(place);
    const bool may_be_absent =
        place.count == 0 ? IsOptional(stage) : place.count >= RequiredCount(stage);
    if (may_be_absent && place.has_waited) return 0;
    if (!stage.has_times) return stage.within_ms;
    // With `times` it bounds all repetitions but the last, or the first n of `n..`.
    const bool is_bounded = stage.times_max == patterns::kUnbounded
                                ? place.count < RequiredCount(stage)
                                : place.count + 1 < stage.times_max;
    return is_bounded ? stage.within_ms : 0;
  }

  int64_t DueOf(const Partial& partial) const {
    int64_t due = kNever;
    if (pattern_.within_ms > 0) due = input_.times[partial.start()] + pattern_.within_ms;
    if (const int64_t step = StepWithin(partial.place); step > 0) {
      due = std::min(due, input_.times[partial.history.back().event] + step);
    }
    return due;
  }

  // What falls due at or before `now` does so one instant after the other.
  void AdvanceTime(int64_t now) {
    for (;;) {
      int64_t due = kNever;
      for (const Partial& partial : partials_) due = std::min(due, DueOf(partial));
      if (due > now) return;
      ExpireUpTo(due);
    }
  }

  // Ends, in one step, the partial matches that fall due at or before `now`.
  void ExpireUpTo(int64_t now) {
    for (auto it = partials_.begin(); it != partials_.end();) {
      const int64_t due = DueOf(*it);
      if (due == kNever || due > now) {
        ++it;
        continue;
      }
      if (StageAt(it->place).contiguity == Contiguity::kNotFollowedBy) {
        completed_.insert(it->history);  // what was forbidden has not come
      } else {
        answer_.timeouts.push_back({due, it->history});
      }
      it = partials_.erase(it);
    }
    Report();
  }

  // --- Complete matches -----------------------------------------------------------------------

  // Reports what is complete. With a skip strategy in order of starts, and held back while a
  // partial match with an earlier start is alive.
  void Report() {
    if (pattern_.after_match.kind == SkipKind::kNoSkip) {
      answer_.matches.insert(answer_.matches.end(), completed_.begin(), completed_.end());
      completed_.clear();
      return;
    }
    while (!completed_.empty()) {
      const auto first = std::min_element(completed_.begin(), completed_.end(), BeganEarlier);
      const uint32_t start = first->front().event;
      if (std::any_of(partials_.begin(), partials_.end(),
                      [&](const Partial& partial) { return partial.start() < start; })) {
        return;
      }
      NoteTies(start);
      const History match = *first;
      completed_.erase(first);
      answer_.matches.push_back(match);
      Prune(match);
    }
  }

  static bool BeganEarlier(const History& a, const History& b) {
    return a.front().event < b.front().event;
  }

  void NoteTies(uint32_t start) {
    const auto began_then = [&](const History& match) { return match.front().event == start; };
    if (std::count_if(completed_.begin(), completed_.end(), began_then) > 1) {
      answer_.hangs_on_ties = true;
    }
  }

  // Drops the matches and partial matches that the skip strategy drops for the sake of `match`.
  void Prune(const History& match) {
    const uint32_t bound = PruneBefore(match);
    std::erase_if(completed_, [&](const History& other) { return other.front().event < bound; });
    std::erase_if(partials_, [&](const Partial& partial) { return partial.start() < bound; });
  }

  // What began before this event is dropped.
  uint32_t PruneBefore(const History& match) const {
    const patterns::AfterMatch& skip = pattern_.after_match;
    if (skip.kind == SkipKind::kSkipToNext) return match.front().event + 1;
    if (skip.kind == SkipKind::kSkipPastLastEvent) return match.back().event + 1;
    uint32_t bound = 0;
    for (const Accepted& accepted : match) {
      if (stages_[accepted.stage].name != skip.stage) continue;
      bound = accepted.event;
      if (skip.kind == SkipKind::kSkipToFirst) break;
    }
    return bound;
  }

  const ReferenceInput& input_;
  const Pattern& pattern_;
  const std::vector<Stage>& stages_;
  std::set<Partial> partials_;
  std::set<History> completed_;  // not yet reported
  ReferenceAnswer answer_;
};

}  // namespace

ReferenceAnswer RunReference(const ReferenceInput& input) { return Reference(input).Run(); }

}  // namespace vigil::testing
