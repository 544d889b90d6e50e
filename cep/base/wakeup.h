// Wakes a thread that waits for any of several things: input, results, a request, a time-out.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace vigil {

// A call of Notify() that comes before Wait() is not lost: that Wait() returns at once.
// Thread safety: any number of threads may call Notify(), one waits.
class Wakeup {
 public:
  void Notify() {
    {
      const std::lock_guard lock(mutex_);
      if (is_notified_) return;
      is_notified_ = true;
    }
    condition_.notify_one();
  }

  // Returns once somebody has called Notify() since the last return, or after `ms`.
  void Wait(int64_t ms) {
    std::unique_lock lock(mutex_);
    condition_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return is_notified_; });
    is_notified_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_notified_ = false;  // guarded by mutex_
};

}  // namespace vigil
