// The life of the daemon: named steps to its start, running, and its end by signal or by itself.
//
// Signals are taken by a thread of their own (they are blocked in all others): the first SIGTERM or
// SIGINT stops reading, delivers what was read within `drain_limit`, and ends; a second one ends
// the process at once with 128 + its number.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

#include "daemon/log.h"
#include "daemon/outbox_sink.h"

namespace vigil::daemon {

struct RunOptions {
  std::string config_file;
  LogFormat log_format = LogFormat::kText;
  std::string log_level = "info";
  std::chrono::milliseconds drain_limit{30'000};
  // With `state`: what to do about records that are gone, and about sinks that are ahead of it.
  bool accepts_loss = false;
  AfterRollback after_rollback = AfterRollback::kRefuse;
};

// How a run ended.
enum class RunResult : uint8_t {
  kFine,
  kBadRules,
  kBadConfig,
  kFailed,  // input or output
  kStuck,   // the same, and a thread does not come back: the process is to end at once
};

// Runs the daemon to its end. Diagnostics of configuration and rules go to `err`, all else to the
// log. Call it before any other thread is started: it blocks signals for all that follow.
RunResult RunDaemon(const RunOptions& options, std::ostream& err);

}  // namespace vigil::daemon
