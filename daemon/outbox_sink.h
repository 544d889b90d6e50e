// One sink of an output, reading durable records from the outbox.
//
// A thread of its own reads from the sink's place on, delivers the records of its output, and moves
// the place, which the next commit notes. A transactional sink keeps the place at its target, which
// is asked for at the start and after every failure; any other sink may be given records again
// after a crash: those that were delivered since the last commit.
// Tests: tests/daemon/outbox_sink_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "alerts/sink.h"
#include "alerts/sink_queue.h"
#include "daemon/durable_state.h"

namespace vigil::daemon {

// What to do about a sink's target that is ahead of the state: an older checkpoint was restored, or
// the state was deleted.
enum class AfterRollback : uint8_t {
  kRefuse,
  // Go on from the state's end, but do not deliver again what the target has: it is asked for the
  // ids of what the state does not know of. Of sinks whose targets cannot be asked: as kRedeliver.
  kSkipDelivered,
  kRedeliver,  // go on from the state's end: what is raised again is delivered again
};

struct OutboxSinkOptions {
  std::string name;  // JOB/OUTPUT/NAME
  std::string output;
  std::string key_field;
  bool drops_when_full = false;
  AfterRollback after_rollback = AfterRollback::kRefuse;
  std::chrono::milliseconds backoff_min{100};
  std::chrono::milliseconds backoff_max{5'000};
  // With what the sink fails, and with OK once it works again.
  std::function<void(const std::string& sink, const Status&)> on_failure;
  // What no retry can mend: the job is to end. Called once at most.
  std::function<void(const Status&)> on_fatal;
  // A change of is_ready() or of what is delivered.
  std::function<void()> on_progress;
  // Takes a record that the target refuses for good, and returns once that is durable; false if it
  // never will be.
  std::function<bool(const alerts::Outgoing& record)> dead_letter;
};

// Thread safety: all may be called by any thread.
class OutboxSink {
 public:
  // One of `plain` and `transactional` is null. `state` is borrowed.
  OutboxSink(OutboxSinkOptions options, DurableState* state, std::unique_ptr<alerts::Sink> plain,
             std::unique_ptr<alerts::TransactionalSink> transactional);
  // What has not been delivered by then stays in the outbox.
  ~OutboxSink();

  // Its place is known and checked; until all sinks are ready the job may neither read nor commit.
  bool is_ready() const { return is_ready_; }
  SinkPlace place() const;
  // Waits until all that is durable is delivered; false if that took longer than until `deadline`.
  bool Drain(std::chrono::steady_clock::time_point deadline);
  // Delivery ends as soon as it can, with what is under way.
  void GiveUp();
  alerts::SinkCounters counters() const;
  const std::string& name() const { return options_.name; }

 private:
  struct Batch {
    std::vector<alerts::Outgoing> records;
    uint64_t end = 0;  // behind the last that was looked at
  };

  void Work();
  Status Begin();
  StatusOr<state::OutboxPosition> TransactionalPlace(bool is_first);
  Status FindSkipped();
  StatusOr<Batch> Read(uint64_t from);
  Status Deliver(Batch* batch);
  Status DeliverOnce(Batch* batch);
  bool BuryRefused(Batch* batch);
  state::OutboxPosition At(uint64_t sequence) const { return {state_->BootOf(sequence), sequence}; }
  void MoveTo(uint64_t sequence);
  // False if the sink is to end.
  bool WaitBeforeRetry(std::chrono::milliseconds* backoff);

  const OutboxSinkOptions options_;
  DurableState* state_;
  const std::unique_ptr<alerts::Sink> plain_;
  const std::unique_ptr<alerts::TransactionalSink> transactional_;
  uint64_t next_ = 0;         // to be looked at; the thread's
  bool is_open_ = false;      // the transactional sink's; the thread's
  uint64_t repeats_end_ = 0;  // up to here an earlier run may have delivered; the thread's
  std::chrono::steady_clock::time_point renewed_;
  std::set<std::string> skipped_;  // ids of what the target has already; the thread's

  std::atomic<bool> is_ready_ = false;
  std::atomic<bool> is_giving_up_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  state::OutboxPosition position_;  // guarded by mutex_, as the following
  uint64_t looked_at_ = 0;
  bool has_ended_ = false;
  alerts::SinkCounters counters_;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace vigil::daemon
