#include "state/commit.h"

#include <algorithm>
#include <limits>

#include "cep/base/encoding.h"

namespace vigil::state {
namespace {

constexpr uint64_t kHeadFormat = 1;

void PutOptional(const std::optional<int64_t>& value, std::string* out) {
  out->push_back(value.has_value() ? 1 : 0);
  if (value.has_value()) PutSigned(*value, out);
}

std::optional<int64_t> ReadOptional(ByteReader& reader) {
  if (!reader.Bool()) return std::nullopt;
  return reader.Signed();
}

void PutPosition(const PartitionPosition& position, std::string* out) {
  PutBytes(position.source, out);
  PutBytes(position.topic, out);
  PutSigned(position.partition, out);
  PutSigned(position.next_offset, out);
  PutSigned(position.lowest_waiting(), out);
  position.waiting.Encode(position.lowest_waiting(), out);
  PutOptional(position.watermark, out);
  PutBytes(position.watermark_state, out);
  out->push_back(position.is_idle ? 1 : 0);
  out->push_back(position.fingerprint.has_value() ? 1 : 0);
  if (position.fingerprint.has_value()) {
    PutHash(*position.fingerprint, out);
    PutSigned(position.fingerprint_offset, out);
  }
  const PartitionLedger& ledger = position.ledger;
  for (const uint64_t n : {ledger.read, ledger.processed, ledger.late, ledger.quarantined,
                           ledger.rate_limited, ledger.lost}) {
    PutVarint(n, out);
  }
}

PartitionPosition ReadPosition(ByteReader& reader) {
  PartitionPosition position;
  position.source = reader.Bytes();
  position.topic = reader.Bytes();
  position.partition = reader.Signed();
  position.next_offset = reader.Signed();
  position.waiting = DecodeRuns(reader.Signed(), reader);
  position.watermark = ReadOptional(reader);
  position.watermark_state = reader.Bytes();
  position.is_idle = reader.Bool();
  if (reader.Bool()) {
    position.fingerprint = reader.Hash();
    position.fingerprint_offset = reader.Signed();
  }
  PartitionLedger& ledger = position.ledger;
  for (uint64_t* n : {&ledger.read, &ledger.processed, &ledger.late, &ledger.quarantined,
                      &ledger.rate_limited, &ledger.lost}) {
    *n = reader.Varint();
  }
  if (reader.ok() && !position.Check().ok()) reader.Fail();
  return position;
}

}  // namespace

void OffsetRuns::Append(int64_t offset) {
  if (!runs_.empty() && runs_.back().first + runs_.back().count == offset) {
    ++runs_.back().count;
  } else {
    runs_.push_back({offset, 1});
  }
}

bool OffsetRuns::Contains(int64_t offset) const {
  auto after = std::upper_bound(runs_.begin(), runs_.end(), offset,
                                [](int64_t at, const Run& run) { return at < run.first; });
  if (after == runs_.begin()) return false;
  --after;
  return offset - after->first < after->count;
}

int64_t OffsetRuns::size() const {
  int64_t size = 0;
  for (const Run& run : runs_) size += run.count;
  return size;
}

void OffsetRuns::Encode(int64_t base, std::string* out) const {
  PutVarint(runs_.size(), out);
  for (const Run& run : runs_) {
    PutVarint(static_cast<uint64_t>(run.first) - static_cast<uint64_t>(base), out);
    PutVarint(static_cast<uint64_t>(run.count - 1), out);
    base = run.first + run.count;
  }
}

OffsetRuns DecodeRuns(int64_t base, ByteReader& reader) {
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  OffsetRuns runs;
  const size_t count = reader.Count(2);
  if (base < 0) reader.Fail();
  runs.runs_.reserve(reader.ok() ? count : 0);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    const uint64_t gap = reader.Varint();
    const uint64_t more = reader.Varint();
    // A gap of nothing would join the run before it.
    if ((i > 0 && gap == 0) || gap >= static_cast<uint64_t>(kEnd - base) ||
        more >= static_cast<uint64_t>(kEnd - base) - gap) {
      reader.Fail();
      break;
    }
    const int64_t first = base + static_cast<int64_t>(gap);
    const int64_t length = static_cast<int64_t>(more) + 1;
    if (reader.ok()) runs.runs_.push_back({first, length});
    base = first + length;
  }
  return runs;
}

Status PartitionPosition::Check() const {
  const std::string name = source + " " + topic + "/" + std::to_string(partition);
  if (next_offset < 0 || lowest_waiting() < 0) {
    return absl::InvalidArgumentError(name + ": a position is negative");
  }
  if (!waiting.empty()) {
    const OffsetRuns::Run& last = waiting.runs().back();
    if (last.first + last.count > next_offset) {
      return absl::InvalidArgumentError(
          name + ": offset " + std::to_string(last.first + last.count - 1) +
          " waits but is not below the next to read, " + std::to_string(next_offset));
    }
  }
  const uint64_t accounted = ledger.processed + ledger.late + ledger.quarantined +
                             ledger.rate_limited + static_cast<uint64_t>(waiting.size()) +
                             ledger.lost;
  if (ledger.read != accounted) {
    return absl::InvalidArgumentError(
        name + ": " + std::to_string(ledger.read) + " rows read, but " + std::to_string(accounted) +
        " accounted for (" + std::to_string(ledger.processed) + " processed, " +
        std::to_string(ledger.late) + " late, " + std::to_string(ledger.quarantined) +
        " quarantined, " + std::to_string(ledger.rate_limited) + " rate limited, " +
        std::to_string(waiting.size()) + " waiting, " + std::to_string(ledger.lost) + " lost)");
  }
  return absl::OkStatus();
}

std::string EncodeHead(const CommitHead& head) {
  std::string out;
  PutVarint(kHeadFormat, &out);
  PutVarint(head.number, &out);
  PutOptional(head.watermark, &out);
  PutOptional(head.newest_ts, &out);
  out.push_back(head.is_drained ? 1 : 0);
  PutBytes(head.rule_set_version, &out);
  PutVarint(head.positions.size(), &out);
  for (const PartitionPosition& position : head.positions) PutPosition(position, &out);
  PutVarint(head.boots.size(), &out);
  for (const Boot& boot : head.boots) {
    PutVarint(boot.number, &out);
    PutFixed64(boot.id, &out);
    PutVarint(boot.first_sequence, &out);
  }
  PutVarint(head.outbox_begin, &out);
  PutVarint(head.outbox_end, &out);
  PutVarint(head.outbox_bytes, &out);
  PutVarint(head.cursors.size(), &out);
  for (const SinkCursor& cursor : head.cursors) {
    PutBytes(cursor.sink, &out);
    PutFixed64(cursor.position.boot, &out);
    PutVarint(cursor.position.sequence, &out);
    PutVarint(cursor.dropped, &out);
  }
  SealWithCrc(&out);
  return out;
}

StatusOr<CommitHead> DecodeHead(std::string_view bytes) {
  if (!CheckCrc(&bytes)) return absl::DataLossError("the commit's checksum does not fit its bytes");
  ByteReader reader(bytes);
  const uint64_t format = reader.Varint();
  if (reader.ok() && format > kHeadFormat) {
    return absl::UnimplementedError("the commit has format " + std::to_string(format) +
                                    ", newer than this program's " + std::to_string(kHeadFormat));
  }
  CommitHead head;
  head.number = reader.Varint();
  head.watermark = ReadOptional(reader);
  head.newest_ts = ReadOptional(reader);
  head.is_drained = reader.Bool();
  head.rule_set_version = reader.Bytes();
  for (size_t left = reader.Count(16); left > 0 && reader.ok(); --left) {
    head.positions.push_back(ReadPosition(reader));
  }
  for (size_t left = reader.Count(10); left > 0 && reader.ok(); --left) {
    Boot boot;
    boot.number = reader.Varint();
    boot.id = reader.Fixed64();
    boot.first_sequence = reader.Varint();
    head.boots.push_back(boot);
  }
  head.outbox_begin = reader.Varint();
  head.outbox_end = reader.Varint();
  head.outbox_bytes = reader.Varint();
  for (size_t left = reader.Count(11); left > 0 && reader.ok(); --left) {
    SinkCursor cursor;
    cursor.sink = reader.Bytes();
    cursor.position.boot = reader.Fixed64();
    cursor.position.sequence = reader.Varint();
    cursor.dropped = reader.Varint();
    head.cursors.push_back(std::move(cursor));
  }
  if (!reader.AtEnd() || format == 0 || head.outbox_begin > head.outbox_end) {
    return absl::DataLossError("the commit's fields are damaged");
  }
  return head;
}

std::string EncodeJournal(const JournalEntry& entry) {
  std::string out;
  PutVarint(entry.kind, &out);
  PutSigned(entry.watermark, &out);
  out.append(entry.body);
  return out;
}

StatusOr<JournalEntry> DecodeJournal(std::string_view bytes) {
  ByteReader reader(bytes);
  JournalEntry entry;
  entry.kind = reader.Varint();
  entry.watermark = reader.Signed();
  if (!reader.ok()) return absl::DataLossError("a journal entry is damaged");
  entry.body = reader.Raw(reader.remaining());
  return entry;
}

std::string EncodeRecord(const OutboxRecord& record) {
  std::string out;
  PutBytes(record.output, &out);
  PutHash(record.id, &out);
  out.append(record.body);
  return out;
}

StatusOr<OutboxRecord> DecodeRecord(std::string_view bytes) {
  ByteReader reader(bytes);
  OutboxRecord record;
  record.output = reader.Bytes();
  record.id = reader.Hash();
  if (!reader.ok()) return absl::DataLossError("an outbox record is damaged");
  record.body = reader.Raw(reader.remaining());
  return record;
}

std::string EncodeRow(const KeptRow& row) {
  std::string out;
  PutBytes(row.source, &out);
  PutBytes(row.topic, &out);
  PutSigned(row.partition, &out);
  PutSigned(row.offset, &out);
  out.append(row.bytes);
  return out;
}

StatusOr<KeptRow> DecodeRow(std::string_view bytes) {
  ByteReader reader(bytes);
  KeptRow row;
  row.source = reader.Bytes();
  row.topic = reader.Bytes();
  row.partition = reader.Signed();
  row.offset = reader.Signed();
  if (!reader.ok()) return absl::DataLossError("a kept row is damaged");
  row.bytes = reader.Raw(reader.remaining());
  return row;
}

}  // namespace vigil::state
