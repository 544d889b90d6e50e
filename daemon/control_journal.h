// The control journal: what a live run did that its input does not determine, so that a replay from
// a checkpoint can do the same.
//
// An entry's watermark is E when it took effect. Bodies: docs/state-format.md; that of kRules is
// the rule record (daemon/rule_record.h) of those that took over.
// Tests: tests/daemon/replay_start_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/batch.h"
#include "cep/runtime/job_resume.h"
#include "cep/time/live_time.h"
#include "state/commit.h"

namespace vigil::daemon {

enum class JournalKind : uint64_t {
  kJoined = 1,    // a partition was found after the start
  kIdle = 2,      // it was silent for too long, and held time back no longer
  kReturned = 3,  // it was not silent any more
  kRules = 4,     // other rules took over
  kEnded = 5,     // time went to its end: what follows began anew
  kRefused = 6,   // records were quarantined because a clock said that they are too early
};

state::JournalEntry EntryOf(const cep::TimeEvent& event, const cep::Partition& partition);

// Of kRefused. `offsets`: at least one, ascending.
state::JournalEntry EntryOfRefused(const cep::Partition& partition,
                                   const std::vector<uint64_t>& offsets, int64_t engine);

// What an entry says that is about a partition. DATA_LOSS if its body is not what one of the above
// writes.
StatusOr<cep::MarkedPartition> MarkOf(const state::JournalEntry& entry);

}  // namespace vigil::daemon
