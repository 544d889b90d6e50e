#include "state/commit_log.h"

#include <algorithm>
#include <map>

#include "cep/base/encoding.h"
#include "state/log_keys.h"

namespace vigil::state {
namespace {

// Chunks may have so many bytes for each ten that are live.
constexpr uint64_t kChunkBytesPerTen = 21;
// What a commit cleans for each byte that it writes, and in any case: so that it stays in
// proportion also where all of the oldest chunks is still live.
constexpr uint64_t kCleanPerByte = 3;
constexpr uint64_t kLeastCleaned = uint64_t{256} << 10;

constexpr const char* kRepair =
    "; it was left as it is: restore a checkpoint or a savepoint into a new directory";

Status Damaged(const std::string& what) {
  return absl::DataLossError("the state is damaged: " + what + kRepair);
}

StatusOr<ChunkRange> DecodeChunkRange(std::string_view value) {
  if (!CheckCrc(&value)) return Damaged("the checksum of the range of chunks does not fit");
  ByteReader reader(value);
  ChunkRange chunks;
  chunks.begin = reader.Varint();
  chunks.end = reader.Varint();
  chunks.bytes = reader.Varint();
  if (!reader.AtEnd() || chunks.begin > chunks.end) return Damaged("the range of chunks is none");
  return chunks;
}

// Behind the last sequence that a boot gave.
uint64_t EndOfBoot(const CommitHead& head, size_t boot) {
  return boot + 1 < head.boots.size() ? head.boots[boot + 1].first_sequence : head.outbox_end;
}

// So many of the last boots are kept in any case: a sink's target may stand in one of which a crash
// left nothing else.
constexpr size_t kBootsKept = 16;

// Older boots that no cursor and no stored record is in are forgotten.
void TrimBoots(CommitHead& head) {
  size_t dead = 0;
  while (dead + kBootsKept < head.boots.size()) {
    const uint64_t id = head.boots[dead].id;
    const bool is_named =
        std::any_of(head.cursors.begin(), head.cursors.end(),
                    [&](const SinkCursor& cursor) { return cursor.position.boot == id; });
    if (is_named || EndOfBoot(head, dead) > head.outbox_begin) break;
    ++dead;
  }
  head.boots.erase(head.boots.begin(), head.boots.begin() + static_cast<ptrdiff_t>(dead));
}

Status CheckShards(const Commit& commit) {
  std::vector<uint32_t> seen;
  for (const ShardChunks& shard : commit.shards) {
    if (std::find(seen.begin(), seen.end(), shard.shard) != seen.end()) {
      return absl::InvalidArgumentError("shard " + std::to_string(shard.shard) +
                                        " is in the commit twice");
    }
    seen.push_back(shard.shard);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<CommitLog>> CommitLog::Open(std::unique_ptr<Store> store,
                                                     CommitLogOptions options) {
  std::unique_ptr<CommitLog> log(new CommitLog(std::move(store), std::move(options)));
  RETURN_IF_ERROR(log->Load());
  return log;
}

Status CommitLog::Load() {
  ASSIGN_OR_RETURN(const std::optional<std::string> head, store_->Get(Family::kMeta, kHeadKey));
  if (head.has_value()) {
    ASSIGN_OR_RETURN(head_, DecodeHead(*head));
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> chunks,
                   store_->Get(Family::kMeta, kChunkRangeKey));
  if (chunks.has_value()) {
    ASSIGN_OR_RETURN(chunks_, DecodeChunkRange(*chunks));
  }
  RETURN_IF_ERROR(CheckChunks());
  return CheckOutbox();
}

Status CommitLog::CheckChunks() const {
  uint64_t number = chunks_.begin;
  uint64_t bytes = 0;
  ASSIGN_OR_RETURN(const auto sizes, store_->ChunkSizes());
  for (const auto& [key, size] : sizes) {
    if (ByteReader(key).Ordered64() != number) break;
    ++number;
    bytes += size;
  }
  if (number != chunks_.end || bytes != chunks_.bytes ||
      sizes.size() != chunks_.end - chunks_.begin) {
    return Damaged("it is to hold chunks " + std::to_string(chunks_.begin) + " to " +
                   std::to_string(chunks_.end) + ", " + std::to_string(chunks_.bytes) +
                   " bytes; found are " + std::to_string(sizes.size()) + ", up to " +
                   std::to_string(number) + " " + std::to_string(bytes) + " bytes");
  }
  return absl::OkStatus();
}

Status CommitLog::CheckOutbox() const {
  const auto records = store_->Scan(Family::kOutbox, {}, {});
  uint64_t sequence = head_.outbox_begin;
  uint64_t bytes = 0;
  for (; records->valid(); records->Next()) {
    if (ByteReader(records->key()).Ordered64() != sequence++) break;
    bytes += records->value().size();
  }
  RETURN_IF_ERROR(records->status());
  if (records->valid() || sequence != head_.outbox_end || bytes != head_.outbox_bytes) {
    return Damaged("the outbox is to hold records " + std::to_string(head_.outbox_begin) + " to " +
                   std::to_string(head_.outbox_end) + ", " + std::to_string(head_.outbox_bytes) +
                   " bytes; found up to " + std::to_string(sequence) + ", " +
                   std::to_string(bytes) + " bytes");
  }
  return absl::OkStatus();
}

Status CommitLog::Reach(KillPoint point) const {
  return options_.kill_point ? options_.kill_point(point) : absl::OkStatus();
}

Status CommitLog::Fail(Status status) {
  if (!status.ok()) has_failed_ = true;
  return status;
}

Status CommitLog::StartBoot(uint64_t id) {
  CommitHead head = head_;
  head.boots.push_back(
      {head.boots.empty() ? 1 : head.boots.back().number + 1, id, head.outbox_end});
  TrimBoots(head);
  StoreBatch batch;
  batch.Put(Family::kMeta, std::string(kHeadKey), EncodeHead(head));
  RETURN_IF_ERROR(Fail(store_->Write(batch)));
  head_ = std::move(head);
  return absl::OkStatus();
}

StatusOr<uint64_t> CommitLog::Commit(const struct Commit& commit) {
  if (has_failed_) {
    return absl::FailedPreconditionError("an earlier write failed; the state is to be opened anew");
  }
  if (head_.boots.empty()) return absl::FailedPreconditionError("no boot has begun");
  CommitHead head = head_;
  ++head.number;
  head.watermark = commit.watermark;
  head.newest_ts = commit.newest_ts;
  head.is_drained = commit.is_drained;
  StoreBatch batch;
  RETURN_IF_ERROR(CheckShards(commit));
  RETURN_IF_ERROR(AddPositions(commit, head, batch));
  RETURN_IF_ERROR(AddOutbox(commit, head, batch));
  RETURN_IF_ERROR(AddJournal(commit, head.number, batch));
  if (commit.rule_set.has_value()) {
    head.rule_set_version = commit.rule_set->version;
    batch.Put(Family::kMeta, std::string(kRulesKey), Sealed(commit.rule_set->bytes));
  }
  batch.Put(Family::kMeta, std::string(kHeadKey), EncodeHead(head));
  // From here on the index is of this commit: an error ends the log.
  ChunkRange chunks = chunks_;
  std::vector<MovedChunk> moved;
  RETURN_IF_ERROR(Fail(AddChunks(commit, &chunks, batch, &moved)));
  batch.Put(Family::kMeta, std::string(kChunkRangeKey), EncodeChunkRange(chunks));
  const bool cleans = chunks.begin != chunks_.begin;
  RETURN_IF_ERROR(Fail(Reach(KillPoint::kBeforeCommit)));
  if (cleans) RETURN_IF_ERROR(Fail(Reach(KillPoint::kCleaning)));
  {
    std::unique_lock moving(moving_, std::defer_lock);
    if (cleans) moving.lock();
    RETURN_IF_ERROR(
        Fail(store_->Write(batch, [this] { return Reach(KillPoint::kChunksWritten); })));
    for (const MovedChunk& chunk : moved) index_->Add(chunk.number, PackedChunk(chunk.packed));
  }
  head_ = std::move(head);
  chunks_ = chunks;
  RETURN_IF_ERROR(Fail(Reach(KillPoint::kAfterCommit)));
  if (cleans) RETURN_IF_ERROR(Fail(Reach(KillPoint::kCleaned)));
  return head_.number;
}

Status CommitLog::AddPositions(const struct Commit& commit, CommitHead& head,
                               StoreBatch& batch) const {
  head.positions = commit.positions;
  std::map<std::string, int64_t> former;  // R of each partition
  for (const PartitionPosition& position : head_.positions) {
    former.emplace(RowPrefix(position.source, position.topic, position.partition),
                   position.lowest_waiting());
  }
  for (const PartitionPosition& position : commit.positions) {
    RETURN_IF_ERROR(position.Check());
    // Kept rows below R have been applied; those below the former one are gone already.
    const std::string prefix = RowPrefix(position.source, position.topic, position.partition);
    const auto from = former.find(prefix);
    const auto rows = store_->Scan(
        Family::kMeta,
        from == former.end() ? prefix : CommitKey(prefix, static_cast<uint64_t>(from->second)),
        CommitKey(prefix, static_cast<uint64_t>(position.lowest_waiting())));
    for (; rows->valid(); rows->Next()) batch.Delete(Family::kMeta, std::string(rows->key()));
    RETURN_IF_ERROR(rows->status());
  }
  for (const KeptRow& row : commit.rows) {
    const std::string prefix = RowPrefix(row.source, row.topic, row.partition);
    batch.Put(Family::kMeta, CommitKey(prefix, static_cast<uint64_t>(row.offset)),
              Sealed(EncodeRow(row)));
  }
  return absl::OkStatus();
}

Status CommitLog::BuildIndex() {
  auto index = std::make_unique<PartIndex>();
  const auto cursor = store_->Scan(Family::kChunks, {}, {});
  for (; cursor->valid(); cursor->Next()) {
    ASSIGN_OR_RETURN(const std::vector<ChunkEntry> entries, ReadChunk(cursor->value()));
    index->Add(ByteReader(cursor->key()).Ordered64(), entries);
  }
  RETURN_IF_ERROR(cursor->status());
  index_ = std::move(index);
  return absl::OkStatus();
}

// What has changed is known from here on: nobody reads a unit that a commit under way holds.
Status CommitLog::AddChunks(const struct Commit& commit, ChunkRange* chunks, StoreBatch& batch,
                            std::vector<MovedChunk>* moved) {
  if (index_ == nullptr) RETURN_IF_ERROR(BuildIndex());
  const uint64_t first_new = chunks->end;
  for (const ShardChunks& shard : commit.shards) {
    for (const std::string& bytes : shard.chunks) {
      const PackedChunk packed(bytes);
      index_->Add(chunks->end, packed);
      chunks->bytes += packed.chunk().size();
      batch.PutBorrowed(Family::kChunks, SequenceKey(chunks->end++), packed.chunk());
    }
  }
  return Clean(first_new, chunks, batch, moved);
}

bool CommitLog::IsTooLong(const ChunkRange& chunks) const {
  const uint64_t bytes =
      std::max(options_.least_chunk_bytes, index_->bytes() * kChunkBytesPerTen / 10);
  const uint64_t count = options_.loose_chunks + bytes / kChunkSize;
  return chunks.bytes > bytes || chunks.end - chunks.begin > count;
}

// Takes chunks below `first_new` away, the oldest first, while there is too much. What of them
// moves is known only once it is durable: until then it is read where it was.
Status CommitLog::Clean(uint64_t first_new, ChunkRange* chunks, StoreBatch& batch,
                        std::vector<MovedChunk>* moved) {
  const uint64_t most = std::max(kLeastCleaned, kCleanPerByte * (chunks->bytes - chunks_.bytes));
  ChunkWriter kept;
  for (uint64_t cleaned = 0; cleaned < most && chunks->begin < first_new && IsTooLong(*chunks);) {
    std::string key = SequenceKey(chunks->begin);
    ASSIGN_OR_RETURN(const std::optional<std::string> chunk, store_->Get(Family::kChunks, key));
    if (!chunk.has_value()) return Damaged("a chunk is gone");
    ASSIGN_OR_RETURN(const std::vector<ChunkEntry> entries, ReadChunk(*chunk));
    for (const ChunkEntry& entry : index_->NewestOf(chunks->begin, entries)) {
      kept.Put(entry.part_key, entry.value);
    }
    batch.Delete(Family::kChunks, std::move(key));
    ++chunks->begin;
    chunks->bytes -= chunk->size();
    cleaned += chunk->size();
  }
  for (std::string& bytes : kept.Take()) moved->push_back({chunks->end++, std::move(bytes)});
  for (const MovedChunk& chunk : *moved) {
    const PackedChunk packed(chunk.packed);
    chunks->bytes += packed.chunk().size();
    batch.PutBorrowed(Family::kChunks, SequenceKey(chunk.number), packed.chunk());
  }
  return absl::OkStatus();
}

Status CommitLog::AddJournal(const struct Commit& commit, uint64_t number,
                             StoreBatch& batch) const {
  uint32_t n = 0;
  for (const JournalEntry& entry : commit.journal) {
    batch.Put(Family::kMeta, JournalKey(number, n++), Sealed(EncodeJournal(entry)));
  }
  const auto old = store_->Scan(Family::kMeta, kJournal,
                                CommitKey(kJournal, std::min(commit.journal_from, number)));
  for (; old->valid(); old->Next()) batch.Delete(Family::kMeta, std::string(old->key()));
  return old->status();
}

Status CommitLog::AddOutbox(const struct Commit& commit, CommitHead& head,
                            StoreBatch& batch) const {
  head.cursors.clear();
  uint64_t begin = head_.outbox_end;
  for (const auto& [sink, position] : commit.cursors) {
    SinkCursor cursor{sink, position, 0};
    bool is_known = false;
    for (const SinkCursor& old : head_.cursors) {
      if (old.sink != sink) continue;
      is_known = true;
      cursor.dropped = old.dropped;
    }
    // What was dropped below it is counted already.
    const Status checked = CheckCursor(sink, position);
    if (is_known && absl::IsOutOfRange(checked)) {
      cursor.position = {BootOf(head_.outbox_begin), head_.outbox_begin};
    } else if (!checked.ok()) {
      return absl::InvalidArgumentError(checked.message());
    }
    begin = std::min(begin, cursor.position.sequence);
    head.cursors.push_back(std::move(cursor));
  }
  RETURN_IF_ERROR(TrimOutbox(begin, head, batch));

  uint64_t added = 0;
  for (const OutboxRecord& record : commit.outbox) {
    std::string value = Sealed(EncodeRecord(record));
    added += value.size();
    batch.Put(Family::kOutbox, SequenceKey(head.outbox_end++), std::move(value));
  }
  head.outbox_bytes += added;
  if (head.outbox_bytes <= options_.max_outbox_bytes) {
    TrimBoots(head);
    return absl::OkStatus();
  }
  if (commit.overflow == OutboxOverflow::kRefuse || added > options_.max_outbox_bytes) {
    return absl::ResourceExhaustedError("the outbox would hold " +
                                        std::to_string(head.outbox_bytes) + " bytes, more than " +
                                        std::to_string(options_.max_outbox_bytes));
  }
  // Oldest first, until the rest fits.
  uint64_t keep = head.outbox_begin;
  uint64_t bytes = head.outbox_bytes;
  const auto oldest = store_->Scan(Family::kOutbox, SequenceKey(keep), {});
  for (; oldest->valid() && bytes > options_.max_outbox_bytes; oldest->Next()) {
    bytes -= oldest->value().size();
    ++keep;
  }
  RETURN_IF_ERROR(oldest->status());
  for (SinkCursor& cursor : head.cursors) {
    if (cursor.position.sequence >= keep) continue;
    cursor.dropped += keep - cursor.position.sequence;
    cursor.position = {BootOf(keep), keep};
  }
  RETURN_IF_ERROR(TrimOutbox(keep, head, batch));
  TrimBoots(head);
  return absl::OkStatus();
}

// Deletes stored records below `begin`.
Status CommitLog::TrimOutbox(uint64_t begin, CommitHead& head, StoreBatch& batch) const {
  if (begin <= head.outbox_begin) return absl::OkStatus();
  const auto done =
      store_->Scan(Family::kOutbox, SequenceKey(head.outbox_begin), SequenceKey(begin));
  for (; done->valid(); done->Next()) {
    head.outbox_bytes -= done->value().size();
    batch.Delete(Family::kOutbox, std::string(done->key()));
  }
  head.outbox_begin = begin;
  return done->status();
}

StatusOr<std::unique_ptr<Restorer>> CommitLog::MakeRestorer(uint64_t memory, uint32_t calls) {
  if (index_ == nullptr) RETURN_IF_ERROR(BuildIndex());
  auto restorer = std::make_unique<Restorer>(store_.get(), index_.get(), memory, calls);
  if (restorer->groups_ == cep::kKeyGroups) {
    ASSIGN_OR_RETURN(restorer->parts_, LiveParts::Load(*store_, *index_, 0, cep::kKeyGroups));
  }
  return restorer;
}

Status CommitLog::CheckCursor(const std::string& sink, const OutboxPosition& position) const {
  const std::string at = "sink " + sink + " stands at record " + std::to_string(position.sequence);
  const auto boot =
      std::find_if(head_.boots.begin(), head_.boots.end(),
                   [&](const Boot& candidate) { return candidate.id == position.boot; });
  if (boot == head_.boots.end()) {
    return absl::FailedPreconditionError(at +
                                         " of a start that the state does not know; the state "
                                         "ends at record " +
                                         std::to_string(head_.outbox_end) + " of start " +
                                         std::to_string(head_.boots.back().number));
  }
  const uint64_t end = EndOfBoot(head_, static_cast<size_t>(boot - head_.boots.begin()));
  if (position.sequence < boot->first_sequence || position.sequence > end) {
    return absl::FailedPreconditionError(
        at + " of start " + std::to_string(boot->number) + ", but the state holds records " +
        std::to_string(boot->first_sequence) + " to " + std::to_string(end) + " of it");
  }
  if (position.sequence < head_.outbox_begin) {
    return absl::OutOfRangeError(at + ", but the outbox begins at " +
                                 std::to_string(head_.outbox_begin));
  }
  return absl::OkStatus();
}

OutboxPosition CommitLog::OutboxEnd() const {
  return {head_.boots.empty() ? 0 : head_.boots.back().id, head_.outbox_end};
}

uint64_t CommitLog::BootOf(uint64_t sequence) const {
  uint64_t id = 0;
  for (const Boot& boot : head_.boots) {
    if (boot.first_sequence <= sequence) id = boot.id;
  }
  return id;
}

StatusOr<std::vector<std::pair<uint64_t, OutboxRecord>>> CommitLog::ReadOutbox(
    uint64_t sequence, size_t max_bytes) const {
  std::vector<std::pair<uint64_t, OutboxRecord>> records;
  size_t bytes = 0;
  const auto cursor = store_->Scan(Family::kOutbox, SequenceKey(sequence), {});
  for (; cursor->valid() && bytes < max_bytes; cursor->Next()) {
    std::string_view value = cursor->value();
    bytes += value.size();
    if (!CheckCrc(&value)) return Damaged("an outbox record's checksum does not fit");
    ASSIGN_OR_RETURN(OutboxRecord record, DecodeRecord(value));
    records.emplace_back(ByteReader(cursor->key()).Ordered64(), std::move(record));
  }
  RETURN_IF_ERROR(cursor->status());
  return records;
}

StatusOr<std::vector<std::pair<uint64_t, JournalEntry>>> CommitLog::ReadJournal() const {
  std::vector<std::pair<uint64_t, JournalEntry>> journal;
  const auto cursor = store_->Scan(Family::kMeta, kJournal, EndOf(kJournal));
  for (; cursor->valid(); cursor->Next()) {
    std::string_view value = cursor->value();
    if (!CheckCrc(&value)) return Damaged("a journal entry's checksum does not fit");
    ASSIGN_OR_RETURN(JournalEntry entry, DecodeJournal(value));
    journal.emplace_back(ByteReader(cursor->key().substr(kJournal.size())).Ordered64(),
                         std::move(entry));
  }
  RETURN_IF_ERROR(cursor->status());
  return journal;
}

StatusOr<std::optional<std::string>> CommitLog::ReadRuleSet() const {
  ASSIGN_OR_RETURN(const std::optional<std::string> value, store_->Get(Family::kMeta, kRulesKey));
  if (!value.has_value()) return std::optional<std::string>();
  std::string_view rules = *value;
  if (!CheckCrc(&rules)) return Damaged("the rule set's checksum does not fit");
  return std::optional<std::string>(rules);
}

StatusOr<std::vector<KeptRow>> CommitLog::ReadRows() const {
  std::vector<KeptRow> rows;
  for (const PartitionPosition& position : head_.positions) {
    const std::string prefix = RowPrefix(position.source, position.topic, position.partition);
    const auto cursor = store_->Scan(
        Family::kMeta, prefix, CommitKey(prefix, static_cast<uint64_t>(position.next_offset)));
    for (; cursor->valid(); cursor->Next()) {
      std::string_view value = cursor->value();
      if (!CheckCrc(&value)) return Damaged("a kept row's checksum does not fit");
      ASSIGN_OR_RETURN(KeptRow row, DecodeRow(value));
      if (position.waiting.Contains(row.offset)) rows.push_back(std::move(row));
    }
    RETURN_IF_ERROR(cursor->status());
  }
  return rows;
}

}  // namespace vigil::state
