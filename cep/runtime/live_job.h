// A job over sources that go on: what `vigil run` runs.
//
// One thread drives it, in rounds (Step): it serves the sources, finds out which partitions are
// silent, takes records from the partition whose time is furthest behind, judges each row, and
// hands a batch to the shards (shard_group.h) when it is full or old enough. Every
// `commit_interval_ms` a barrier follows; when it has passed all shards, a CommitPoint says exactly
// where the job stood at it. A barrier holds nobody up: what a commit holds beside positions (which
// rows wait, and state) is put together in the rounds that follow, and there is one commit at a
// time. Nothing is queued without a limit: where shards or outputs have no room, or accepted rows
// take too much memory, records stay with their sources.
// A job that goes on from a commit (JobResume) first reads again what waited then, and nothing
// else: those rows are used as they were judged, without being judged, counted or heard again, and
// E stands still meanwhile. No barrier comes before that is done.
// Thread safety: Stop(), AtBarrier(), AtRest(), AskForBarrier() and status() may be called by any
// thread; all else belongs to the thread that drives the job. Tests: tests/cep/live_job_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/clock.h"
#include "cep/base/status.h"
#include "cep/base/wakeup.h"
#include "cep/event/expression.h"
#include "cep/runtime/batch_pool.h"
#include "cep/runtime/job_resume.h"
#include "cep/runtime/key_usage.h"
#include "cep/runtime/ledger.h"
#include "cep/runtime/live_source.h"
#include "cep/runtime/reject_renderer.h"
#include "cep/runtime/shard_group.h"
#include "cep/runtime/time_use.h"
#include "cep/time/live_time.h"

namespace vigil::cep {

struct LiveInput {
  std::unique_ptr<LiveSource> source;
  PartitionTimeOptions time;
  int64_t max_future_ms = 60'000;
  bool drains = true;  // once all of it has ended, time may move to its end
  std::string name;    // of the source; needed where a job may go on from a commit
  // Only rows for which this is true move the watermark, to their time; null: every row does.
  std::shared_ptr<const Expression> punctuated;
};

// Where a partition stands at a barrier.
struct PartitionPoint {
  size_t input = 0;
  size_t index = 0;  // in its source
  const Partition* partition = nullptr;
  uint64_t next_offset = 0;       // U: the next one to read
  uint64_t waiting_from = 0;      // R: the lowest offset that still waits; U if there is none
  std::vector<uint64_t> waiting;  // offsets in [R, U) that were accepted and not applied, in order
  // Where state is kept, of a source that keeps rows: those of `waiting` that have been read since
  // the barrier before.
  std::vector<KeptRow> kept;
  int64_t watermark = kMinTime;  // W
  bool is_idle = false;
  int64_t end_offset = -1;
  RecordMark last;  // the last one that was read
  Ledger ledger;
  // Since the barrier before: offsets of records that were quarantined by what a clock said.
  std::vector<uint64_t> refused;
};

// What a commit would hold of the job. Everything that is before it has been given to the output.
struct CommitPoint {
  uint64_t number = 0;
  int64_t watermark = kMinTime;  // E: every shard has applied every row and timer up to it
  int64_t newest_ts = kMinTime;
  int holder = -1;  // the partition that holds E, in `partitions`; -1: none
  bool is_final = false;
  std::vector<PartitionPoint> partitions;
  // Since the barrier before; TimeEvent::partition is an index in `partitions`.
  std::vector<TimeEvent> time_events;

  Ledger total() const {
    Ledger sum;
    for (const PartitionPoint& point : partitions) sum.Add(point.ledger);
    return sum;
  }
};

struct LiveJobOptions {
  uint32_t shards = 1;
  std::shared_ptr<const Layout> layout;
  std::vector<KeyExpr> key_exprs;
  std::vector<std::vector<uint32_t>> rule_keys;  // KeyUsage
  bool idle_advance = false;
  int64_t commit_interval_ms = 200;
  // Accepted rows that wait may take so many bytes before only the slowest partition is read on.
  size_t waiting_bytes_max = size_t{256} << 20;
  std::optional<JobResume> resume;
  MakeUnitPacker make_packer;  // where state is kept; may be empty
  // State of more bytes than these leaves memory for where it is kept; may be null.
  std::shared_ptr<const UnitReader> unit_reader;
  size_t state_bytes = 0;
};

// What a job runs from a swap on.
struct LiveRules {
  std::shared_ptr<const Layout> layout;
  std::vector<KeyExpr> key_exprs;
  std::vector<std::vector<uint32_t>> rule_keys;  // KeyUsage
  bool idle_advance = false;
  RemakeOperator remake;
  ShardGroup::MakeSink make_sink;
};

// Whom a job tells. All are called by the thread that drives it.
struct LiveJobCallbacks {
  ShardGroup::Output output;
  // A barrier has passed: all that was given to the output so far is its commit's, and nothing that
  // comes later; may be empty.
  std::function<void()> on_barrier;
  // All is known that this commit holds; with what the shards changed since the one before. Before
  // the next barrier.
  std::function<Status(const CommitPoint&, std::vector<ShardChanges>)> on_commit;
  // Whether a barrier is due, so many milliseconds after the one before; empty: after
  // `commit_interval_ms`.
  std::function<bool(int64_t since_ms)> is_commit_due;
  // Whether a barrier may come at all now; empty: always. Changes and the end of the job wait for
  // it, but for Stop(), which then ends without a last one.
  std::function<bool()> may_commit;
  // False: outputs have no room, so nothing more is read.
  std::function<bool()> has_room;
  // Something happened to a partition's time; the partition is named with its input's source.
  std::function<void(const TimeEvent&, const Partition&)> on_time_event;
};

class LiveJob {
 public:
  LiveJob(LiveJobOptions options, std::vector<LiveInput> inputs,
          const ShardGroup::MakeOperator& make_operator, const ShardGroup::MakeSink& make_sink,
          RejectRenderer* rejects, LiveJobCallbacks callbacks, const Clock* clock, Wakeup* wakeup);
  ~LiveJob();

  // Takes back state, then connects the sources. Errors: those of LiveSource::Start(), and what
  // state could not be taken back for.
  Status Start();
  // One round. `more`: there may be more to do at once. Errors: of a source, the output, on_commit.
  Status Step(bool* more);
  // Rounds until the sources have ended or Stop() was called; then a last barrier.
  // `after_round` is called after each.
  Status Run(const std::function<void()>& after_round);
  // All sources have ended and the last barrier has passed.
  bool is_done() const { return is_done_; }

  // Reading ends; what has been read goes through, time stays where it stands.
  void Stop();
  // `change` is called by the driving thread while all shards stand at one barrier, of which the
  // commit has been handed on, and nothing is under way: the place to swap what they run.
  void AtBarrier(std::function<Status(LiveJob*)> change);
  // For who only looks: `look` is called by the driving thread when nothing is under way. It takes
  // no barrier, but waits until what the last one has saved is complete.
  void AtRest(std::function<void(const LiveJob&)> look);
  // Thread safe. A barrier is to come when it may, although nothing has been read.
  void AskForBarrier();

  // Whether the rows that wait could stay as they are when these rules come.
  bool KeepsRows(const LiveRules& rules) const;
  // Only from within a change: the old rules have seen everything up to E, the new ones see
  // everything later. Unless KeepsRows(), the rows that wait are decoded again, for the layout of
  // `rules`, by their sources, which must have been made ready for it.
  Status Swap(LiveRules rules);

  // What the driving thread, `job`, and the shards have done with their time; any thread may ask. A
  // shard without a thread of its own is part of the job's.
  std::vector<NamedTimeUse> time_uses() const;
  // Only from within a change: when the rounds stopped for it, as the clock's SteadyUs() says.
  int64_t change_began_us() const { return change_began_us_; }

  // As of the last commit handed on; null before the first.
  std::shared_ptr<const CommitPoint> status() const;
  std::vector<uint64_t> no_key() const { return keys_.no_key(); }
  std::vector<const Operator*> operators() const { return shards_->operators(); }
  int64_t watermark() const { return time_.engine(); }
  const std::vector<LiveInput>& inputs() const { return inputs_; }

 private:
  struct PartitionState {
    size_t input;
    size_t index;  // in its source
    Ledger ledger;
    bool has_ended = false;
    int64_t heard_ms = 0;  // silence before this has been counted
    // Of a partition that goes on from a commit: what is below `next_offset` has been read before,
    // and is used if and only if it is in `waiting`.
    std::optional<ResumedPartition> resumed;
    size_t read_again = 0;          // of resumed->waiting
    uint64_t lost = 0;              // of LivePartition::lost, counted
    std::vector<uint64_t> refused;  // as PartitionPoint's
  };
  struct OpenBatch {
    std::shared_ptr<Batch> batch;
    RoutedBatch routed;
    std::vector<Record> turned_away;
    size_t input = 0;
    int64_t since_ms = 0;  // when its first record came
    int64_t newest_ts = kMinTime;
    size_t bytes = 0;
    bool is_empty() const { return batch->rows == 0 && batch->rejected.empty(); }
  };

  const LivePartition& Of(const PartitionState& state) const {
    return inputs_[state.input].source->partitions()[state.index];
  }
  Status ServeSources();
  void AddPartitions();
  void AddPartition(size_t input, const LivePartition& found);
  Status NoteCaughtUp();
  void Listen(int64_t now_ms);
  void NoteEnds();
  bool Fill(int64_t now_ms);
  int NextPartition() const;
  void ReleaseStuck();
  size_t ReadFrom(uint32_t partition, int64_t now_ms);
  void TakeAgain(uint32_t partition, uint32_t* row, size_t* rejected);
  void Judge(uint32_t partition, uint32_t first_row, size_t first_rejected);
  void JudgeRow(uint32_t partition, uint32_t row, int64_t clock_ms);
  bool IsMark(const Expression& punctuated, uint32_t row);
  void NoteLost();
  void TurnAway(const Rejected& rejected, uint32_t partition);
  bool IsFlushDue(int64_t now_ms) const;
  Status Flush(bool with_barrier);
  bool MayCommit() const;
  PartitionPoint PointOf(uint32_t partition) const;
  void KeepRows(const std::vector<std::shared_ptr<const Batch>>& batches, CommitPoint* point) const;
  Status ContinueCommit(size_t batches);
  void FindWaiting(size_t batches);
  Status HandOnCommit();
  Status CommitNow();
  Status RunChanges();
  Status RunLooks();
  Status SendAgain(const std::vector<HeldRow>& rows);
  Status Finish();
  void NewOpenBatch();
  uint64_t NextOffsetOf(uint32_t partition) const;
  void TellTimeEvents(std::optional<uint64_t> offset = std::nullopt);
  void ForgetApplied();

  LiveJobOptions options_;
  std::vector<LiveInput> inputs_;
  RejectRenderer* rejects_;
  LiveJobCallbacks callbacks_;
  const Clock* clock_;
  Wakeup* wakeup_;
  LiveTime time_;
  KeyUsage keys_;
  std::shared_ptr<BatchPool> pool_;
  std::vector<PartitionState> partitions_;      // by number in time_
  std::vector<std::vector<uint32_t>> numbers_;  // per input: the numbers of its partitions
  OpenBatch open_;
  size_t batch_bytes_ = 0;  // that a batch takes, however few rows it holds
  int64_t linger_ms_ = 0;   // how long a batch waits for more rows
  // A batch with rows that the engine's watermark has still to pass.
  struct WaitingBatch {
    std::shared_ptr<const Batch> batch;
    RowBits in_time;
    int64_t newest_ts = kMinTime;
    size_t bytes = 0;
  };
  void AddWaiting(const RoutedBatch& routed, int64_t newest_ts, size_t bytes);
  std::vector<std::shared_ptr<const WaitingBatch>> waiting_;  // a heap, the oldest on top
  size_t waiting_bytes_ = 0;
  int64_t newest_ts_ = kMinTime + 1;
  int64_t sent_engine_ = kMinTime;  // E as the shards know it
  int64_t last_step_ms_ = -1;
  int64_t last_flush_ms_ = 0;
  int64_t last_barrier_ms_ = 0;
  int64_t wall_ms_ = 0;        // of this round
  Arena arena_;                // scratch of IsMark()
  bool could_listen_ = false;  // the last round took all it could get
  bool had_room_ = true;       // the last round could have read
  TimeUse time_use_;
  int64_t change_began_us_ = 0;
  int64_t all_heard_ms_ = 0;  // as PartitionState's, for all together
  bool has_changed_ = false;  // since the last barrier
  bool is_started_ = false;
  bool is_done_ = false;
  uint64_t barriers_ = 0;
  // A barrier that was sent, of which the commit has not been handed on.
  struct SentPoint {
    CommitPoint point;
    std::vector<std::shared_ptr<const Batch>> batches;  // since the one before, to keep rows of
    std::vector<std::shared_ptr<const WaitingBatch>> waiting;
    size_t looked_at = 0;  // of `waiting`
    std::optional<std::vector<ShardChanges>> changes;
  };
  std::optional<SentPoint> sent_;
  std::vector<std::shared_ptr<const Batch>> unkept_;  // since the last barrier, as above
  std::vector<TimeEvent> time_events_;                // since the last barrier
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> is_barrier_asked_for_ = false;
  mutable std::mutex mutex_;
  std::vector<std::function<Status(LiveJob*)>> changes_;    // guarded by mutex_
  std::vector<std::function<void(const LiveJob&)>> looks_;  // guarded by mutex_
  std::shared_ptr<const CommitPoint> status_;               // guarded by mutex_
  std::unique_ptr<ShardGroup> shards_;  // goes first: its batches need the sources
};

}  // namespace vigil::cep
