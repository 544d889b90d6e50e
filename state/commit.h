// What one commit holds (time-and-state rules: all of it happened or none), and its bytes.
//
// Tests: tests/state/formats_test.cc. Format: docs/state-format.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"

namespace vigil {
class ByteReader;
}

namespace vigil::state {

// A set of offsets as ascending runs that neither touch nor overlap.
class OffsetRuns {
 public:
  struct Run {
    int64_t first;
    int64_t count;  // at least 1
    bool operator==(const Run&) const = default;
  };

  // `offset` must be above all others of the set.
  void Append(int64_t offset);
  // O(log runs).
  bool Contains(int64_t offset) const;
  bool empty() const { return runs_.empty(); }
  int64_t size() const;
  const std::vector<Run>& runs() const { return runs_; }
  bool operator==(const OffsetRuns&) const = default;

  // Varints: number of runs, then for each the gap to the end of the one before it (the first: to
  // `base`, which is at most its first offset) and its length minus 1.
  void Encode(int64_t base, std::string* out) const;

 private:
  friend OffsetRuns DecodeRuns(int64_t base, ByteReader& reader);
  std::vector<Run> runs_;
};

// Fails the reader where the runs are not as the class says.
OffsetRuns DecodeRuns(int64_t base, ByteReader& reader);

// Rows of one partition, each counted once, at its first reading.
struct PartitionLedger {
  uint64_t read = 0;
  uint64_t processed = 0;
  uint64_t late = 0;
  uint64_t quarantined = 0;
  uint64_t rate_limited = 0;
  uint64_t lost = 0;  // waiting rows that were gone when they were to be read again

  bool operator==(const PartitionLedger&) const = default;
};

struct PartitionPosition {
  std::string source;
  std::string topic;  // or the file's path
  int64_t partition = 0;

  int64_t next_offset = 0;           // U, the next to read
  OffsetRuns waiting;                // offsets below U that were read and not yet applied
  std::optional<int64_t> watermark;  // W_p at U, ms since the epoch
  std::string watermark_state;       // the generator's own, at U
  bool is_idle = false;
  std::optional<Hash128> fingerprint;  // of the last record read
  int64_t fingerprint_offset = 0;      // of that record; counts only with it
  PartitionLedger ledger;

  // R: from where to read again.
  int64_t lowest_waiting() const {
    return waiting.empty() ? next_offset : waiting.runs().front().first;
  }
  // Waiting rows lie below U, and read = processed + late + quarantined + rate_limited + waiting
  // + lost. INVALID_ARGUMENT with the figures otherwise.
  Status Check() const;
  bool operator==(const PartitionPosition&) const = default;
};

// A place in the outbox.
struct OutboxPosition {
  uint64_t boot = 0;      // the boot's random id
  uint64_t sequence = 0;  // of the first record not yet delivered
  bool operator==(const OutboxPosition&) const = default;
};

// The run of sequence numbers that one start of the daemon gave.
struct Boot {
  uint64_t number = 0;  // 1, 2, ...
  uint64_t id = 0;      // random
  uint64_t first_sequence = 0;
  bool operator==(const Boot&) const = default;
};

struct SinkCursor {
  std::string sink;  // JOB/OUTPUT/NAME
  OutboxPosition position;
  uint64_t dropped = 0;  // records that limits dropped before this sink had them
  bool operator==(const SinkCursor&) const = default;
};

// The part of a commit that each one states anew: where everything stood at its barrier.
struct CommitHead {
  uint64_t number = 0;
  std::optional<int64_t> watermark;  // E, ms since the epoch
  std::optional<int64_t> newest_ts;  // of all rows that were in time
  bool is_drained = false;           // a bounded run ended time: no pattern is open
  std::string rule_set_version;
  std::vector<PartitionPosition> positions;
  // Kept by the log.
  std::vector<Boot> boots;
  uint64_t outbox_begin = 0;  // sequences [begin, end) are stored
  uint64_t outbox_end = 0;
  uint64_t outbox_bytes = 0;
  std::vector<SinkCursor> cursors;

  bool operator==(const CommitHead&) const = default;
};

// format version | fields | crc32c
std::string EncodeHead(const CommitHead& head);
// DATA_LOSS, or UNIMPLEMENTED for a newer format.
StatusOr<CommitHead> DecodeHead(std::string_view bytes);

// Something that the input does not determine. `kind` and `body` are their writer's.
struct JournalEntry {
  uint64_t kind = 0;
  int64_t watermark = 0;  // E at which it took effect
  std::string body;
  bool operator==(const JournalEntry&) const = default;
};

struct OutboxRecord {
  std::string output;
  Hash128 id;        // of the alert
  std::string body;  // as it is sent
  bool operator==(const OutboxRecord&) const = default;
};

// A waiting row of a source that cannot be read again.
struct KeptRow {
  std::string source;
  std::string topic;
  int64_t partition = 0;
  int64_t offset = 0;
  std::string bytes;
  bool operator==(const KeptRow&) const = default;
};

// Byte strings without checksum; the log adds it.
std::string EncodeJournal(const JournalEntry& entry);
StatusOr<JournalEntry> DecodeJournal(std::string_view bytes);
std::string EncodeRecord(const OutboxRecord& record);
StatusOr<OutboxRecord> DecodeRecord(std::string_view bytes);
std::string EncodeRow(const KeptRow& row);
StatusOr<KeptRow> DecodeRow(std::string_view bytes);

}  // namespace vigil::state
