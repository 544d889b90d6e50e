// The control journal: what a live run did that its input does not determine, so that a replay from
// a checkpoint can do the same.
//
// An entry's watermark is E when it took effect. Bodies, as docs/state-format.md has them: of the
// first three kinds source, topic (strings), partition, the partition's first record that comes
// after, W after (signed); of kRules the rule record (daemon/rule_record.h) of those that took
// over; of kEnded nothing.
// Tests: tests/daemon/replay_start_test.cc.
#pragma once

#include <cstdint>

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
};

state::JournalEntry EntryOf(const cep::TimeEvent& event, const cep::Partition& partition);

// The partition and its one mark, of an entry of the first three kinds. DATA_LOSS if its body is
// not what EntryOf() writes.
StatusOr<cep::MarkedPartition> MarkOf(const state::JournalEntry& entry);

}  // namespace vigil::daemon
