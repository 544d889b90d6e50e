// A live job for a rule set and a configuration: sources, shards, outputs, and what is said of
// them.
//
// The job's thread is the caller's. Records go to alerts::Delivery, whose sinks have threads of
// their own; while a sink that blocks has no room, the job reads nothing. At each commit point the
// offsets that everything is delivered for are published to the consumer group.
// Tests: tests/integration/run_test.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "alerts/delivery.h"
#include "alerts/rejects.h"
#include "alerts/router.h"
#include "cep/base/clock.h"
#include "cep/base/wakeup.h"
#include "cep/runtime/live_job.h"
#include "daemon/config.h"
#include "daemon/live_sources.h"
#include "daemon/log.h"
#include "daemon/pipeline.h"

namespace vigil::daemon {

class LiveEngine {
 public:
  // Opens the outputs. `log` and `clock` are borrowed.
  // Errors: INVALID_ARGUMENT for what is wrong with properties, others for files.
  static StatusOr<std::unique_ptr<LiveEngine>> Create(const Config& config,
                                                      std::shared_ptr<const rules::RuleSet> rules,
                                                      Log* log, const Clock* clock);
  ~LiveEngine();

  // Makes the sources and begins to connect.
  Status Start();
  // Runs until the sources have ended or Stop() was called. `after_round` is called on this thread,
  // at least every 50 ms unless a sink's records are being made.
  Status Run(const std::function<void()>& after_round);
  // Thread safe. Reading ends; Run() returns when what was read has gone through.
  void Stop() { job_->Stop(); }
  // Delivers what waits at the sinks, calling `while_waiting` every 100 ms; false if that took
  // longer than `limit`.
  bool Drain(std::chrono::milliseconds limit, const std::function<void()>& while_waiting);

  // For a control plane: LiveJob::AtBarrier() and status() are thread safe.
  cep::LiveJob* job() { return job_.get(); }
  const alerts::Delivery& delivery() const { return *delivery_; }
  // Alerts raised, by rule; the job's thread only.
  const std::vector<uint64_t>& alerts_by_rule() const { return router_->alerts_by_rule(); }
  const Pipeline& pipeline() const { return pipeline_; }

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
  bool IdleAdvance() const;
  Status OnCommit(const cep::CommitPoint& point);
  void OnTimeEvent(const cep::TimeEvent& event, const cep::Partition& partition);
  void PublishDelivered();
  void Audit(std::string_view what, const std::vector<LogField>& fields);
  void WriteMetrics(const cep::CommitPoint& point);

  const Config config_;
  Log* log_;
  const Clock* clock_;
  SourceLog source_log_;
  Wakeup wakeup_;
  Pipeline pipeline_;
  std::string boot_;
  std::unique_ptr<alerts::Delivery> delivery_;
  std::unique_ptr<alerts::Rejects> rejects_;
  std::unique_ptr<alerts::Router> router_;
  std::deque<Unpublished> unpublished_;
  int64_t last_metrics_ms_ = 0;
  std::unique_ptr<cep::LiveJob> job_;  // goes first
};

}  // namespace vigil::daemon
