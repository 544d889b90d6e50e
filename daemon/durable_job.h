// What makes a live job durable: its state, the outbox and the sinks that read it, and where a run
// goes on.
//
// LiveEngine has one if the configuration has `state`. Records of an output go to the outbox if one
// of its sinks waits for commits; `audit` and `metrics`, and sinks with `delivery: immediate`, do
// not.
// Tests: tests/integration/state_test.cc, tests/crash/kill_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/delivery.h"
#include "alerts/record_writer.h"
#include "cep/base/wakeup.h"
#include "cep/runtime/live_job.h"
#include "daemon/config.h"
#include "daemon/durable_state.h"
#include "daemon/log.h"
#include "daemon/outbox_sink.h"
#include "daemon/rule_record.h"
#include "daemon/running_rules.h"

namespace vigil::daemon {

struct DurableJobOptions {
  bool accepts_loss = false;
  AfterRollback after_rollback = AfterRollback::kRefuse;
  // For tests: in place of RocksDB at the configured path, and of no kill points.
  std::function<StatusOr<std::unique_ptr<state::Store>>()> open_store;
  std::function<Status(state::KillPoint)> kill_point;
};

// Thread safety: one thread, the job's, but for what is marked.
class DurableJob : public alerts::RecordWriter {
 public:
  // Opens the state of `config`, which has one. All else is borrowed; `wakeup` is notified whenever
  // the job may have to look.
  // Errors: those of OpenRocksDbStore() and CommitLog::Open().
  static StatusOr<std::unique_ptr<DurableJob>> Open(const Config& config, DurableJobOptions options,
                                                    alerts::Delivery* delivery, Wakeup* wakeup,
                                                    Log* log, const Clock* clock);
  ~DurableJob() override;

  // Whether records of the output wait for commits on their way to this sink.
  static bool IsDurable(const std::string& output, const SinkConfig& sink);
  // One of the two is null. Before Resume().
  void AddSink(const std::string& output, const SinkConfig& sink,
               std::unique_ptr<alerts::Sink> plain,
               std::unique_ptr<alerts::TransactionalSink> transactional);

  // What of the stored rules goes on under those that are to run.
  StoredRules Fit(const rules::RuleSet& rules) const;
  // Where the job goes on with `rules`, which follow Fit(); none if it begins. Errors:
  // FAILED_PRECONDITION, DATA_LOSS.
  StatusOr<std::optional<cep::JobResume>> Resume(const RunningRules& rules);
  cep::MakeUnitPacker MakePackers() const;
  // Null where all state stays in memory.
  std::shared_ptr<const cep::UnitReader> MakeReader() const;
  // Once units have been read: the state's threads begin. `ask_for_barrier` is thread safe.
  void Start(std::function<void()> ask_for_barrier);
  // Other rules run from here on.
  void SetRules(const RunningRules& next, int64_t watermark);

  // RecordWriter
  void Write(const std::string& output, const cep::Record& record, std::string_view line) override;

  // As DurableState's.
  void Cut() { state_->Cut(); }
  Status Submit(std::shared_ptr<const cep::CommitPoint> point,
                std::vector<cep::ShardChanges> changes);
  bool IsCommitDue(int64_t since_ms) const { return state_->IsCommitDue(since_ms); }
  // Every sink knows where it stands, and nothing has failed.
  bool MayCommit() const;
  bool HasRoom() const { return MayCommit() && state_->HasRoom(); }
  // Any thread. What ends the job: the state, or a sink, failed for good.
  Status status() const;
  // Any thread. The newest durable point; null before the first.
  std::shared_ptr<const cep::CommitPoint> Committed() const { return state_->Committed(); }
  // Any thread. By the sink's name.
  std::map<std::string, alerts::SinkCounters> sinks() const;
  // Any thread.
  DurableState* state() const { return state_.get(); }

  // Once the job has ended: delivers what is durable, and notes that; false if that took longer
  // than until `deadline`.
  bool Drain(std::chrono::steady_clock::time_point deadline);

 private:
  DurableJob(const Config& config, DurableJobOptions options, alerts::Delivery* delivery,
             Wakeup* wakeup, Log* log)
      : config_(config),
        options_(std::move(options)),
        delivery_(delivery),
        wakeup_(wakeup),
        log_(log) {}
  std::vector<SinkPlace> Places() const;
  void WarnOfForgottenSinks() const;
  bool Bury(const std::string& sink, const std::string& output, const alerts::Outgoing& record);
  void SetFatal(const Status& status);

  const Config config_;
  const DurableJobOptions options_;
  alerts::Delivery* delivery_;
  Wakeup* wakeup_;
  Log* log_;
  uint64_t seed_ = 0;  // of chunks
  RuleRecord rules_;
  std::set<std::string> outputs_;  // those that go to the outbox
  std::function<void()> ask_for_barrier_;
  std::atomic<bool> is_started_ = false;
  std::atomic<bool> is_closing_ = false;
  std::atomic<bool> has_failed_ = false;
  mutable std::mutex mutex_;
  Status fatal_;  // guarded by mutex_
  std::unique_ptr<DurableState> state_;
  std::vector<std::unique_ptr<OutboxSink>> sinks_;
};

}  // namespace vigil::daemon
