// Memory of partial matches: runs, the paths of events they have accepted, and the events
// themselves.
//
// A path is a chain of nodes from the latest event to the first; matches that share a beginning
// share its nodes. Nodes and events are reference-counted through small tables, so that dropping a
// partial match does not touch the memory of its events, which by then is out of the cache. Thread
// safety: none; one shard's thread owns a store.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/large_memory.h"
#include "cep/event/captured_event.h"
#include "cep/runtime/ordered_block.h"
#include "patterns/block_allocator.h"

namespace vigil::patterns {

inline constexpr uint32_t kNoNode = UINT32_MAX;
inline constexpr uint32_t kNoEvent = UINT32_MAX;
// Sequence numbers of events start here; those below are given to events that come back from
// storage, so that every later event is behind them.
inline constexpr uint64_t kFirstSequence = uint64_t{1} << 40;

inline constexpr uint32_t kRunOperands = 2;

// A partial match, for one or several rules of a block.
struct Run {
  uint64_t rules = 0;      // the rules of the block for which it stands
  int64_t start_ts = 0;    // event time of its first event
  uint64_t start_seq = 0;  // the first event's number in the shard's order
  // What its state compares the current event with (StageComparison), encoded: so that most partial
  // matches that an event leaves alone can be told without a look at their events.
  uint64_t operands[kRunOperands] = {};
  uint32_t node = kNoNode;  // its path
  uint16_t state = 0;
  uint16_t known = 0;  // the operands that are set, a bit each
  // Of a match that time has completed: operands[0] is when.
  static constexpr uint16_t kCompletedByTime = 1 << 15;
};
static_assert(sizeof(Run) == 48);

// One accepted event on a path.
struct PathNode {
  uint32_t event = kNoEvent;
  uint32_t parent = kNoNode;
  uint32_t refs = 0;
  uint16_t stage = 0;
  uint16_t length = 0;  // events on the path, saturating
};
static_assert(sizeof(PathNode) == 16);

class MatchStore {
 public:
  MatchStore() = default;
  MatchStore(const MatchStore&) = delete;
  MatchStore& operator=(const MatchStore&) = delete;
  ~MatchStore();

  // A node for `event` after `parent`, with no references yet; takes references to both.
  uint32_t AddNode(uint32_t event, uint32_t parent, uint32_t stage);
  void Ref(uint32_t node) {
    if (node != kNoNode) ++nodes_[node].refs;
  }
  // Drops a reference; frees what nothing refers to any more. O(nodes freed).
  void Unref(uint32_t node);
  const PathNode& node(uint32_t id) const { return nodes_[id]; }
  void PrefetchNode(uint32_t node) const {
    if (node != kNoNode) __builtin_prefetch(&nodes_[node], 1);
  }
  // Reads the node: after PrefetchNode().
  void PrefetchEvent(uint32_t node) const {
    if (node != kNoNode) __builtin_prefetch(&events_[nodes_[node].event], 1);
  }
  const cep::CapturedEvent& EventOf(const PathNode& node) const {
    return *events_[node.event].event;
  }
  // The event time of the run's last event; it has one.
  int64_t LastTime(const Run& run) const { return EventOf(nodes_[run.node]).ts; }

  // Bytes of the events that are held.
  size_t event_bytes() const { return event_bytes_; }

  // Copies the row, with one reference, the caller's. Returns kNoEvent if the record is not valid
  // as a whole; then `why` says where.
  uint32_t Capture(const cep::OrderedBlock& rows, uint32_t row, std::string* why);
  // An event from storage, with one reference, the caller's: a copy of `from`, whose sequence
  // number is below kFirstSequence and whose partition is one of Intern().
  uint32_t Adopt(const cep::CapturedEvent& from);
  // A partition with these names that lives as long as the store.
  const cep::Partition* Intern(const cep::Partition& partition);
  // Gives an event from storage another number below kFirstSequence.
  void SetSequence(uint32_t event, uint64_t seq) { events_[event].event->seq = seq; }
  // Adds a reference.
  void Keep(uint32_t event) { ++events_[event].refs; }
  // Drops a reference; kNoEvent is fine.
  void Release(uint32_t event);
  const cep::CapturedEvent& event(uint32_t id) const { return *events_[id].event; }

  // Memory for lists of runs; outlives them.
  BlockAllocator* memory() { return &memory_; }

  // All nodes and events, with those that are free: their ids are below.
  size_t node_count() const { return nodes_.size(); }
  size_t event_count() const { return events_.size(); }
  size_t live_nodes() const { return nodes_.size() - free_nodes_.size(); }

 private:
  uint32_t AddEvent(cep::CapturedEvent* event, size_t size);

  struct EventSlot {
    cep::CapturedEvent* event = nullptr;
    uint32_t refs = 0;
    uint32_t size = 0;
  };

  std::vector<PathNode, LargeAllocator<PathNode>> nodes_;
  std::vector<uint32_t> free_nodes_;
  std::vector<EventSlot, LargeAllocator<EventSlot>> events_;
  std::vector<uint32_t> free_events_;
  BlockAllocator memory_;  // of the events and the lists of runs
  size_t event_bytes_ = 0;
  std::string json_;  // scratch of Capture()
  // Partitions of events that came back from storage; a source's own are its.
  std::map<std::string, std::unique_ptr<cep::Partition>> partitions_;
};

}  // namespace vigil::patterns
