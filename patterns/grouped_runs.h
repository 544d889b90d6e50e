// One key's partial matches for one block of rules, kept together as far as they behave alike.
//
// Where conditions read the current event only, all partial matches in a state of the automaton do
// the same at every event. They are one group: a node of a graph whose paths are the partial
// matches. An event that a group accepts adds one node in front of the group's, and two groups that
// meet in a state are joined by another, so an event costs the same however many partial matches
// there are; they are spelled out only when they are complete. A node knows the latest start among
// its paths, so what a `within` has ended is skipped where it begins. Nodes that cannot be reached
// any more are swept when there are twice as many as after the last time, so memory is at most
// twice what is needed.
// Source: the union-lists of CORE (Bucchi, Grez, Quintana, Riveros, Vansummeren: "CORE: a Complex
// Event Recognition Engine", VLDB 2022), with sweeping in place of the sliding window's hash
// tables. Thread safety: none; one shard's thread owns it.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "patterns/block_list.h"
#include "patterns/match_store.h"

namespace vigil::patterns {

class GroupedRuns {
 public:
  static constexpr uint32_t kIsUnion = UINT16_MAX;
  // One accepted event before `b`'s paths, or, with stage kIsUnion, the paths of `a` and of `b`,
  // those of `a` with the latest start.
  struct Node {
    int64_t latest_start;
    uint64_t paths : 48;  // saturating
    uint64_t stage : 16;
    uint32_t a;  // the event; a node
    uint32_t b;  // a node, or kNoNode
    bool is_union() const { return stage == kIsUnion; }
  };
  static_assert(sizeof(Node) == 24);
  static constexpr uint64_t kMostPaths = (uint64_t{1} << 48) - 1;

  // How far a graph is from being swept.
  struct Counts {
    uint64_t accepted = 0;    // accepted()
    uint64_t size = 0;        // nodes, also those out of reach
    uint64_t swept_size = 0;  // nodes after the last sweep
  };

  // `store` holds the events and outlives this.
  explicit GroupedRuns(MatchStore* store) : store_(store), nodes_(store->memory()) {}
  GroupedRuns(const GroupedRuns&) = delete;
  GroupedRuns& operator=(const GroupedRuns&) = delete;
  ~GroupedRuns();

  // The groups: runs of which only `rules`, `state` and `node` (a node of this graph) count. No two
  // have both state and rules in common.
  std::vector<Run>& groups() { return groups_; }
  const std::vector<Run>& groups() const { return groups_; }

  // The paths of `child` (kNoNode: the empty one) with `event` behind them; takes a reference to
  // the event. `start` is the event's time, which counts for the empty path.
  uint32_t Extend(uint32_t event, uint32_t stage, uint32_t child, int64_t start);
  // The paths of both.
  uint32_t Union(uint32_t a, uint32_t b);
  // The latest start among the node's paths, ms.
  int64_t LatestStart(uint32_t node) const { return nodes_[node].latest_start; }

  // Puts `run` among `groups`, joined with the one that has its state and rules.
  void AddTo(const Run& run, std::vector<Run>* groups);

  // Accepted events that nodes stand for; some may be out of reach, but no more than an eighth
  // of `most_accepted` if that is exceeded.
  size_t accepted() const { return accepted_; }

  // Sweeps if it is time to. Paths that started at or before `floor` are over. Renumbers the nodes
  // of groups().
  void SweepIfDue(int64_t floor, size_t most_accepted) {
    if (size() >= sweep_at_ ||
        (accepted_ > most_accepted && size() - swept_size_ > most_accepted / 8)) {
      Sweep(floor);
    }
  }
  void Sweep(int64_t floor);

  // The nodes, those that one refers to before it.
  const BlockList<Node>& nodes() const { return nodes_; }
  Counts counts() const { return {accepted_, size(), swept_size_}; }
  // A part of the graph has come back from storage, as `added`: it is swept when what it comes from
  // would have been, as `stored` says.
  void Resume(const Counts& added, const Counts& stored);
  // The paths of both, `a` with the latest start, in a node of their own.
  uint32_t AddUnion(uint32_t a, uint32_t b) { return Add(UnionOf(a, b)); }

  // How many paths the node has, with those that are over as far as they have not been swept;
  // saturates.
  uint64_t CountPaths(uint32_t node) const { return nodes_[node].paths; }

  // Calls f(events, stages, count) for each path of up to `longest` events that started after
  // `floor`: from its last event to the first. f returns false to stop. Returns how many longer
  // paths were met, saturating. Cost: linear in what is handed out.
  template <typename F>
  uint64_t ForEachPath(uint32_t node, int64_t floor, uint32_t longest, F f) const;

 private:
  static constexpr size_t kFirstSweep = 256;

  size_t size() const { return nodes_.size() + gone_nodes_; }
  uint32_t Add(const Node& node);
  Node UnionOf(uint32_t a, uint32_t b) const;

  MatchStore* store_;
  std::vector<Run> groups_;
  BlockList<Node> nodes_;  // those that one refers to come before it
  size_t accepted_ = 0;
  size_t sweep_at_ = kFirstSweep;
  size_t swept_size_ = 0;  // of nodes_ after the last sweep
  // Nodes out of reach that were not stored, and those of them that stand for accepted events: they
  // count until the next sweep.
  size_t gone_nodes_ = 0;
  size_t gone_accepted_ = 0;
};

template <typename F>
uint64_t GroupedRuns::ForEachPath(uint32_t root, int64_t floor, uint32_t longest, F f) const {
  struct Visit {
    uint32_t node;
    uint32_t depth;
  };
  std::vector<Visit> visits = {{root, 0}};
  std::vector<uint32_t> events;
  std::vector<uint32_t> stages;
  uint64_t too_long = 0;
  while (!visits.empty()) {
    const Visit visit = visits.back();
    visits.pop_back();
    const Node& node = nodes_[visit.node];
    if (node.latest_start <= floor) continue;
    if (node.is_union()) {
      visits.push_back({node.b, visit.depth});
      visits.push_back({node.a, visit.depth});
      continue;
    }
    if (visit.depth == longest) {
      if (__builtin_add_overflow(too_long, node.paths, &too_long)) too_long = UINT64_MAX;
      continue;
    }
    events.resize(visit.depth);
    stages.resize(visit.depth);
    events.push_back(node.a);
    stages.push_back(node.stage);
    if (node.b != kNoNode) {
      visits.push_back({node.b, visit.depth + 1});
    } else if (!f(events.data(), stages.data(), events.size())) {
      break;
    }
  }
  return too_long;
}

}  // namespace vigil::patterns
