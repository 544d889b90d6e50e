// Memory of partial matches: runs, the paths of events they have accepted, and the events
// themselves.
//
// A path is a chain of nodes from the latest event to the first; matches that share a beginning
// share its nodes. Nodes and events are reference-counted. Most partial matches hold one event and
// need no node: the path's name says which event it is, of which stage. Thread safety: none; one
// shard's thread owns a store.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

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
  uint32_t node = kNoNode;  // the last one of its path
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

// An event with what its memory is managed by. Its text follows, padded, then its values, and if
// its shape says so what these point to.
struct StoredEvent : cep::CapturedEvent {
  uint32_t refs = 1;
};
static_assert(sizeof(StoredEvent) == 48);

// An event from storage; all of it is borrowed.
struct AdoptedEvent {
  int64_t ts = 0;
  const cep::Partition* partition = nullptr;  // one of MatchStore::Intern()
  uint64_t offset = 0;
  uint64_t seq = 0;  // below kFirstSequence
  std::string_view json;
  std::span<const cep::Value> values;  // by slot
};

class MatchStore {
 public:
  MatchStore() = default;
  MatchStore(const MatchStore&) = delete;
  MatchStore& operator=(const MatchStore&) = delete;

  // A node for `event` after `parent`, with no references yet, which must get one; takes references
  // to both.
  uint32_t AddNode(uint32_t event, uint32_t parent, uint32_t stage) {
    const bool is_single = parent == kNoNode && stage < kMostStage && event >> kStageShift == 0;
    return is_single ? kSingle | stage << kStageShift | event : AddLongPath(event, parent, stage);
  }
  void Ref(uint32_t node) {
    if (node == kNoNode) return;
    if (IsSingle(node)) {
      ++Stored(EventOfSingle(node)).refs;
    } else {
      ++nodes_[node].refs;
    }
  }
  // Drops a reference; frees what nothing refers to any more. O(nodes freed).
  void Unref(uint32_t node);
  PathNode node(uint32_t id) const {
    if (!IsSingle(id)) return nodes_[id];
    return {EventOfSingle(id), kNoNode, 0, static_cast<uint16_t>(id >> kStageShift & kMostStage),
            1};
  }
  // What a look at the node, and dropping it, will touch first. Always inline: GCC takes a function
  // that only prefetches for one without effect and drops its calls.
  [[gnu::always_inline]] void PrefetchNode(uint32_t node) const { PrefetchNode(node, 64); }
  // ... whose event's first `bytes` will be used again at once.
  [[gnu::always_inline]] void PrefetchNode(uint32_t node, size_t bytes) const {
    if (node == kNoNode) return;
    if (IsSingle(node)) {
      const char* event = memory_.At(EventOfSingle(node));
      for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(event + at, 1);
    } else {
      __builtin_prefetch(&nodes_[node], 1);
    }
  }
  // ... and then: after PrefetchNode().
  [[gnu::always_inline]] void PrefetchEvent(uint32_t node) const {
    if (node != kNoNode && !IsSingle(node)) {
      __builtin_prefetch(memory_.At(nodes_[node].event), 1);
    }
  }
  const cep::CapturedEvent& EventOf(const PathNode& node) const { return Stored(node.event); }
  // The event time of the run's last event; it has one.
  int64_t LastTime(const Run& run) const { return EventOf(node(run.node)).ts; }

  // Bytes of the events that are held.
  size_t event_bytes() const { return event_bytes_; }

  // Before the first of these rows is captured; they are borrowed until the next call.
  void BeginRows(const cep::OrderedBlock& rows);
  // Copies a row, with one reference, the caller's. Returns kNoEvent if the record is not valid as
  // a whole; then `why` says where.
  uint32_t Capture(uint32_t row, std::string* why);
  // An event from storage, with one reference, the caller's: a copy of `from`.
  uint32_t Adopt(const AdoptedEvent& from);
  // A partition with these names that lives as long as the store.
  const cep::Partition* Intern(const cep::Partition& partition);
  // Gives an event from storage another number below kFirstSequence.
  void SetSequence(uint32_t event, uint64_t seq) { Stored(event).seq = seq; }
  // Adds a reference.
  void Keep(uint32_t event) { ++Stored(event).refs; }
  // Drops a reference; kNoEvent is fine.
  void Release(uint32_t event);
  const cep::CapturedEvent& event(uint32_t id) const { return Stored(id); }

  // Memory for lists of runs and nodes of graphs; outlives them.
  BlockAllocator* memory() { return &lists_; }

  // Events that are held.
  size_t live_events() const { return live_events_; }
  // Bytes of all that is held: events, paths, lists.
  size_t bytes() const {
    return event_bytes_ + lists_.counted_bytes() +
           (nodes_.size() - free_nodes_.size()) * sizeof(PathNode);
  }

 private:
  // A path of one event is named by the event, as far as that is among the first 8 GiB and of one
  // of the first stages.
  static constexpr uint32_t kSingle = uint32_t{1} << 31;
  static constexpr uint32_t kStageShift = 29;
  static constexpr uint32_t kMostStage = 3;  // of which no single path is: kNoNode would look so
  static bool IsSingle(uint32_t node) { return (node & kSingle) != 0; }
  static uint32_t EventOfSingle(uint32_t node) { return node & ((uint32_t{1} << kStageShift) - 1); }

  StoredEvent& Stored(uint32_t event) const {
    return *reinterpret_cast<StoredEvent*>(memory_.At(event));
  }
  uint32_t AddLongPath(uint32_t event, uint32_t parent, uint32_t stage);
  // Shapes that have a frame; events of more are not packed.
  static constexpr size_t kMostFramed = 4096;
  // What of a shape is the store's own.
  struct Shape : cep::EventShape {
    // Values point to what lies behind them, whose size is in between.
    bool is_deep = false;
  };
  using Frame = std::shared_ptr<const cep::TextFrame>;

  static size_t SizeOf(const Shape& shape, size_t text_size, size_t deep_size);
  static size_t SizeOf(StoredEvent& event);
  struct Place {
    int64_t ts;
    uint64_t offset;
    uint64_t seq;
  };
  // An event with one reference; its text and values are to be filled in.
  uint32_t NewEvent(const Shape& shape, const Place& place, size_t text_size, size_t deep_size);
  void UseLayout(const std::shared_ptr<const cep::Layout>& layout);
  // A slot of the layout that is kept, and its column in the rows at hand.
  struct KeptSlot {
    uint32_t slot;
    uint32_t likely = 0;  // which value of a line it is
    const cep::Column* column = nullptr;
    // Its values, if each row has one, and of 8 bytes; or one, and a text. Else null.
    const uint64_t* fixed = nullptr;
    const std::string_view* texts = nullptr;
    cep::ValueTag tag = {};  // of all fixed ones
  };
  struct Origin {
    const cep::Partition* partition = nullptr;
    const cep::TextFrame* frame = nullptr;
    bool is_deep = false;

    bool operator==(const Origin&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Origin& o) {
      return H::combine(std::move(h), o.partition, o.frame, o.is_deep);
    }
  };
  const Shape& ShapeOf(const cep::Partition* partition, const Frame* frame, bool is_deep);
  const Shape& RememberShape(const Origin& origin, const Frame& frame);
  const Shape& FindShape(const Shape& wanted);
  size_t DeepSizeOf(uint32_t row, std::string_view json) const;
  template <typename F>
  void CopyValues(uint32_t row, std::string_view json, F text_of, StoredEvent* event);
  static size_t PlaceInPacked(cep::Value value, const char* line, const cep::TextFrame& frame,
                              const cep::TextFrame::Sizes& sizes, KeptSlot* kept);

  std::vector<PathNode, LargeAllocator<PathNode>> nodes_;
  std::vector<uint32_t> free_nodes_;
  BlockAllocator memory_{128};  // of the events, by their names
  BlockAllocator lists_{0};     // of runs and of nodes of graphs
  size_t live_events_ = 0;
  size_t event_bytes_ = 0;
  std::map<std::string, Shape> shapes_;
  size_t framed_ = 0;  // of shapes_

  // Of Capture(): the rows, their layout, and its slots that are kept.
  const cep::OrderedBlock* rows_ = nullptr;
  std::shared_ptr<const cep::Layout> layout_;
  std::vector<KeptSlot> kept_;
  uint32_t first_slot_ = 0;
  uint32_t value_count_ = 0;  // from there on to the last one
  // ... the shapes of its rows, and the one of the last row.
  struct KnownShape {
    Frame frame;  // which therefore is at this address alone
    const Shape* shape;
  };
  absl::flat_hash_map<Origin, KnownShape> known_shapes_;
  Origin last_origin_;
  const Shape* last_shape_ = nullptr;
  std::string json_;  // scratch
  // Of Adopt(): the last one's, of which the next one mostly is.
  const Shape* adopted_shape_ = nullptr;
  // Partitions of events that came back from storage; a source's own are its.
  std::map<std::string, std::unique_ptr<cep::Partition>> partitions_;
};

}  // namespace vigil::patterns
