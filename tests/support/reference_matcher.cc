#include "tests/support/reference_matcher.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "tests/support/reference_places.h"

namespace vigil::testing {
namespace {

using patterns::Contiguity;
using patterns::Pattern;
using patterns::Repeat;
using patterns::SkipKind;
using patterns::Stage;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr size_t kMaxPartials = 2000;
// Partial matches that are offered events, with those on their way through places that take none.
constexpr uint64_t kMaxOffers = 50000;

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

class Reference {
 public:
  explicit Reference(const ReferenceInput& input)
      : input_(input), pattern_(*input.pattern), places_(pattern_) {}

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
  // Whether the stage, on the level of `group`, accepts the event; no stage does so when the group
  // has ended.
  bool Holds(const Stage& stage, const Stage* group, uint32_t event, const History& history) const {
    return !IsEnded(group, event, history) && input_.where(stage, event, history);
  }
  // Of a stage or group by its `until`; null: none to end.
  bool IsEnded(const Stage* stage, uint32_t event, const History& history) const {
    return stage != nullptr && stage->until != nullptr && input_.until(*stage, event, history);
  }

  // --- One event ------------------------------------------------------------------------------

  // A greedy stage keeps the events that fit it to itself.
  bool IsKeptByGreedy(const Place& place, uint32_t event, const History& history) const {
    return place.greedy_stage != kNoStage &&
           Holds(places_.StageOf(place.greedy_stage), places_.GroupOf(place.greedy_stage), event,
                 history);
  }

  bool IsLostBetweenRounds(const Place& place, uint32_t event, const History& history) const {
    return place.ended_round > 0 &&
           IsEnded(places_.GroupAround(place, place.ended_round), event, history);
  }

  bool IsForbidden(const Place& place, uint32_t event, const History& history) const {
    const std::vector<Negation> negations = places_.NegationsAt(place);
    return std::any_of(negations.begin(), negations.end(), [&](const Negation& negation) {
      return Holds(*negation.stage, negation.group, event, history) &&
             !IsEnded(places_.GroupOf(negation.stage->index), event, history);
    });
  }

  // The places that can be reached without consuming the event.
  std::vector<Place> WaysOn(const Place& place, uint32_t event, const History& history) const {
    std::vector<Place> ways;
    const auto add = [&](std::optional<Place> way) {
      if (way.has_value()) ways.push_back(*std::move(way));
    };
    if (places_.MayEndStage(place) && !IsEnded(places_.GroupAround(place), event, history)) {
      add(places_.AfterStage(place, IsEnded(&places_.StageAt(place), event, history)));
    }
    for (const size_t depth : places_.GroupsToLeave(place)) {
      if (IsEnded(places_.GroupAround(place, depth), event, history)) continue;
      add(places_.AfterGroup(place, depth));
    }
    return ways;
  }

  bool MayLeaveOut(const Place& place, uint32_t event, const History& history) const {
    if (history.empty()) return false;  // a match begins with an event that it accepts
    const Stage& stage = places_.StageAt(place);
    if (IsEnded(places_.GroupAround(place), event, history)) return false;
    if (place.path.back().count > 0 && IsEnded(&stage, event, history)) return false;
    switch (places_.Between(place)) {
      case Repeat::kStrict:
        return false;
      case Repeat::kAny:
        return true;
      case Repeat::kRelaxed:
        break;
    }
    return !input_.where(stage, event, history);
  }

  void Offer(const Partial& partial, uint32_t event, Outcome* out) const {
    if (++offers_ > kMaxOffers) return;
    const Place& place = partial.place;
    if (place.is_complete()) return;  // it was reported when its last event was accepted
    if (place.is_nowhere) return;
    if (IsKeptByGreedy(place, event, partial.history)) return;
    if (IsLostBetweenRounds(place, event, partial.history)) return;
    const Stage& stage = places_.StageAt(place);
    if (stage.is_negated()) return OfferToNegation(partial, event, out);

    if (IsForbidden(place, event, partial.history)) out->is_forbidden = true;
    if (Holds(stage, places_.GroupAround(place), event, partial.history) &&
        !IsEnded(&stage, event, partial.history)) {
      Accept(partial, event, out);
    }
    if (MayLeaveOut(place, event, partial.history)) {
      out->partials.push_back({partial.history, places_.AfterLeavingOut(place)});
    }
    for (Place& way : WaysOn(place, event, partial.history)) {
      Offer({partial.history, std::move(way)}, event, out);
    }
  }

  // `not_next`, or a `not_followed_by` that waits for the end of time.
  void OfferToNegation(const Partial& partial, uint32_t event, Outcome* out) const {
    const Place& place = partial.place;
    const Stage& stage = places_.StageAt(place);
    if (Holds(stage, places_.GroupAround(place), event, partial.history)) {
      out->is_forbidden = true;
    } else if (stage.contiguity == Contiguity::kNotFollowedBy) {
      if (!partial.history.empty()) out->partials.push_back(partial);
    } else if (std::optional<Place> next = places_.AfterNegation(place); next.has_value()) {
      if (next->is_complete()) {
        if (!partial.history.empty()) out->complete.push_back(partial.history);
      } else {
        Offer({partial.history, *std::move(next)}, event, out);
      }
    }
  }

  void Accept(const Partial& partial, uint32_t event, Outcome* out) const {
    History history = partial.history;
    history.push_back({places_.StageAt(partial.place).index, event});
    std::optional<Place> next = places_.AfterAccepting(partial.place);
    if (next.has_value()) {
      if (MayEndAt(*next, event, partial.history)) out->complete.push_back(history);
      if (!next->is_complete()) out->partials.push_back({std::move(history), *std::move(next)});
    } else {
      Place nowhere;
      nowhere.is_nowhere = true;
      out->partials.push_back({std::move(history), std::move(nowhere)});
    }
  }

  // Whether the end can be reached from `place` without another event. What stands between is asked
  // about the event just accepted, and about the partial match as it was before it.
  bool MayEndAt(const Place& place, uint32_t event, const History& before) const {
    if (place.is_complete()) return true;
    if (IsKeptByGreedy(place, event, before)) return false;
    if (IsLostBetweenRounds(place, event, before)) return false;
    const Stage& stage = places_.StageAt(place);
    if (stage.contiguity == Contiguity::kNotNext) {
      const std::optional<Place> next = places_.AfterNegation(place);
      return next.has_value() && !next->is_complete() &&
             !Holds(stage, places_.GroupAround(place), event, before) &&
             MayEndAt(*next, event, before);
    }
    const std::vector<Place> ways = WaysOn(place, event, before);
    return std::any_of(ways.begin(), ways.end(),
                       [&](const Place& way) { return MayEndAt(way, event, before); });
  }

  void Process(uint32_t event) {
    std::set<Partial> next;
    const auto offer = [&](const Partial& partial) {
      Outcome outcome;
      Offer(partial, event, &outcome);
      for (History& match : outcome.complete) completed_.insert(std::move(match));
      if (!outcome.is_forbidden) next.insert(outcome.partials.begin(), outcome.partials.end());
      answer_.is_too_large |= next.size() > kMaxPartials || offers_ > kMaxOffers;
    };
    for (const Partial& partial : partials_) {
      offer(partial);
      if (answer_.is_too_large) return;
    }
    offer({{}, places_.Start()});  // every event may begin a match
    partials_ = std::move(next);
    Report();
  }

  // --- Time -----------------------------------------------------------------------------------

  int64_t DueOf(const Partial& partial) const {
    int64_t due = kNever;
    if (pattern_.within_ms > 0) due = input_.times[partial.start()] + pattern_.within_ms;
    if (const int64_t step = places_.StepWithin(partial.place); step > 0) {
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
      if (due == input_.newest_ts && pattern_.after_match.kind != SkipKind::kNoSkip) {
        answer_.is_due_at_end = true;
      }
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
      if (!it->place.is_nowhere &&
          places_.StageAt(it->place).contiguity == Contiguity::kNotFollowedBy) {
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
      if (places_.StageOf(accepted.stage).name != skip.stage) continue;
      bound = accepted.event;
      if (skip.kind == SkipKind::kSkipToFirst) break;
    }
    return bound;
  }

  const ReferenceInput& input_;
  const Pattern& pattern_;
  const Places places_;
  std::set<Partial> partials_;
  std::set<History> completed_;  // not yet reported
  mutable uint64_t offers_ = 0;
  ReferenceAnswer answer_;
};

}  // namespace

ReferenceAnswer RunReference(const ReferenceInput& input) { return Reference(input).Run(); }

}  // namespace vigil::testing
