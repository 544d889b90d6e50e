// What a job's durable state has done since the start, and what it takes.
#pragma once

#include <cstdint>

namespace vigil::daemon {

struct StateCounters {
  uint64_t commits = 0;
  int64_t last_commit_ms = 0;      // how long it took
  uint64_t last_commit_bytes = 0;  // of the units that had changed
  uint64_t last_commit_number = 0;
  uint64_t outbox_bytes = 0;
  uint64_t live_bytes = 0;   // of units of state, with their keys
  uint64_t chunk_bytes = 0;  // on disk, what is not live any more included
  uint64_t checkpoints = 0;
};

}  // namespace vigil::daemon
