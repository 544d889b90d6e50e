// The durable log of commits: the only point of truth.
//
// A commit writes what changed since the one before it, atomically and synced: units in chunks,
// behind those of earlier commits. Of a unit the newest version counts; Restorer reads it back. So
// that the chunks do not grow beyond some 2.1 times what is live in them, a commit also takes the
// oldest ones away, and writes again what of them is still the newest: as a log-structured file
// system cleans its segments (Rosenblum and Ousterhout, SOSP 1991), but always from the oldest on,
// so that a tombstone outlives all that it hides. What a commit holds is said in commit.h, how it
// is stored in docs/state-format.md.
// Invariants:  (1) Commit numbers grow by one. (2) Chunks exist for exactly the numbers that
//              ChunkRange says, and have the bytes it says. (3) The outbox holds exactly the
//              sequences [head().outbox_begin, head().outbox_end). Open() checks (2) and (3): a
//              store that lost a part of itself is refused, not continued.
// Thread safety: one thread at a time, but for ReadOutbox() and, after the first restorer,
// ReadUnits(), which any number may call.
// Tests: tests/state/formats_test.cc, tests/state/model_test.cc (properties, crashes).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "state/commit.h"
#include "state/live_parts.h"
#include "state/log_keys.h"
#include "state/part_index.h"
#include "state/store.h"
#include "state/unit.h"

namespace vigil::state {

// The last two are reached only by commits that clean.
enum class KillPoint { kBeforeCommit, kChunksWritten, kAfterCommit, kCleaning, kCleaned };

enum class OutboxOverflow {
  kRefuse,      // RESOURCE_EXHAUSTED, nothing is written: back-pressure until sinks catch up
  kDropOldest,  // sinks that had not delivered them count them in SinkCursor::dropped
};

struct CommitLogOptions {
  uint64_t max_outbox_bytes = 1ull << 30;
  // Chunks may have so many bytes, and be so many beyond those that as many bytes need, however
  // little is live in them.
  uint64_t least_chunk_bytes = 4ull << 20;
  uint64_t loose_chunks = 100;
  // Called at each point; an error ends the call there with it, as if the process had ended. For
  // tests of crashes.
  std::function<Status(KillPoint)> kill_point;
};

// One shard's chunks, from its ChunkPacker.
struct ShardChunks {
  uint32_t shard = 0;
  std::vector<std::string> chunks;  // packed
};

struct RuleSetText {
  std::string version;
  std::string bytes;
};

struct Commit {
  std::optional<int64_t> watermark;  // E
  std::optional<int64_t> newest_ts;
  bool is_drained = false;
  std::vector<PartitionPosition> positions;  // all partitions
  std::vector<ShardChunks> shards;           // each shard once
  std::vector<JournalEntry> journal;
  std::optional<RuleSetText> rule_set;  // only where it changed
  std::vector<OutboxRecord> outbox;     // in the order of results
  std::vector<KeptRow> rows;            // new waiting rows of sources that cannot be read again
  // Every configured sink and where it stands; a sink that is not named is forgotten.
  std::vector<std::pair<std::string, OutboxPosition>> cursors;
  OutboxOverflow overflow = OutboxOverflow::kRefuse;
  // Journal entries of earlier commits than this are dropped.
  uint64_t journal_from = 0;
};

inline constexpr uint64_t kRestoreBytes = uint64_t{1} << 30;

// Reads units back. Any number of threads may Restore() at a time, say one per shard. The log
// outlives it and commits nothing meanwhile.
class Restorer {
 public:
  // At a time about `memory` bytes are held, by all Restore() together, of which `calls` may run at
  // a time: what is live is read in as many parts as that takes, each a walk over all chunks. What
  // fits as a whole is read once, for all.
  Restorer(Store* store, const PartIndex* index, uint64_t memory, uint32_t calls);

  // Calls `unit` for each live unit of the key groups [first, end), in the order of keys. An error
  // of `unit` ends the restore with it.
  Status Restore(uint32_t first, uint32_t end,
                 const std::function<Status(const StoredUnit&)>& unit) const;

 private:
  friend class CommitLog;
  Store* store_;
  const PartIndex* index_;
  uint32_t groups_;                 // that fit
  std::optional<LiveParts> parts_;  // all, if they fit
};

class CommitLog {
 public:
  // Opens what `store` holds, or starts at commit 0. DATA_LOSS if a part is missing or damaged,
  // UNIMPLEMENTED for a newer format; nothing is written then.
  static StatusOr<std::unique_ptr<CommitLog>> Open(std::unique_ptr<Store> store,
                                                   CommitLogOptions options = {});

  // The last commit.
  const CommitHead& head() const { return head_; }
  // Bytes of all chunks, and of what is live in them: after the first commit or restorer.
  uint64_t chunk_bytes() const { return chunks_.bytes; }
  uint64_t live_bytes() const { return index_ != nullptr ? index_->bytes() : 0; }
  // A write has failed: the log takes no more.
  bool has_failed() const { return has_failed_; }

  // Begins the boot with the random number `id`: sequences from here on are its own. Durable when
  // it returns. Once per start, before the first Commit().
  Status StartBoot(uint64_t id);

  // Writes one commit; returns its number. INVALID_ARGUMENT if its positions or cursors do not hold
  // (nothing is written). After any other error it is unknown whether the commit happened: the log
  // takes no more (FAILED_PRECONDITION) and is to be opened anew, which tells.
  StatusOr<uint64_t> Commit(const struct Commit& commit);

  // As of the last commit; `memory` and `calls` as Restorer's.
  StatusOr<std::unique_ptr<Restorer>> MakeRestorer(uint64_t memory = kRestoreBytes,
                                                   uint32_t calls = 1);
  // Calls `unit` for some live units, named by PartOf() of their first parts, in the order of keys.
  // What names them is of commits that are durable. DATA_LOSS if one is not there. Cost: reading
  // each chunk that holds some of them.
  Status ReadUnits(std::span<const Hash128> first_parts,
                   const std::function<Status(const StoredUnit&)>& unit) const;

  // Whether a sink may go on from `position`. FAILED_PRECONDITION, naming both, if the position is
  // ahead of what is stored (an older checkpoint was restored) or of a boot that is not known;
  // OUT_OF_RANGE if what it has not delivered is gone.
  Status CheckCursor(const std::string& sink, const OutboxPosition& position) const;
  // The position behind the last record: where a new sink starts.
  OutboxPosition OutboxEnd() const;
  // The id of the boot that gave `sequence`, which is in the outbox.
  uint64_t BootOf(uint64_t sequence) const;
  // Up to `max_bytes` of records (at least one) from `sequence` on.
  StatusOr<std::vector<std::pair<uint64_t, OutboxRecord>>> ReadOutbox(uint64_t sequence,
                                                                      size_t max_bytes) const;

  // Entries with the commits that wrote them, ascending.
  StatusOr<std::vector<std::pair<uint64_t, JournalEntry>>> ReadJournal() const;
  // The rule set of head().rule_set_version; none before the first.
  StatusOr<std::optional<std::string>> ReadRuleSet() const;
  // Kept rows that still wait, by partition and offset.
  StatusOr<std::vector<KeptRow>> ReadRows() const;

  // A copy that does not change any more, as of a commit not older than the last; see checkpoint.h.
  Status Checkpoint(const std::string& path) { return store_->Checkpoint(path); }

 private:
  CommitLog(std::unique_ptr<Store> store, CommitLogOptions options)
      : store_(std::move(store)), options_(std::move(options)) {}
  Status Load();
  Status CheckChunks() const;
  Status CheckOutbox() const;
  Status AddPositions(const struct Commit& commit, CommitHead& head, StoreBatch& batch) const;
  Status AddOutbox(const struct Commit& commit, CommitHead& head, StoreBatch& batch) const;
  Status TrimOutbox(uint64_t begin, CommitHead& head, StoreBatch& batch) const;
  Status BuildIndex();
  // What a commit has taken out of the oldest chunks, and in which one it goes on.
  struct MovedChunk {
    uint64_t number = 0;
    std::string packed;
  };
  Status AddChunks(const struct Commit& commit, ChunkRange* chunks, StoreBatch& batch,
                   std::vector<MovedChunk>* moved);
  Status Clean(uint64_t first_new, ChunkRange* chunks, StoreBatch& batch,
               std::vector<MovedChunk>* moved);
  bool IsTooLong(const ChunkRange& chunks) const;
  Status AddJournal(const struct Commit& commit, uint64_t number, StoreBatch& batch) const;
  Status Reach(KillPoint point) const;
  Status Fail(Status status);

  std::unique_ptr<Store> store_;
  CommitLogOptions options_;
  CommitHead head_;
  ChunkRange chunks_;
  std::unique_ptr<PartIndex> index_;  // of all chunks, once it is needed
  // Held while chunks that have been cleaned give way to those that hold the rest of them.
  mutable std::mutex moving_;
  bool has_failed_ = false;
};

}  // namespace vigil::state
