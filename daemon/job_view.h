// What an operator sees of a job, and may ask of it: LiveEngine for the daemon.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alerts/sink_queue.h"
#include "cep/base/status.h"
#include "cep/runtime/live_job.h"
#include "daemon/job_load.h"
#include "daemon/running_rules.h"
#include "daemon/state_counters.h"
#include "patterns/matcher.h"

namespace vigil::daemon {

// Counters as of one barrier.
struct JobCounters {
  std::map<std::string, uint64_t> alerts;  // by rule, since the start; those of removed rules too
  std::shared_ptr<const RunningRules> rules;
  // Of the running rule set's rules, since they came; by their index.
  std::vector<patterns::RuleCounters> by_rule;
  std::vector<uint64_t> no_key;
  uint64_t live_keys = 0;
  uint64_t cold_keys = 0;    // those of them that are on disk only
  uint64_t live_events = 0;  // that partial matches in memory hold
  uint64_t state_bytes = 0;  // of state in memory
  JobLoad load;
};

// Thread safety: all may be called by any thread.
class JobView {
 public:
  virtual ~JobView() = default;
  virtual std::string name() const = 0;
  virtual std::shared_ptr<const RunningRules> rules() const = 0;
  // As of the last barrier; null before the first.
  virtual std::shared_ptr<const cep::CommitPoint> status() const = 0;
  // At most a second old unless the job is stuck; null if it never came to a barrier. May wait.
  virtual std::shared_ptr<const JobCounters> Counters() = 0;
  virtual std::map<std::string, alerts::SinkCounters> sinks() const = 0;
  // None for a job without state.
  virtual std::optional<StateCounters> state_counters() const = 0;
  // How long the job stood still for each rule set that it took.
  virtual Pauses::Counts swaps() const = 0;
  virtual int64_t wall_ms() const = 0;
  // The job's thread has gone round lately.
  virtual bool is_alive() const = 0;
  virtual bool is_paused() const = 0;
  // Nothing more is read until it is called with false.
  virtual void Pause(bool is_paused) = 0;
  // Makes a checkpoint of the state now; returns its path. Waits. FAILED_PRECONDITION without
  // state.
  virtual StatusOr<std::string> Checkpoint() = 0;
  // Reading ends, what was read is delivered, the daemon ends.
  virtual void Stop() = 0;
};

}  // namespace vigil::daemon
