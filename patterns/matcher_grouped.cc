// The Matcher's second back end: keys with many partial matches, kept in groups.
//
// A group is stepped as one run would be, since none of its paths reads an earlier event. What a
// limit drops is counted by paths, without spelling them out.
#include <algorithm>
#include <limits>

#include "patterns/matcher.h"

namespace vigil::patterns {
namespace {

constexpr int64_t kNothingIsOver = std::numeric_limits<int64_t>::min();

}  // namespace

// Partial matches that started at or before it have been ended by `within`.
int64_t Matcher::FloorAt(int64_t now) const {
  int64_t floor;
  if (block_.program.within == 0 || __builtin_sub_overflow(now, block_.program.within, &floor)) {
    return kNothingIsOver;
  }
  return floor;
}

// Changes a key over from its runs.
void Matcher::Group(BlockState* state) {
  std::unique_ptr<GroupedRuns> grouped;
  if (state->rare != nullptr) grouped = std::move(state->rare->grouped);
  if (grouped == nullptr) grouped = std::make_unique<GroupedRuns>(store_);
  // Paths of runs share their beginnings; their nodes are made once.
  std::vector<std::pair<uint32_t, uint32_t>> made;  // node of the store, node of the graph; sorted
  std::vector<uint32_t> path;
  for (const Run& run : state->runs) {
    uint32_t node = kNoNode;
    path.clear();
    uint32_t n = run.node;
    const auto place_of = [&made](uint32_t id) {
      return std::lower_bound(made.begin(), made.end(), std::pair{id, uint32_t{0}});
    };
    for (; n != kNoNode; n = store_->node(n).parent) {
      const auto place = place_of(n);
      if (place != made.end() && place->first == n) {
        node = place->second;
        break;
      }
      path.push_back(n);
    }
    for (; !path.empty(); path.pop_back()) {
      const PathNode next = store_->node(path.back());
      node = grouped->Extend(next.event, next.stage, node, run.start_ts);
      made.insert(place_of(path.back()), {path.back(), node});
    }
    Run group = run;
    group.node = node;
    grouped->AddTo(group, &grouped->groups());
  }
  for (const Run& run : state->runs) store_->Unref(run.node);
  state->runs.truncate(0);
  state->Rare().grouped = std::move(grouped);
  UpdateGroupedDue(state);
}

void Matcher::UpdateGroupedDue(BlockState* state) {
  GroupedRuns& grouped = *state->rare->grouped;
  state->min_due = kNever;
  if (grouped.groups().empty()) {
    state->rare->grouped.reset();
    if (!has_ttl()) state->rare.reset();
    return;
  }
  if (has_ttl()) state->min_due = ForgottenAt(*state);
  if (block_.program.within == 0) return;
  for (const Run& group : grouped.groups()) {
    int64_t due;
    if (__builtin_add_overflow(grouped.LatestStart(group.node), block_.program.within, &due))
      continue;
    state->min_due = std::min(state->min_due, due);
  }
}

// Ends the groups of which nothing is left.
void Matcher::AdvanceGrouped(int64_t now, BlockState* state) {
  GroupedRuns& grouped = *state->rare->grouped;
  const int64_t floor = FloorAt(now);
  std::erase_if(grouped.groups(),
                [&](const Run& group) { return grouped.LatestStart(group.node) <= floor; });
  UpdateGroupedDue(state);
}

void Matcher::ProcessGrouped(std::string_view key, BlockState* state) {
  GroupedRuns& grouped = *state->rare->grouped;
  std::vector<Run>& groups = grouped.groups();
  const auto size = static_cast<uint32_t>(groups.size());
  StepRuns(groups.data(), size);
  if (!FinishStep(groups.data(), size)) return;
  CommitGrouped(&grouped);
  if (!completed_.empty()) CompleteGrouped(grouped, key);
  completed_.clear();
  arena_.Reset();
  grouped.SweepIfDue(FloorAt(context_->ts), block_.limits.partial_matches_per_key);
  UpdateGroupedDue(state);
}

// Makes the children the key's groups, and the complete ones completed_.
void Matcher::CommitGrouped(GroupedRuns* grouped) {
  take_nodes_.assign(takes_, kNoNode);
  new_groups_.clear();
  uint32_t from = 0;
  size_t next = 0;
  for (const Change& change : changes_) {
    for (; from < change.place; ++from) grouped->AddTo(grouped->groups()[from], &new_groups_);
    from = change.place + 1;
    for (; next < change.end; ++next) {
      const Child& child = children_[next];
      if (child.run.rules == 0) continue;
      Run run = child.run;
      if (child.took) {
        uint32_t& node = take_nodes_[child.take];
        if (node == kNoNode) {
          node = grouped->Extend(context_->captured, child.stage, run.node, context_->ts);
        }
        run.node = node;
      }
      if (child.is_final) {
        completed_.push_back(run);
      } else if (child.took && grouped->accepted() > block_.limits.partial_matches_per_key) {
        CountDroppedHere(Limit::kPartialMatchesPerKey, run.rules, grouped->CountPaths(run.node));
      } else {
        grouped->AddTo(run, &new_groups_);
      }
    }
  }
  const std::vector<Run>& groups = grouped->groups();
  for (; from < groups.size(); ++from) grouped->AddTo(groups[from], &new_groups_);
  grouped->groups().swap(new_groups_);
}

// Matches that an event has completed, spelled out.
class Matcher::SpelledMatches {
 public:
  // Events are given from the last to the first.
  void Add(const MatchStore& store, const uint32_t* events, const uint32_t* stages, size_t count,
           uint64_t rules) {
    for (size_t i = count; i-- > 0;) events_.push_back({stages[i], &store.event(events[i])});
    matches_.push_back({events_.size() - count, events_.size(), rules});
  }

  bool is_large() const { return events_.size() > (1 << 20); }

  // Hands them out in order of their events and forgets them.
  template <typename F>
  void Take(F f) {
    const auto comes_before = [](const cep::MatchEvent& x, const cep::MatchEvent& y) {
      return x.event->seq < y.event->seq;
    };
    const cep::MatchEvent* events = events_.data();
    std::stable_sort(matches_.begin(), matches_.end(), [&](const Place& a, const Place& b) {
      return std::lexicographical_compare(events + a.begin, events + a.end, events + b.begin,
                                          events + b.end, comes_before);
    });
    for (const Place& match : matches_) f(events + match.begin, events + match.end, match.rules);
    matches_.clear();
    events_.clear();
  }

 private:
  struct Place {
    size_t begin;
    size_t end;
    uint64_t rules;
  };
  std::vector<Place> matches_;
  std::vector<cep::MatchEvent> events_;
};

// Spells out the matches that the event has completed, by start and then by their events.
void Matcher::CompleteGrouped(const GroupedRuns& grouped, std::string_view key) {
  const int64_t floor = FloorAt(context_->ts);
  ForgetEmitted();
  SpelledMatches spelled;
  const auto report = [&] {
    spelled.Take([&](const cep::MatchEvent* begin, const cep::MatchEvent* end, uint64_t rules) {
      path_.assign(begin, end);
      EmitPath(cep::MatchKind::kMatch, rules, context_->ts, context_->ts, key);
    });
  };
  for (const Run& run : completed_) {
    uint64_t count = 0;
    uint64_t evidence = 0;
    bool is_cut = false;
    const uint64_t too_long = grouped.ForEachPath(
        run.node, floor, block_.limits.events_per_match,
        [&](const uint32_t* events, const uint32_t* stages, size_t size) {
          evidence += size;
          is_cut = count == block_.limits.matches_per_event || evidence > kMaxEvidence;
          if (is_cut) return false;
          ++count;
          spelled.Add(*store_, events, stages, size, run.rules);
          if (spelled.is_large()) report();
          return true;
        });
    if (too_long > 0) CountDroppedHere(Limit::kEventsPerMatch, run.rules, too_long);
    if (!is_cut) continue;
    const uint64_t all = grouped.CountPaths(run.node);
    const uint64_t seen = too_long == UINT64_MAX ? too_long : count + too_long;
    if (all > seen) CountDroppedHere(Limit::kMatchesPerEvent, run.rules, all - seen);
  }
  report();
}

}  // namespace vigil::patterns
