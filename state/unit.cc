#include "state/unit.h"

#include "cep/base/encoding.h"

namespace vigil::state {

void AppendUnitKey(const UnitKey& key, std::string* out) {
  PutOrdered16(static_cast<uint16_t>(key.key_group), out);
  PutBytes(key.tenant, out);
  PutBytes(key.key_expression, out);
  PutBytes(key.key_values, out);
  PutBytes(key.owner, out);
}

StatusOr<UnitKey> ParseUnitKey(std::string_view bytes) {
  ByteReader reader(bytes);
  UnitKey key;
  key.key_group = reader.Ordered16();
  key.tenant = reader.Bytes();
  key.key_expression = reader.Bytes();
  key.key_values = reader.Bytes();
  key.owner = reader.Bytes();
  if (!reader.AtEnd() || key.key_group >= cep::kKeyGroups) {
    return absl::DataLossError("a stored unit's key is damaged");
  }
  return key;
}

void AppendFirstPart(const cep::UnitKind& head, uint32_t parts, std::string_view segment,
                     std::string* out) {
  PutVarint(kUnitFormat, out);
  PutVarint(head.incarnation, out);
  PutVarint(head.capture_layout, out);
  PutVarint(parts, out);
  out->append(segment);
}

StatusOr<UnitFirstPart> ParseFirstPart(std::string_view value) {
  ByteReader reader(value);
  const uint64_t format = reader.Varint();
  if (reader.ok() && format > kUnitFormat) {
    return absl::UnimplementedError("a stored unit has format " + std::to_string(format) +
                                    ", newer than this program's " + std::to_string(kUnitFormat));
  }
  UnitFirstPart part;
  part.head.incarnation = reader.Varint();
  part.head.capture_layout = reader.Varint();
  const uint64_t parts = reader.Varint();
  if (!reader.ok() || format == 0 || parts == 0 || parts > kMaxUnitSize) {
    return absl::DataLossError("a stored unit's head is damaged");
  }
  part.parts = static_cast<uint32_t>(parts);
  part.segment = reader.Raw(reader.remaining());
  return part;
}

bool SplitPartKey(std::string_view part_key, std::string_view* unit_key, uint32_t* part) {
  if (part_key.size() < 4) return false;
  *unit_key = part_key.substr(0, part_key.size() - 4);
  *part = ByteReader(part_key.substr(part_key.size() - 4)).Ordered32();
  return true;
}

Status UnitAssembler::Add(std::string_view part_key, std::string_view value, bool* done) {
  *done = false;
  std::string_view unit_key;
  uint32_t part = 0;
  if (!SplitPartKey(part_key, &unit_key, &part)) {
    return absl::DataLossError("a stored unit's key is damaged");
  }
  if (part == 0) {
    RETURN_IF_ERROR(Finish());
    ASSIGN_OR_RETURN(const UnitFirstPart first, ParseFirstPart(value));
    head_ = first.head;
    parts_ = first.parts;
    key_ = unit_key;
    body_ = first.segment;
    only_part_ = value;
    if (parts_ > 1) {
      key_ = key_copy_.assign(unit_key);
      body_ = body_copy_.assign(first.segment);
      only_part_ = {};
    }
    ASSIGN_OR_RETURN(name_, ParseUnitKey(key_));
    segment_ends_.clear();
  } else {
    if (part != segment_ends_.size() || part >= parts_ || unit_key != key_) {
      return absl::DataLossError("part " + std::to_string(part) +
                                 " of a stored unit does not follow the one before it");
    }
    if (value.size() > kMaxUnitSize - body_.size()) {
      return absl::DataLossError("a stored unit is larger than " + std::to_string(kMaxUnitSize) +
                                 " bytes");
    }
    body_ = body_copy_.append(value);
  }
  segment_ends_.push_back(static_cast<uint32_t>(body_.size()));
  *done = segment_ends_.size() == parts_;
  return absl::OkStatus();
}

Status UnitAssembler::Finish() const {
  if (segment_ends_.size() == parts_) return absl::OkStatus();
  return absl::DataLossError("a stored unit has " + std::to_string(segment_ends_.size()) + " of " +
                             std::to_string(parts_) + " parts");
}

}  // namespace vigil::state
