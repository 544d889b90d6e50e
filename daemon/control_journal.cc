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

}  // namespace

state::JournalEntry EntryOf(const cep::TimeEvent& event, const cep::Partition& partition) {
  std::string body;
  PutBytes(partition.source, &body);
  PutBytes(partition.topic, &body);
  PutVarint(partition.number, &body);
  PutVarint(event.offset, &body);
  PutSigned(event.watermark, &body);
  return {static_cast<uint64_t>(KindOf(event.kind)), event.engine, std::move(body)};
}

StatusOr<cep::MarkedPartition> MarkOf(const state::JournalEntry& entry) {
  ByteReader reader(entry.body);
  cep::MarkedPartition partition;
  partition.source = reader.Bytes();
  partition.topic = reader.Bytes();
  const uint64_t number = reader.Varint();
  cep::TimeMark mark;
  mark.joins = entry.kind != static_cast<uint64_t>(JournalKind::kIdle);
  mark.offset = reader.Varint();
  mark.watermark = reader.Signed();
  if (!reader.AtEnd() || number > UINT32_MAX) {
    return absl::DataLossError("an entry of the control journal is damaged");
  }
  partition.number = static_cast<uint32_t>(number);
  partition.marks.push_back(mark);
  return partition;
}

}  // namespace vigil::daemon
