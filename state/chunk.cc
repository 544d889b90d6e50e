#include "state/chunk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cep/base/check.h"
#include "cep/base/encoding.h"
#include "cep/base/hash.h"
#include "cep/base/random.h"

namespace vigil::state {

namespace {

constexpr size_t kSumBytes = 8;

uint64_t HashSeed() {
  static const uint64_t seed = RandomNumber();
  return seed;
}

PartDigest MakeDigest(std::string_view part_key, size_t value_size, bool is_deleted) {
  const size_t bytes = std::min<size_t>(part_key.size() + value_size, UINT32_MAX);
  return {HashBytes128(part_key, HashSeed()), static_cast<uint32_t>(bytes), is_deleted};
}

}  // namespace

PartDigest DigestOf(const ChunkEntry& entry) {
  return MakeDigest(entry.part_key, entry.value.size(), entry.is_deleted);
}

Hash128 PartOf(std::string_view unit_key, uint32_t part) {
  std::string key(unit_key);
  PutOrdered32(part, &key);
  return HashBytes128(key, HashSeed());
}

// Packed: chunk | digests | their number, 4 bytes.
PackedChunk::PackedChunk(std::string_view packed) {
  uint32_t count = 0;
  CEP_CHECK(packed.size() >= sizeof count);
  std::memcpy(&count, packed.data() + packed.size() - sizeof count, sizeof count);
  packed.remove_suffix(sizeof count);
  CEP_CHECK(packed.size() / sizeof(PartDigest) >= count);
  chunk_ = packed.substr(0, packed.size() - count * sizeof(PartDigest));
  digests_ = packed.substr(chunk_.size());
}

PartDigest PackedChunk::digest(size_t entry) const {
  PartDigest digest;
  std::memcpy(&digest, digests_.data() + entry * sizeof digest, sizeof digest);
  return digest;
}

// A tombstone has no value.
void ChunkWriter::Add(std::string_view key, std::string_view key_end,
                      const std::string_view* value) {
  if (open_.empty()) {
    open_.reserve(kChunkSize + kChunkSize / 4);
    open_.push_back(static_cast<char>(kChunkFormat));
  }
  const size_t key_size = key.size() + key_end.size();
  PutVarint(key_size, &open_);
  const size_t begin = open_.size();
  open_.append(key);
  open_.append(key_end);
  const std::string_view part_key = std::string_view(open_).substr(begin);
  digests_.push_back(MakeDigest(part_key, value != nullptr ? value->size() : 0, value == nullptr));
  PutVarint(value != nullptr ? value->size() + 1 : 0, &open_);
  if (value != nullptr) open_.append(*value);
  if (open_.size() >= kChunkSize) Seal();
}

void ChunkWriter::Put(std::string_view unit_key, uint32_t part, std::string_view value) {
  std::string number;
  PutOrdered32(part, &number);
  Add(unit_key, number, &value);
}

void ChunkWriter::Delete(std::string_view unit_key, uint32_t part) {
  std::string number;
  PutOrdered32(part, &number);
  Add(unit_key, number, nullptr);
}

void ChunkWriter::Seal() {
  PutFixed64(Hash64(open_), &open_);
  done_bytes_ += open_.size();
  const auto count = static_cast<uint32_t>(digests_.size());
  open_.append(reinterpret_cast<const char*>(digests_.data()), count * sizeof(PartDigest));
  open_.append(reinterpret_cast<const char*>(&count), sizeof count);
  digests_.clear();
  chunks_.push_back(std::move(open_));
  open_.clear();
}

std::vector<std::string> ChunkWriter::Take() {
  if (!open_.empty()) Seal();
  done_bytes_ = 0;
  return std::exchange(chunks_, {});
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
    chunks_.Put(unit_key, part, value);
  }
  for (uint32_t part = parts; part < stored->size(); ++part) chunks_.Delete(unit_key, part);
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
  for (uint32_t part = 0; part < stored->size(); ++part) chunks_.Delete(unit_key, part);
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

StatusOr<std::vector<ChunkEntry>> ReadChunk(std::string_view chunk) {
  if (chunk.size() < kSumBytes || ByteReader(chunk.substr(chunk.size() - kSumBytes)).Fixed64() !=
                                      Hash64(chunk.substr(0, chunk.size() - kSumBytes))) {
    return absl::DataLossError("a chunk's checksum does not fit its bytes");
  }
  ByteReader reader(chunk.substr(0, chunk.size() - kSumBytes));
  const uint8_t format = reader.Byte();
  if (reader.ok() && format > kChunkFormat) {
    return absl::UnimplementedError("a chunk has format " + std::to_string(format) +
                                    ", newer than this program's " + std::to_string(kChunkFormat));
  }
  std::vector<ChunkEntry> entries;
  while (reader.ok() && reader.remaining() > 0) {
    ChunkEntry& next = entries.emplace_back();
    next.part_key = reader.Bytes();
    const uint64_t size = reader.Varint();
    next.is_deleted = size == 0;
    if (size > 0) next.value = reader.Raw(size - 1);
    if (next.part_key.size() < 4) reader.Fail();
  }
  if (!reader.ok() || format == 0) return absl::DataLossError("a chunk's entries are damaged");
  return entries;
}

}  // namespace vigil::state
