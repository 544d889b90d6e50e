// The state of a live job on disk: commits, copied in the background, and the outbox that sinks
// read.
//
// The job's thread collects what a commit is to hold and hands it over at each barrier (Submit());
// a thread of its own writes it, so that the job goes on meanwhile; at most one commit is under
// way, and the interval stretches while commits take long (time-and-state rules: to 2 s, then
// back-pressure). Nothing leaves before its commit is synced: sinks see records up to end(), and
// Committed() names the newest point that is durable.
// Tests: tests/daemon/durable_state_test.cc, tests/integration/state_test.cc.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cep/base/clock.h"
#include "cep/base/status.h"
#include "cep/runtime/live_job.h"
#include "daemon/config.h"
#include "daemon/control_journal.h"
#include "daemon/log.h"
#include "daemon/state_counters.h"
#include "state/commit_log.h"

namespace vigil::daemon {

// Where a sink stands, as the next commit is to note it.
struct SinkPlace {
  std::string sink;
  state::OutboxPosition position;
  bool may_drop = false;  // rather than holding the job back
};

struct DurableStateOptions {
  StateConfig config;
  state::CommitLogOptions log;
  // Of all configured sinks; called by the committing thread.
  std::function<std::vector<SinkPlace>()> places;
  // A commit is done, or failed; called by the committing thread.
  std::function<void()> on_commit;
};

class DurableState {
 public:
  // Opens what `store` holds and begins a boot.
  static StatusOr<std::unique_ptr<DurableState>> Open(std::unique_ptr<state::Store> store,
                                                      DurableStateOptions options, Log* log,
                                                      const Clock* clock);
  ~DurableState();
  // Ends the thread; what was submitted is written, with the places of sinks, which must be there
  // yet.
  void Stop();

  // As it was found, before this boot.
  const state::CommitHead& found() const { return found_; }
  uint64_t boot() const { return boot_; }
  // For reading units back; before Start().
  state::CommitLog& log() { return *log_; }
  // Starts the thread: from here on the log is its own.
  void Start();

  // Where a sink begins, before Start(): where it stands by its target, else by the state, else at
  // the outbox's end. Errors: FAILED_PRECONDITION where it cannot go on from there.
  StatusOr<state::OutboxPosition> PlaceOf(const std::string& sink,
                                          const std::optional<state::OutboxPosition>& target) const;
  // Whether the state knows the sink.
  std::optional<state::OutboxPosition> KnownPlace(const std::string& sink) const;

  // ---- The job's thread ----
  void Add(state::OutboxRecord record);
  void AddJournal(JournalKind kind, int64_t watermark, std::string body);
  void SetRuleSet(state::RuleSetText rules) { added_.rules = std::move(rules); }
  // What was added up to here goes with the commit that Submit() hands over next, what comes later
  // with the one after it. Without it a commit has what was added before it is handed over.
  void Cut();
  // Hands over what was added, with where the job stood. Waits only if another commit is still to
  // begin. Errors: what an earlier commit failed with.
  Status Submit(std::shared_ptr<const cep::CommitPoint> point,
                std::vector<cep::ShardChanges> changes);
  // Whether a barrier is due, so long after the last one.
  bool IsCommitDue(int64_t since_ms) const;
  // False while too much waits to become durable.
  bool HasRoom() const;

  // ---- Any thread ----
  // A record that is to go with the next commit; returns its number among such.
  uint64_t AddFromOutside(state::OutboxRecord record);
  // The last barrier of which the commit is durable: its point's number.
  uint64_t durable_barrier() const { return durable_barrier_; }
  // As state::CommitLog's, after the first restorer.
  Status ReadUnits(std::span<const Hash128> first_parts,
                   const std::function<Status(const state::StoredUnit&)>& unit) const {
    return log_->ReadUnits(first_parts, unit);
  }
  // So many of those are durable.
  uint64_t durable_from_outside() const { return outside_durable_; }
  bool HasFromOutside() const;
  // The newest durable point that this boot wrote; null before the first.
  std::shared_ptr<const cep::CommitPoint> Committed() const;
  // Waits until all that was submitted is durable or has failed.
  Status Flush();
  // Writes the places of sinks once more, with all else as it stands. After Flush(), with the job
  // at its end.
  Status CommitPlaces();
  // Also DEADLINE_EXCEEDED once a commit takes longer than it may.
  Status status() const;
  // A write does not come back: Stop() would wait for it.
  bool is_stuck() const { return is_stuck_ && writing_since_ >= 0; }
  // Sequences below it are durable.
  uint64_t end() const { return end_; }
  // Waits until end() is above `sequence`, at most `ms`, or until `is_giving_up`'s owner calls
  // WakeReaders().
  bool WaitPast(uint64_t sequence, int64_t ms);
  void WakeReaders() { changed_.notify_all(); }
  // Up to `max_bytes` of durable records from `sequence` on.
  StatusOr<std::vector<std::pair<uint64_t, state::OutboxRecord>>> ReadOutbox(
      uint64_t sequence, size_t max_bytes) const;
  // Whether the position is one of this state, as it was found or since.
  bool Knows(const state::OutboxPosition& position) const;
  // The boot that gave `sequence`, or will give it.
  uint64_t BootOf(uint64_t sequence) const;
  // A checkpoint now, which is kept as those of the interval are; returns its path. Waits.
  StatusOr<std::string> CheckpointNow();

  StateCounters counters() const;

 private:
  struct Pending {
    std::shared_ptr<const cep::CommitPoint> point;
    state::Commit commit;
    uint64_t outside = 0;  // up to which record from outside it holds
  };

  DurableState(DurableStateOptions options, Log* log, const Clock* clock)
      : options_(std::move(options)), logger_(log), clock_(clock) {}
  void Work();
  Status Write(Pending* pending);
  void TakeFromOutside(Pending* pending);
  void AddPlaces(state::Commit* commit) const;
  Status MakeCheckpoint(std::string* path);
  void Fail(Status status);
  Status StatusLocked() const;
  // Waits for `condition`, or for what makes it vain.
  template <typename Condition>
  Status WaitFor(std::unique_lock<std::mutex>* lock, Condition condition) const;

  const DurableStateOptions options_;
  Log* logger_;
  const Clock* clock_;
  std::unique_ptr<state::CommitLog> log_;
  state::CommitHead found_;
  std::vector<state::Boot> boots_;  // as of this boot's begin
  uint64_t boot_ = 0;

  // What is added for a commit.
  struct Added {
    std::vector<state::OutboxRecord> outbox;
    size_t outbox_bytes = 0;
    std::vector<state::JournalEntry> journal;
    std::optional<state::RuleSetText> rules;
  };
  // The job's thread's: since the last Cut(), and before it if that has not been handed over.
  Added added_;
  std::optional<Added> cut_;

  // The committing thread's.
  state::Commit last_;
  uint64_t journal_from_ = 0;
  bool has_checkpoints_ = false;
  int64_t last_checkpoint_ms_ = 0;

  std::atomic<uint64_t> end_ = 0;
  std::atomic<uint64_t> durable_barrier_ = 0;
  std::atomic<int64_t> last_commit_ms_ = 0;   // how long it took
  std::atomic<int64_t> last_commit_end_ = 0;  // on the steady clock
  std::atomic<int64_t> writing_since_ = -1;   // on the steady clock; -1: nothing is written
  std::atomic<bool> has_failed_ = false;
  mutable std::atomic<bool> is_stuck_ = false;  // a commit has taken too long
  std::atomic<uint64_t> outside_durable_ = 0;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Pending> queue_;  // guarded by mutex_, as all below
  bool is_writing_ = false;
  bool is_closing_ = false;
  std::vector<std::function<void(StatusOr<std::string>)>> checkpoint_requests_;
  std::vector<state::OutboxRecord> from_outside_;
  uint64_t outside_added_ = 0;
  Status status_;
  std::shared_ptr<const cep::CommitPoint> committed_;
  StateCounters counters_;

  std::thread committing_;
};

}  // namespace vigil::daemon
