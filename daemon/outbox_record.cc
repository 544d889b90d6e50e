#include "daemon/outbox_record.h"

#include "cep/base/encoding.h"

namespace vigil::daemon {

std::string EncodeOutboxBody(const KeyFields& keys, std::string_view line) {
  std::string body;
  PutVarint(keys.size(), &body);
  for (const auto& [name, text] : keys) {
    PutBytes(name, &body);
    PutBytes(text, &body);
  }
  PutBytes(line, &body);
  return body;
}

StatusOr<alerts::Outgoing> DecodeOutboxRecord(const state::OutboxRecord& record,
                                              const std::string& key_field) {
  ByteReader reader(record.body);
  alerts::Outgoing outgoing;
  for (size_t left = reader.Count(2); left > 0; --left) {
    const std::string_view name = reader.Bytes();
    const std::string_view text = reader.Bytes();
    if (key_field.empty() || name != key_field) continue;
    outgoing.has_key = true;
    outgoing.key = text;
  }
  outgoing.line = reader.Bytes();
  if (!reader.AtEnd()) return absl::DataLossError("a record of the outbox is damaged");
  if (record.id != Hash128()) outgoing.id = ToHex(record.id);
  return outgoing;
}

}  // namespace vigil::daemon
