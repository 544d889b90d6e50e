// The shards of a job and what they give back: batches go in, one ordered stream of records comes
// out.
//
// One shard runs inline; several have a thread each, behind bounded channels. What they return is
// merged by (instant, rule, key) and repetitions are dropped, so that the output does not depend on
// how many there are. A barrier travels behind its batch through every shard; when all have passed
// it, everything before it has been given to the output. Where state is kept, what has changed up
// to it follows: each shard writes it between the batches that come next
// (Operator::BeginSnapshot()). Thread safety: one thread drives it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/record.h"
#include "cep/runtime/channel.h"
#include "cep/runtime/shard.h"
#include "cep/runtime/time_use.h"

namespace vigil::cep {

class ShardGroup {
 public:
  using MakeOperator = std::function<std::unique_ptr<Operator>()>;
  using MakeSink = std::function<std::unique_ptr<RecordSink>()>;
  // Receives records in their final order. An error ends the job.
  using Output = std::function<Status(std::vector<Record>)>;
  // All shards have passed the barrier.
  using OnBarrier = std::function<Status(uint64_t barrier)>;
  // What has changed between it and the one before is complete.
  using OnSnapshot = std::function<Status(uint64_t barrier, std::vector<ShardChanges>)>;

  struct Options {
    uint32_t shards = 1;
    int64_t disorder_ms = 0;  // of the widest partition
    std::shared_ptr<const Layout> layout;
    size_t key_exprs = 0;
    // Called on a shard's thread when it has results, or a snapshot is complete; may be empty.
    std::function<void()> on_result;
    // Where state is kept; may be empty.
    MakeUnitPacker make_packer;
    // As ShardOptions' of all shards together.
    std::shared_ptr<const UnitReader> unit_reader;
    size_t state_bytes = 0;
    const Clock* clock = nullptr;  // of time_uses(); null: nobody asks for them
  };

  ShardGroup(const Options& options, const MakeOperator& make_operator, const MakeSink& make_sink,
             Output output, OnBarrier on_barrier, OnSnapshot on_snapshot);
  ~ShardGroup();

  // As Shard::Restore(), of all shards at a time, before the first batch.
  Status Restore(const ReadUnits& read, uint64_t first_sequence);

  // True if Dispatch() would not wait for a shard.
  bool HasRoom() const;
  // Gives a batch to every shard. `turned_away`, what the source refused with it, is merged with
  // what the batch brings about.
  Status Dispatch(RoutedBatch routed, std::vector<Record> turned_away);
  // Emits the results of every batch that all shards are done with; waits for all if asked to.
  Status MergeReady(bool wait_for_all);
  // Goes on with snapshots, and hands on those that are complete; waits for all if asked to.
  Status Save(bool wait_for_all);
  // A barrier has been sent, and its snapshot is not complete.
  bool IsSaving() const { return !unsaved_.empty(); }
  // Save() has something to do itself.
  bool IsSavingInline() const { return shards_.size() == 1 && shards_[0].shard->is_saving(); }
  // The rows that wait, each once, by partition and offset. Nothing may be under way, no snapshot
  // either, as for Swap().
  std::vector<HeldRow> WaitingRows() const;
  // As Shard::Swap(), of all shards.
  void Swap(const RemakeOperator& remake, const MakeSink& make_sink,
            const std::shared_ptr<const Layout>& layout, size_t key_exprs, bool forgets_rows);
  // Nothing is under way.
  bool IsDrained() const { return under_way_.empty() && !IsSaving(); }
  // Ends the threads. What is under way is lost unless MergeReady(true) came before.
  void Stop();

  // Of each shard, since the start. One that has no thread of its own is never idle. Any thread may
  // call it.
  std::vector<NamedTimeUse> time_uses() const;

  // For counters; valid after Stop(), or while nothing is under way.
  std::vector<const Operator*> operators() const;

 private:
  using Answer = std::vector<Record>;
  struct ShardThread {
    std::unique_ptr<Shard> shard;
    std::unique_ptr<Channel<std::shared_ptr<const RoutedBatch>>> in;
    std::unique_ptr<Channel<Answer>> out;
    std::unique_ptr<Channel<ShardSnapshot>> saved;
    std::thread thread;
    std::unique_ptr<TimeUse> time_use;
  };
  struct UnderWay {
    std::vector<Record> turned_away;
    uint64_t barrier = 0;
  };

  void Run(ShardThread* self, const std::function<void()>& on_result);
  Answer Apply(ShardThread* self, const RoutedBatch& routed) const;
  static bool Continue(ShardThread* self, size_t units);
  Status Finish(std::vector<Answer> answers, UnderWay under_way);
  Status Emit(std::vector<std::vector<Record>> streams);

  Output output_;
  OnBarrier on_barrier_;
  OnSnapshot on_snapshot_;
  bool keeps_state_;
  std::vector<ShardThread> shards_;
  std::deque<UnderWay> under_way_;                // per dispatched batch that is not merged yet
  std::vector<std::deque<Answer>> pending_;       // per shard, in order of batches
  std::deque<uint64_t> unsaved_;                  // barriers whose snapshots are not complete
  uint64_t passed_ = 0;                           // the last barrier that all shards have passed
  std::vector<std::deque<ShardSnapshot>> saved_;  // per shard, in order of barriers
};

}  // namespace vigil::cep
