// A job: sources in, shards in the middle, one ordered stream of records out.
//
// Reads the sources (the one whose time is furthest behind first), judges each row against its
// partition's watermark, hashes its keys, and hands batches with the engine's watermark to the
// shards: inline when there is one, else one thread each behind a bounded channel. What the shards
// return is merged by (instant, rule, key, id), so that the output does not depend on how many
// there are. Thread safety: one thread drives a job; it starts and joins the shards' threads
// itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/record.h"
#include "cep/runtime/channel.h"
#include "cep/runtime/shard.h"
#include "cep/runtime/source.h"
#include "cep/time/watermark.h"

namespace vigil::cep {

// Where every record of a partition went. read = processed + late + quarantined + rate_limited once
// nothing waits.
struct Ledger {
  uint64_t read = 0;
  uint64_t processed = 0;
  uint64_t late = 0;
  uint64_t quarantined = 0;
  uint64_t rate_limited = 0;
};

// A partition that takes part from the start: it holds time back until its first row.
struct KnownPartition {
  std::string place;  // Partition::place; partitions with the same place are one
  bool has_end =
      false;  // `last_offset` is known: having read it, the partition holds time back no longer
  uint64_t last_offset = 0;
  std::string source;  // Partition::source
};

struct JobSource {
  std::unique_ptr<Source> source;
  std::vector<KnownPartition> partitions;  // those that its rows are known to belong to
};

class BatchPool;

// Renders what the source turns away. Called by the job's thread.
class RejectRenderer {
 public:
  virtual ~RejectRenderer() = default;
  virtual Record RenderLate(const Batch& batch, uint32_t row, int64_t watermark) = 0;
  virtual Record RenderRejected(const Rejected& rejected, int64_t watermark) = 0;
};

struct JobOptions {
  uint32_t shards = 1;
  int64_t disorder_ms = 0;
  std::map<std::string, int64_t> disorder_ms_by_source;  // in its place for partitions of these
  std::shared_ptr<const Layout> layout;
  std::vector<KeyExpr> key_exprs;
  // For each rule the key expressions of which one at least must give a key for the rule to see a
  // row.
  std::vector<std::vector<uint32_t>> rule_keys;
};

class Job {
 public:
  using MakeOperator = std::function<std::unique_ptr<Operator>()>;
  using MakeSink = std::function<std::unique_ptr<RecordSink>()>;
  // Receives records in their final order. An error ends the job.
  using Output = std::function<Status(std::vector<Record>)>;
  // Called after every batch.
  using Progress = std::function<void(const Job&)>;

  Job(JobOptions options, std::vector<JobSource> sources, const MakeOperator& make_operator,
      const MakeSink& make_sink, RejectRenderer* rejects, Output output);
  ~Job();

  // Runs to the end of all sources and moves time to its end.
  // Errors: what a source or the output failed with.
  Status Run(const Progress& progress);

  const Ledger& ledger() const { return total_; }
  int64_t watermark() const { return engine_watermark_; }
  // Rows that a rule did not see for want of a key, by rule.
  std::vector<uint64_t> no_key() const;
  // The shards' operators, for counters; valid when Run() has returned.
  std::vector<const Operator*> operators() const;

 private:
  struct PartitionState {
    BoundedWatermark watermark;
    Ledger ledger;
    KnownPartition known;
    bool is_active = false;  // takes part in the minimum
  };
  // Rules that are seen by a row through the same keys, and how many rows had none of them.
  struct KeyUse {
    std::vector<uint32_t> keys;
    std::vector<size_t> rules;
    uint64_t missing = 0;
  };
  struct SourceState {
    JobSource spec;
    bool has_ended = false;
  };
  struct ShardThread {
    std::unique_ptr<Shard> shard;
    std::unique_ptr<Channel<std::shared_ptr<const RoutedBatch>>> in;
    std::unique_ptr<Channel<std::vector<Record>>> out;
    std::thread thread;
  };

  BoundedWatermark NewWatermark(const std::string& source) const;
  SourceState* NextSource();
  Status ReadBatch(SourceState* source);
  void JudgeRows(const Batch& batch, RoutedBatch* routed, std::vector<Record>* turned_away);
  uint32_t JudgeRun(const Batch& batch, uint32_t row, uint32_t end, RoutedBatch* routed,
                    std::vector<Record>* turned_away);
  void TurnAway(const Rejected& rejected, std::vector<Record>* turned_away);
  void CountMissingKeys(const Batch& batch, const RowBits& in_time);
  PartitionState& StateOf(const Partition& partition);
  void MoveEngineWatermark(const PartitionState& state);
  int64_t MinimumOfOthers(const PartitionState* except) const;
  void NoteEnd(uint64_t offset, PartitionState* state);
  void UpdateEngineWatermark();
  Status Dispatch(RoutedBatch routed, std::vector<Record> turned_away);
  Status MergeReady(bool wait_for_all);
  Status Emit(std::vector<std::vector<Record>> streams);
  std::shared_ptr<Batch> NewBatch();
  void StopThreads();

  JobOptions options_;
  std::vector<SourceState> sources_;
  RejectRenderer* rejects_;
  Output output_;
  std::vector<ShardThread> shards_;
  std::map<std::string, PartitionState> partitions_;  // by place
  std::unordered_map<const Partition*, PartitionState*> state_of_;
  const Partition* last_partition_ = nullptr;  // StateOf()'s last answer
  PartitionState* last_state_ = nullptr;
  // The minimum of the watermarks of all partitions but `others_except_`, while that is the one
  // whose rows are judged.
  const PartitionState* others_except_ = nullptr;
  int64_t others_minimum_ = kMinTime;
  int64_t engine_watermark_ = kMinTime;
  int64_t newest_ts_ = kMinTime + 1;
  Ledger total_;
  std::vector<KeyUse> key_uses_;
  std::deque<std::vector<Record>> turned_away_;  // per dispatched batch that is not merged yet
  std::vector<std::deque<std::vector<Record>>> pending_;  // per shard, in order of batches
  std::shared_ptr<BatchPool> pool_;
};

}  // namespace vigil::cep
