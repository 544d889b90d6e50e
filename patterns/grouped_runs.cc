#include "patterns/grouped_runs.h"

#include <algorithm>
#include <utility>

namespace vigil::patterns {

GroupedRuns::~GroupedRuns() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].is_union()) store_->Release(nodes_[i].a);
  }
}

uint32_t GroupedRuns::Add(const Node& node) {
  nodes_.push_back(node);
  return static_cast<uint32_t>(nodes_.size() - 1);
}

uint32_t GroupedRuns::Extend(uint32_t event, uint32_t stage, uint32_t child, int64_t start) {
  store_->Keep(event);
  ++accepted_;
  if (child == kNoNode) return Add({start, 1, stage, event, child});
  return Add({nodes_[child].latest_start, nodes_[child].paths, stage, event, child});
}

GroupedRuns::Node GroupedRuns::UnionOf(uint32_t a, uint32_t b) const {
  const uint64_t paths = nodes_[a].paths + nodes_[b].paths;
  return {nodes_[a].latest_start, std::min(paths, kMostPaths), kIsUnion, a, b};
}

uint32_t GroupedRuns::Union(uint32_t a, uint32_t b) {
  if (a == b) return a;
  if (nodes_[a].latest_start < nodes_[b].latest_start) std::swap(a, b);
  if (!nodes_[a].is_union()) return Add(UnionOf(a, b));
  // The first paths stay the first ones; their rest and the other ones are joined behind them.
  const uint32_t first = nodes_[a].a;
  uint32_t rest = nodes_[a].b;
  if (rest == b) return a;
  if (nodes_[rest].latest_start < nodes_[b].latest_start) std::swap(rest, b);
  const uint32_t behind = Add(UnionOf(rest, b));
  return Add(UnionOf(first, behind));
}

void GroupedRuns::AddTo(const Run& run, std::vector<Run>* groups) {
  for (Run& group : *groups) {
    if (group.state != run.state || group.rules != run.rules) continue;
    group.node = Union(group.node, run.node);
    return;
  }
  groups->push_back(run);
}

void GroupedRuns::Resume(const Counts& added, const Counts& stored) {
  gone_nodes_ += stored.size - added.size;
  gone_accepted_ += stored.accepted - added.accepted;
  accepted_ += stored.accepted - added.accepted;
  swept_size_ += stored.swept_size;
  sweep_at_ = std::max(kFirstSweep, 2 * swept_size_);
}

void GroupedRuns::Sweep(int64_t floor) {
  // A node is reached from later ones only: one pass from the last to the first finds all.
  std::vector<uint32_t> place(nodes_.size(), kNoNode);
  constexpr uint32_t kReached = 0;
  const auto reach = [&](uint32_t node) {
    if (node != kNoNode && nodes_[node].latest_start > floor) place[node] = kReached;
  };
  std::erase_if(groups_, [&](const Run& g) { return nodes_[g.node].latest_start <= floor; });
  for (const Run& group : groups_) reach(group.node);
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (place[i] == kNoNode) continue;
    if (nodes_[i].is_union()) reach(nodes_[i].a);
    reach(nodes_[i].b);
  }
  size_t kept = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node node = nodes_[i];
    if (place[i] == kNoNode) {
      if (node.is_union()) continue;
      store_->Release(node.a);
      --accepted_;
      continue;
    }
    if (node.is_union()) {
      node.a = place[node.a];
      // Of the paths behind it none is left: it stands for the first ones only.
      if (place[node.b] == kNoNode) {
        place[i] = node.a;
        continue;
      }
    }
    if (node.b != kNoNode) node.b = place[node.b];
    // What has been swept is not counted any more.
    if (node.is_union()) {
      node.paths = UnionOf(node.a, node.b).paths;
    } else if (node.b != kNoNode) {
      node.paths = nodes_[node.b].paths;
    }
    place[i] = static_cast<uint32_t>(kept);
    nodes_[kept++] = node;
  }
  nodes_.truncate(kept);
  accepted_ -= gone_accepted_;
  gone_nodes_ = gone_accepted_ = 0;
  for (Run& group : groups_) group.node = place[group.node];
  sweep_at_ = std::max(kFirstSweep, 2 * kept);
  swept_size_ = kept;
}

}  // namespace vigil::patterns
