#include "state/chunk.h"

#include <algorithm>
#include <utility>

#include "cep/base/encoding.h"
#include "cep/base/hash.h"

namespace vigil::state {

void ChunkPacker::AddEntry(std::string_view unit_key, uint32_t part, std::string_view value,
                           bool is_deleted) {
  if (open_.empty()) {
    open_.reserve(kChunkSize + kChunkSize / 8);
    open_.push_back(static_cast<char>(kChunkFormat));
  }
  PutVarint(unit_key.size() + 4, &open_);
  open_.append(unit_key);
  PutOrdered32(part, &open_);
  PutVarint(is_deleted ? 0 : value.size() + 1, &open_);
  open_.append(value);
  if (open_.size() >= kChunkSize) Seal();
}

void ChunkPacker::Seal() {
  SealWithCrc(&open_);
  done_bytes_ += open_.size();
  chunks_.push_back(std::move(open_));
  open_.clear();
}

Status ChunkPacker::Put(std::string_view unit_key, const cep::UnitKind& head,
                        std::span<const std::string_view> segments, cep::StoredParts* stored) {
  size_t size = 0;
  for (const std::string_view segment : segments) size += segment.size();
  if (size > kMaxUnitSize || segments.size() > kMaxUnitSize) {
    return absl::ResourceExhaustedError("a unit of state has " + std::to_string(size) +
                                        " bytes in " + std::to_string(segments.size()) +
                                        " segments, more than " + std::to_string(kMaxUnitSize));
  }
  const auto parts = static_cast<uint32_t>(std::max<size_t>(segments.size(), 1));
  for (uint32_t part = 0; part < parts; ++part) {
    std::string_view value = segments.empty() ? std::string_view() : segments[part];
    if (part == 0) {
      first_part_.clear();
      AppendFirstPart(head, parts, value, &first_part_);
      value = first_part_;
    }
    const uint64_t hash = Hash64(value, seed_);
    if (part < stored->size()) {
      if ((*stored)[part] == hash) continue;
      (*stored)[part] = hash;
    } else {
      stored->push_back(hash);
    }
    AddEntry(unit_key, part, value, false);
  }
  for (uint32_t part = parts; part < stored->size(); ++part) AddEntry(unit_key, part, {}, true);
  stored->resize(parts);
  return absl::OkStatus();
}

Status ChunkPacker::Put(std::string_view unit_key, const cep::UnitKind& head, std::string_view body,
                        cep::StoredParts* stored) {
  cuts_.clear();
  for (size_t at = 0; at < body.size(); at += kSegmentSize) {
    cuts_.push_back(body.substr(at, kSegmentSize));
  }
  return Put(unit_key, head, cuts_, stored);
}

void ChunkPacker::Remove(std::string_view unit_key, cep::StoredParts* stored) {
  for (uint32_t part = 0; part < stored->size(); ++part) AddEntry(unit_key, part, {}, true);
  stored->clear();
}

cep::StoredParts ChunkPacker::PartsOf(const StoredUnit& unit) const {
  cep::StoredParts stored;
  if (!unit.only_part.empty()) {
    stored.push_back(Hash64(unit.only_part, seed_));
    return stored;
  }
  uint32_t begin = 0;
  std::string first;
  for (const uint32_t end : unit.segment_ends) {
    std::string_view value = unit.body.substr(begin, end - begin);
    if (stored.empty()) {
      AppendFirstPart(unit.head, static_cast<uint32_t>(unit.segment_ends.size()), value, &first);
      value = first;
    }
    stored.push_back(Hash64(value, seed_));
    begin = end;
  }
  return stored;
}

std::vector<std::string> ChunkPacker::TakeChunks() {
  if (!open_.empty()) Seal();
  done_bytes_ = 0;
  return std::exchange(chunks_, {});
}

Status ReadChunk(std::string_view chunk, const std::function<void(const ChunkEntry&)>& entry) {
  if (!CheckCrc(&chunk)) return absl::DataLossError("a chunk's checksum does not fit its bytes");
  ByteReader reader(chunk);
  const uint8_t format = reader.Byte();
  if (reader.ok() && format > kChunkFormat) {
    return absl::UnimplementedError("a chunk has format " + std::to_string(format) +
                                    ", newer than this program's " + std::to_string(kChunkFormat));
  }
  // Twice: a chunk whose checksum fits but whose entries do not is handed out not even in part.
  for (const bool is_check : {true, false}) {
    ByteReader entries(chunk.substr(std::min<size_t>(1, chunk.size())));
    while (entries.ok() && entries.remaining() > 0) {
      ChunkEntry next;
      next.part_key = entries.Bytes();
      const uint64_t size = entries.Varint();
      next.is_deleted = size == 0;
      if (size > 0) next.value = entries.Raw(size - 1);
      if (next.part_key.size() < 4) entries.Fail();
      if (entries.ok() && !is_check) entry(next);
    }
    if (!entries.ok() || format == 0) return absl::DataLossError("a chunk's entries are damaged");
  }
  return absl::OkStatus();
}

}  // namespace vigil::state
