// A job: sources in, shards in the middle, one ordered stream of records out.
//
// Reads the sources (the one whose time is furthest behind first), judges each row against its
// partition's watermark, hashes its keys, and hands batches with the engine's watermark to the
// shards (shard_group.h). For inputs that end; live_job.h is for those that go on.
// A job may repeat what a live one did from a commit on (JobOptions::resume). Of what that commit
// had read, only the rows that waited are used, as they were judged; what follows is judged from
// where each partition's time stood. A partition that fell silent, came back or was found later, as
// the live run's journal says, does so at the same record and with the same W; until it comes back
// it holds E at that W, so that no row which the live run accepted is ever behind E. Other rules
// take over at the same E. Thread safety: one thread drives a job; it starts and joins the shards'
// threads itself. Tests: tests/cep/job_test.cc, tests/cep/job_resume_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/status.h"
#include "cep/event/expression.h"
#include "cep/event/record.h"
#include "cep/runtime/job_resume.h"
#include "cep/runtime/key_usage.h"
#include "cep/runtime/ledger.h"
#include "cep/runtime/reject_renderer.h"
#include "cep/runtime/shard_group.h"
#include "cep/runtime/source.h"
#include "cep/time/watermark.h"

namespace vigil::cep {

// A partition that takes part from the start: it holds time back until its first row.
struct KnownPartition {
  std::string place;  // Partition::place; partitions with the same place are one
  bool has_end =
      false;  // `last_offset` is known: having read it, the partition holds time back no longer
  uint64_t last_offset = 0;
  std::string source;                    // Partition::source
  std::optional<uint64_t> first_offset;  // where that is known; what is before it is not there
};

struct JobSource {
  std::unique_ptr<Source> source;
  std::vector<KnownPartition> partitions;  // those that its rows are known to belong to
};

class BatchPool;

// Other rules, for the job's own layout and key expressions.
struct JobSwap {
  int64_t watermark = kMinTime;  // E: those before see what is up to it, these what is later
  std::shared_ptr<const Layout> layout;  // with the columns of the job's
  std::vector<std::vector<uint32_t>> rule_keys;
  RemakeOperator remake;
  ShardGroup::MakeSink make_sink;
  std::function<void()> on_swap;  // all output from here on is theirs
};

struct JobOptions {
  uint32_t shards = 1;
  int64_t disorder_ms = 0;
  std::map<std::string, int64_t> disorder_ms_by_source;  // in its place for partitions of these
  // Only rows for which this is true move the watermark, to their time; null: every row does. By
  // source, and of all others.
  std::map<std::string, std::shared_ptr<const Expression>> punctuated_by_source;
  std::shared_ptr<const Expression> punctuated;
  std::shared_ptr<const Layout> layout;
  std::vector<KeyExpr> key_exprs;
  // For each rule the key expressions of which one at least must give a key for the rule to see a
  // row.
  std::vector<std::vector<uint32_t>> rule_keys;
  // A commit to go on from, which knows every partition of the sources, or else `marks` says when
  // it joined.
  std::optional<JobResume> resume;
  std::vector<MarkedPartition> marks;
  std::vector<JobSwap> swaps;  // in their order
};

class Job {
 public:
  using MakeOperator = ShardGroup::MakeOperator;
  using MakeSink = ShardGroup::MakeSink;
  using Output = ShardGroup::Output;
  // Called after every batch.
  using Progress = std::function<void(const Job&)>;

  Job(JobOptions options, std::vector<JobSource> sources, const MakeOperator& make_operator,
      const MakeSink& make_sink, RejectRenderer* rejects, Output output);

  // Runs to the end of all sources and moves time to its end.
  // Errors: what a source or the output failed with; FAILED_PRECONDITION, naming the partition and
  // the way out, where the sources are not what the commit goes on with.
  Status Run(const Progress& progress);

  const Ledger& ledger() const { return total_; }
  int64_t watermark() const { return engine_watermark_; }
  // Rows that a rule did not see for want of a key, by rule.
  std::vector<uint64_t> no_key() const { return keys_.no_key(); }
  // The shards' operators, for counters; valid when Run() has returned.
  std::vector<const Operator*> operators() const { return shards_->operators(); }

 private:
  // What is known of a partition from a live run.
  struct Past {
    ResumedPartition resumed;
    bool is_known = false;   // at the commit; else it was found later
    bool is_behind = false;  // rows that waited are still to be read again: it holds time at E
    size_t read_again = 0;   // of resumed.waiting
    std::vector<TimeMark> marks;
    size_t next_mark = 0;
    std::vector<OffsetRange> refused;  // MarkedPartition's
  };
  struct PartitionState {
    BoundedWatermark watermark;
    Ledger ledger;
    KnownPartition known;
    bool is_active = false;  // takes part in the minimum
    const Expression* punctuated = nullptr;
    bool has_ended = false;
    std::unique_ptr<Past> past = nullptr;  // null: it begins with this job
  };
  struct SourceState {
    JobSource spec;
    bool has_ended = false;
  };

  Status GoOn();
  Status GoOn(const ResumedPartition& resumed);
  Status CheckPast(const std::string& place, const PartitionState& state) const;
  BoundedWatermark NewWatermark(const std::string& source) const;
  const Expression* PunctuatedOf(const std::string& source) const;
  bool IsMark(const Expression& punctuated, const Batch& batch, uint32_t row);
  SourceState* NextSource();
  Status ReadBatch(SourceState* source);
  void JudgeRows(const Batch& batch, RoutedBatch* routed, std::vector<Record>* turned_away);
  uint32_t JudgeRun(const Batch& batch, uint32_t row, uint32_t end, RoutedBatch* routed,
                    std::vector<Record>* turned_away);
  uint32_t TakeAgain(const Batch& batch, uint32_t row, uint32_t end, PartitionState* state,
                     RoutedBatch* routed);
  void GoPast(uint64_t offset, PartitionState* state);
  void FollowMarks(uint64_t offset, bool joins, PartitionState* state);
  void CatchUp(PartitionState* state);
  void Refuse(const Batch& batch, uint32_t row, PartitionState* state,
              std::vector<Record>* turned_away);
  void TurnAway(const Rejected& rejected, std::vector<Record>* turned_away);
  PartitionState& StateOf(const Partition& partition);
  static const TimeMark* JoinsLater(const Past& past);
  static bool IsRefused(uint64_t offset, const Past& past);
  int64_t HoldOf(const PartitionState& state) const;
  void MoveEngineWatermark(const PartitionState& state);
  int64_t MinimumOfOthers(const PartitionState* except) const;
  void NoteEnd(uint64_t offset, PartitionState* state);
  void UpdateEngineWatermark();
  void EndPartition(PartitionState* state);
  Status EndAll();
  Status Send(RoutedBatch routed, std::vector<Record> turned_away);

  JobOptions options_;
  std::vector<SourceState> sources_;
  RejectRenderer* rejects_;
  std::map<std::string, PartitionState> partitions_;  // by place
  std::unordered_map<const Partition*, PartitionState*> state_of_;
  const Partition* last_partition_ = nullptr;  // StateOf()'s last answer
  PartitionState* last_state_ = nullptr;
  // The minimum of the watermarks of all partitions but `others_except_`, while that is the one
  // whose rows are judged.
  const PartitionState* others_except_ = nullptr;
  int64_t others_minimum_ = kMinTime;
  int64_t engine_watermark_ = kMinTime;
  int64_t sent_watermark_ = kMinTime;  // as the shards know it
  size_t next_swap_ = 0;
  Status failure_;  // of what was read
  int64_t newest_ts_ = kMinTime + 1;
  Arena arena_;  // scratch of IsMark()
  Ledger total_;
  KeyUsage keys_;
  std::unique_ptr<ShardGroup> shards_;
  std::shared_ptr<BatchPool> pool_;
};

}  // namespace vigil::cep
