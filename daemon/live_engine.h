// A live job for a rule set and a configuration: sources, shards, outputs, and what is said of
// them.
//
// The job's thread is the caller's. Records go to alerts::Delivery, whose sinks have threads of
// their own; while a sink that blocks has no room, the job reads nothing. At each commit point the
// offsets that everything is delivered for are published to the consumer group. With `state` a
// DurableJob writes the commit points, sinks deliver what is durable, and offsets are published
// once they are. Tests: tests/integration/run_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "alerts/delivery.h"
#include "alerts/rejects.h"
#include "alerts/router.h"
#include "cep/base/clock.h"
#include "cep/base/wakeup.h"
#include "cep/runtime/live_job.h"
#include "daemon/config.h"
#include "daemon/durable_job.h"
#include "daemon/formats.h"
#include "daemon/job_view.h"
#include "daemon/live_sources.h"
#include "daemon/log.h"
#include "daemon/rule_target.h"
#include "daemon/running_rules.h"

namespace vigil::daemon {

class LiveEngine : public RuleTarget, public JobView {
 public:
  // Opens the state, if there is to be one, and the outputs. `log` and `clock` are borrowed.
  // Errors: INVALID_ARGUMENT for what is wrong with properties, others for files and the state.
  static StatusOr<std::unique_ptr<LiveEngine>> Create(const Config& config,
                                                      std::shared_ptr<const rules::RuleSet> rules,
                                                      Log* log, const Clock* clock,
                                                      DurableJobOptions durable = {});
  ~LiveEngine() override;

  // Takes back state, makes the sources and begins to connect.
  Status Start();
  // Runs until the sources have ended or Stop() was called. `after_round` is called on this thread,
  // at least every 50 ms unless a sink's records are being made.
  Status Run(const std::function<void()>& after_round);
  // Thread safe. Reading ends; Run() returns when what was read has gone through.
  void Stop() override { job_->Stop(); }
  // Delivers what waits at the sinks, calling `while_waiting` every 100 ms; false if that took
  // longer than `limit`.
  bool Drain(std::chrono::milliseconds limit, const std::function<void()>& while_waiting);

  // For a control plane: LiveJob::AtBarrier() and status() are thread safe.
  cep::LiveJob* job() { return job_.get(); }
  const alerts::Delivery& delivery() const { return *delivery_; }
  // JobView
  std::string name() const override { return config_.name; }
  std::shared_ptr<const cep::CommitPoint> status() const override { return job_->status(); }
  std::shared_ptr<const JobCounters> Counters() override;
  std::map<std::string, alerts::SinkCounters> sinks() const override;
  std::optional<StateCounters> state_counters() const override;
  // Null without state.
  DurableJob* durable() const { return durable_.get(); }
  Pauses::Counts swaps() const override { return swaps_.counts(); }
  int64_t wall_ms() const override { return clock_->WallMs(); }
  StatusOr<std::string> Checkpoint() override;
  bool is_alive() const override;
  bool is_paused() const override { return is_paused_; }
  void Pause(bool is_paused) override;
  // Alerts raised since the start, by rule, those of removed ones too; the job's thread only.
  std::map<std::string, uint64_t> alerts_by_rule() const;
  // Thread safe: what runs now.
  std::shared_ptr<const RunningRules> rules() const override;
  // Puts `next`, which follows rules(), in their place at one barrier, and waits until it is there.
  // One call at a time; not on the job's thread. Nothing changes upon an error.
  // Errors: FAILED_PRECONDITION where rows that wait cannot be decoded for `next`,
  // DEADLINE_EXCEEDED if the job did not come to it within `limit`, UNAVAILABLE if it has ended,
  // those of FormatMaker::Make().
  Status Activate(std::shared_ptr<const RunningRules> next,
                  std::chrono::milliseconds limit) override;
  void TellRefused(const std::string& why) override;

 private:
  // A commit point whose records are not all delivered.
  struct Unpublished {
    uint64_t sequence;  // the first record after it
    std::shared_ptr<const cep::CommitPoint> point;
  };

  LiveEngine(const Config& config, Log* log, const Clock* clock)
      : config_(config), log_(log), clock_(clock), source_log_(log) {}
  Status OpenSinks();
  StatusOr<std::unique_ptr<alerts::Sink>> OpenSink(const SinkConfig& sink);
  Status OpenDurableSink(const std::string& output, const SinkConfig& sink);
  alerts::RecordWriter* writer() const;
  bool IdleAdvance(const RunningRules& running) const;
  Status Swap(cep::LiveJob* job, const std::shared_ptr<const RunningRules>& next,
              std::vector<ingest::SourceCodec>* codecs);
  // Takes former versions of rules out once they have finished what they began.
  void EndDrained();
  Status EndDrained(cep::LiveJob* job);
  std::shared_ptr<const JobCounters> Count(const cep::LiveJob& job);
  void SetRules(std::shared_ptr<const RunningRules> next);
  Status OnCommit(const cep::CommitPoint& point, std::vector<cep::ShardChanges> changes);
  void OnTimeEvent(const cep::TimeEvent& event, const cep::Partition& partition);
  void PublishDelivered();
  void Publish(const cep::CommitPoint& point);
  void Audit(std::string_view what, const std::vector<LogField>& fields);
  void WriteMetrics(const cep::CommitPoint& point);

  const Config config_;
  Log* log_;
  const Clock* clock_;
  SourceLog source_log_;
  Wakeup wakeup_;
  FormatMaker formats_;  // of whoever calls Start() or Activate()
  std::atomic<bool> has_ended_ = false;
  std::atomic<bool> is_paused_ = false;
  std::atomic<int64_t> last_round_ms_ = -1;      // steady clock; -1: the job does not run yet
  std::mutex counting_;                          // held by whoever waits for new counters
  std::shared_ptr<const JobCounters> counters_;  // guarded by mutex_
  LoadMeter load_;                               // the job's
  Pauses swaps_;
  int64_t counted_ms_ = 0;  // guarded by counting_
  mutable std::mutex mutex_;
  std::shared_ptr<const RunningRules> rules_;  // guarded by mutex_; set by the job's thread
  std::map<std::string, uint64_t> alerts_;     // by rule, before the running rule set; the job's
  std::string boot_;
  std::unique_ptr<alerts::Delivery> delivery_;
  std::unique_ptr<alerts::Rejects> rejects_;
  std::unique_ptr<alerts::Router> router_;
  std::deque<Unpublished> unpublished_;
  std::shared_ptr<const cep::CommitPoint> published_;  // with state
  int64_t last_metrics_ms_ = 0;
  int64_t last_drain_look_ms_ = 0;
  std::unique_ptr<DurableJob> durable_;  // null without state
  std::unique_ptr<cep::LiveJob> job_;    // goes first
};

}  // namespace vigil::daemon
