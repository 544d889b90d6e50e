// Takes SIGTERM and SIGINT for the whole process while it lives: the first asks for an end, a
// second one ends the process at once with 128 + its number. SIGHUP asks for a reload.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

#include "daemon/log.h"

namespace vigil::daemon {

// A thread of its own takes the signals, which are blocked in all others: make it before any other
// thread is started. One at a time.
class Signals {
 public:
  explicit Signals(Log* log);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // `reload` is called upon each SIGHUP, on the signals' thread; without it SIGHUP does nothing.
  void OnReload(std::function<void()> reload);
  // `stop` is called upon the first signal, at once if it has come already; on the signals' thread
  // or the caller's.
  void OnStop(std::function<void()> stop);

 private:
  void Wait();

  Log* log_;
  sigset_t set_{};
  sigset_t before_{};
  std::atomic<int> count_ = 0;
  std::mutex mutex_;
  std::function<void()> stop_;    // guarded by mutex_
  std::function<void()> reload_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace vigil::daemon
