#include "daemon/control_journal.h"

#include <string>
#include <utility>

#include "cep/base/encoding.h"

namespace vigil::daemon {
namespace {

JournalKind KindOf(cep::TimeEvent::Kind kind) {
  switch (kind) {
    case cep::TimeEvent::Kind::kJoined:
      return JournalKind::kJoined;
    case cep::TimeEvent::Kind::kIdle:
      return JournalKind::kIdle;
    case cep::TimeEvent::Kind::kReturned:
      break;
  }
  return JournalKind::kReturned;
}

void PutPartition(const cep::Partition& partition, std::string* body) {
  PutBytes(partition.source, body);
  PutBytes(partition.topic, body);
  PutVarint(partition.number, body);
}

}  // namespace

state::JournalEntry EntryOf(const cep::TimeEvent& event, const cep::Partition& partition) {
  std::string body;
  PutPartition(partition, &body);
  PutVarint(event.offset, &body);
  PutSigned(event.watermark, &body);
  return {static_cast<uint64_t>(KindOf(event.kind)), event.engine, std::move(body)};
}

state::JournalEntry EntryOfRefused(const cep::Partition& partition,
                                   const std::vector<uint64_t>& offsets, int64_t engine) {
  state::OffsetRuns runs;
  for (const uint64_t offset : offsets) runs.Append(static_cast<int64_t>(offset));
  std::string body;
  PutPartition(partition, &body);
  runs.Encode(0, &body);
  return {static_cast<uint64_t>(JournalKind::kRefused), engine, std::move(body)};
}

StatusOr<cep::MarkedPartition> MarkOf(const state::JournalEntry& entry) {
  ByteReader reader(entry.body);
  cep::MarkedPartition partition;
  partition.source = reader.Bytes();
  partition.topic = reader.Bytes();
  const uint64_t number = reader.Varint();
  if (static_cast<JournalKind>(entry.kind) == JournalKind::kRefused) {
    const state::OffsetRuns offsets = state::DecodeRuns(0, reader);
    for (const state::OffsetRuns::Run& run : offsets.runs()) {
      const auto first = static_cast<uint64_t>(run.first);
      partition.refused.push_back({first, first + static_cast<uint64_t>(run.count)});
    }
  } else {
    cep::TimeMark mark;
    mark.joins = static_cast<JournalKind>(entry.kind) != JournalKind::kIdle;
    mark.offset = reader.Varint();
    mark.watermark = reader.Signed();
    partition.marks.push_back(mark);
  }
  if (!reader.AtEnd() || number > UINT32_MAX) {
    return absl::DataLossError("an entry of the control journal is damaged");
  }
  partition.number = static_cast<uint32_t>(number);
  return partition;
}

}  // namespace vigil::daemon
