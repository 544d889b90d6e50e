// What a thread does with its time: works, has nothing to do, or has nowhere to go with what it
// has. Flink's busy, idle and back-pressured time of a task.
//
// The clock is read where the thread goes over from one to the other: once a round or a batch.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cep/base/clock.h"

namespace vigil::cep {

// Thread safety: totals() may be called by any thread, all else by the one whose time it is.
class TimeUse {
 public:
  enum class Part : uint8_t { kBusy, kIdle, kBackPressured };
  // Since the start, by part. Microseconds.
  using Totals = std::array<int64_t, 3>;

  // `clock` is borrowed.
  explicit TimeUse(const Clock* clock) : clock_(clock), last_us_(clock->SteadyUs()) {}

  // The time since the last call is nobody's.
  void Restart() { last_us_ = clock_->SteadyUs(); }
  // The time since the last call was spent so.
  void Spent(Part part) {
    const int64_t now = clock_->SteadyUs();
    totals_[static_cast<size_t>(part)].fetch_add(now - last_us_, std::memory_order_relaxed);
    last_us_ = now;
  }
  Totals totals() const {
    return {totals_[0].load(std::memory_order_relaxed), totals_[1].load(std::memory_order_relaxed),
            totals_[2].load(std::memory_order_relaxed)};
  }

 private:
  const Clock* clock_;
  int64_t last_us_;
  std::array<std::atomic<int64_t>, 3> totals_ = {};
};

// One thread's, under the name it has in metrics: `job`, `shard-0`.
struct NamedTimeUse {
  std::string thread;
  TimeUse::Totals totals = {};
};

}  // namespace vigil::cep
