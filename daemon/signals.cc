#include "daemon/signals.h"

#include <pthread.h>
#include <unistd.h>
#include <utility>

namespace vigil::daemon {
namespace {

constexpr int kEndThread = SIGUSR2;  // ours: ends the thread that waits

}  // namespace

Signals::Signals(Log* log) : log_(log) {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGHUP);
  sigaddset(&set_, kEndThread);
  pthread_sigmask(SIG_BLOCK, &set_, &before_);
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { Wait(); });
}

Signals::~Signals() {
  pthread_kill(thread_.native_handle(), kEndThread);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Signals::OnReload(std::function<void()> reload) {
  const std::lock_guard lock(mutex_);
  reload_ = std::move(reload);
}

void Signals::OnStop(std::function<void()> stop) {
  const std::lock_guard lock(mutex_);
  stop_ = std::move(stop);
  if (stop_ && count_ > 0) stop_();
}

void Signals::Wait() {
  while (true) {
    int signal = 0;
    if (sigwait(&set_, &signal) != 0 || signal == kEndThread) return;
    if (signal == SIGHUP) {
      const std::lock_guard lock(mutex_);
      if (reload_) reload_();
      continue;
    }
    if (count_.fetch_add(1) > 0) _exit(128 + signal);
    log_->Info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
    const std::lock_guard lock(mutex_);
    if (stop_) stop_();
  }
}

}  // namespace vigil::daemon
