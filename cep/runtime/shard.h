// A shard: owns a range of key groups; orders its rows by event time and runs the operators over
// them.
//
// Driven by whoever owns it (a thread of its own, or the source's thread when there is one shard);
// no clock or thread inside. One call per batch: Apply(batch, watermark) → results that are
// complete up to that watermark.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cep/event/expression.h"
#include "cep/event/record.h"
#include "cep/runtime/operator.h"
#include "cep/runtime/shard_state.h"
#include "cep/time/reorder_buffer.h"

namespace vigil::cep {

// A batch on its way to the shards: decoded rows, their keys' hashes, and which of them are in
// time.
struct RoutedBatch {
  std::shared_ptr<const Batch> batch;  // with its key hashes
  RowBits in_time;                     // rows that are not late
  int64_t watermark = 0;               // the engine's, after the whole batch
  int64_t newest_ts = 0;               // of all rows so far, of every partition and shard
  uint64_t barrier = 0;                // number of the barrier behind the batch; 0: none
};

// Where an operator's results become records. One per shard, used by the shard's thread only.
class RecordSink : public MatchSink {
 public:
  // Moves out what has been collected since the last call.
  virtual std::vector<Record> Take() = 0;
};

// A row that waits, and the batch that holds it.
struct HeldRow {
  std::shared_ptr<const Batch> batch;
  uint32_t row = 0;
};

// Makes the operator that follows another; it may take what that one holds.
using RemakeOperator = std::function<std::unique_ptr<Operator>(Operator* before)>;

struct ShardOptions {
  uint32_t index = 0;
  uint32_t count = 1;
  int64_t disorder_ms = 0;
  std::shared_ptr<const Layout> layout;
  size_t key_exprs = 0;
  // Where state above so many bytes is read back from; may be null.
  std::shared_ptr<const UnitReader> unit_reader;
  size_t state_bytes = 0;
};

class Shard {
 public:
  // `packer`: null where no state is kept.
  Shard(const ShardOptions& options, std::unique_ptr<Operator> op, std::unique_ptr<RecordSink> sink,
        std::unique_ptr<UnitPacker> packer = nullptr);

  // Takes back the state of its key groups, before the first row. `first_sequence` is above that of
  // every row before. Errors: the reader's and the operator's.
  Status Restore(const ReadUnits& read, uint64_t first_sequence);
  // Begins a snapshot of what has changed since the one before, which is complete, at a barrier.
  // Only where state is kept.
  void BeginSnapshot(uint64_t barrier);
  bool is_saving() const { return is_saving_; }
  // Goes on with it, by about so many units; returns what it holds, once it is complete or has
  // failed. Rows may come in between.
  std::optional<ShardSnapshot> ContinueSnapshot(size_t units);

  // Takes the rows of `routed` whose keys it owns, moves time to its watermark, and returns what
  // that brought about, in the order of results.
  std::vector<Record> Apply(const RoutedBatch& routed);

  // Appends the rows that wait here for time to pass them, in no particular order; each stays with
  // this shard.
  void AppendWaitingRows(std::vector<HeldRow>* out) const;
  // What it runs becomes what `remake` makes of it. `layout` and `key_exprs` are those of the rows
  // to come. Rows that wait stay, or are forgotten if `forgets_rows`.
  void Swap(const RemakeOperator& remake, std::unique_ptr<RecordSink> sink,
            std::shared_ptr<const Layout> layout, size_t key_exprs, bool forgets_rows);

  const Operator& op() const { return *operator_; }

 private:
  // A batch with rows that still wait or are being processed.
  struct Held {
    std::shared_ptr<const Batch> batch;
    uint32_t rows = 0;
  };

  void AddRows(const RoutedBatch& routed);
  void ProcessReleased();
  void LetGo(const RowSpan& span);
  bool Owns(uint64_t hash) const {
    return hash != kNoKey &&
           (options_.count == 1 || ShardOf(hash, options_.count) == options_.index);
  }
  void LeaveMemory();
  RowBits OwnedRows(const RoutedBatch& routed) const;
  void Gather(const RowSpan* spans, size_t count);

  ShardOptions options_;
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<RecordSink> sink_;
  std::unique_ptr<UnitPacker> packer_;
  bool is_saving_ = false;
  Status save_status_;            // of its beginning
  std::deque<uint64_t> pending_;  // barriers of snapshots that cannot be read yet
  ReorderBuffer reorder_;
  OrderedBlock block_;
  std::vector<RowSpan> released_;
  std::vector<RowSpan> spans_;  // those of block_
  std::vector<Held> held_;      // a handful
  uint64_t sequence_ = 0;
};

}  // namespace vigil::cep
