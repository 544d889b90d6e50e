// What a job's threads and rules have cost since somebody last looked, and how long its rounds
// stood still for new rules.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cep/runtime/live_job.h"
#include "daemon/running_rules.h"

namespace vigil::daemon {

// Milliseconds of each second; together 1,000 but for what a shard without a thread of its own
// leaves to the job.
struct ThreadLoad {
  std::string thread;  // `job`, `shard-0`
  double busy = 0;
  double idle = 0;
  double back_pressured = 0;
};

struct JobLoad {
  std::vector<ThreadLoad> threads;
  // By rule. The shards' busy time, milliseconds a second, shared out by the steps that were made
  // for each rule.
  std::vector<double> cost;
  std::vector<double> partial_matches;  // held
  double all_partial_matches = 0;       // each once, for however many rules it stands
};

// Thread safety: none; the job's thread owns it.
class LoadMeter {
 public:
  // Since the last call; at a barrier of the job.
  JobLoad Measure(const cep::LiveJob& job, const RunningRules& rules, int64_t now_us);

 private:
  int64_t last_us_ = 0;
  std::map<std::string, cep::TimeUse::Totals> last_times_;      // by thread
  std::map<std::pair<uint64_t, uint64_t>, double> last_steps_;  // by incarnation and what it says
};

// How long something stood still, in buckets.
class Pauses {
 public:
  static constexpr std::array<double, 9> kBoundsMs = {1, 2, 5, 10, 20, 50, 100, 200, 500};
  struct Counts {
    std::array<uint64_t, kBoundsMs.size() + 1> by_bucket = {};  // the last one: beyond all bounds
    double sum_ms = 0;
  };

  void Add(double ms);
  Counts counts() const;

 private:
  mutable std::mutex mutex_;
  Counts counts_;  // guarded by mutex_
};

}  // namespace vigil::daemon
