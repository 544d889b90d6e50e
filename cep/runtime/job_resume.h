// Where a job goes on: a commit of a former run, and what that run did from there on that its input
// does not determine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cep/event/batch.h"
#include "cep/runtime/ledger.h"
#include "cep/runtime/live_source.h"
#include "cep/runtime/shard_state.h"
#include "cep/time/watermark.h"

namespace vigil::cep {

// Where a partition stood at the commit from which a job goes on.
struct ResumedPartition {
  std::string source;
  std::string topic;
  uint32_t number = 0;
  uint64_t next_offset = 0;       // U
  std::vector<uint64_t> waiting;  // ascending, below U
  int64_t watermark = kMinTime;   // W
  bool is_idle = false;
  RecordMark last;
  Ledger ledger;
  std::vector<KeptRow> kept;  // of `waiting`, where the source keeps rows; ascending
};

// The commit from which a job goes on.
struct JobResume {
  int64_t watermark = kMinTime;  // E
  int64_t newest_ts = kMinTime;
  std::vector<ResumedPartition> partitions;
  bool accepts_loss = false;  // what cannot be read again is counted as lost
  ReadUnits read_units;
};

// How a live run changed a partition's time.
struct TimeMark {
  bool joins = false;            // it took part again, or for the first time, with W := `watermark`
                                 // at least; else it was silent, and no longer did
  uint64_t offset = 0;           // the partition's first record that comes after
  int64_t watermark = kMinTime;  // of one that joins
};

// Offsets [first, end).
struct OffsetRange {
  uint64_t first = 0;
  uint64_t end = 0;
};

// What a live run's journal says of a partition since the commit, in order.
struct MarkedPartition {
  std::string source;
  std::string topic;
  uint32_t number = 0;
  std::vector<TimeMark> marks;
  std::vector<OffsetRange> refused;  // quarantined because a clock said that they are too early
};

}  // namespace vigil::cep
