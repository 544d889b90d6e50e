#include "state/part_index.h"

#include <algorithm>

namespace vigil::state {
namespace {

constexpr uint32_t kMostBytes = (1 << 24) - 1;

std::vector<PartDigest> DigestsOf(std::span<const ChunkEntry> entries) {
  std::vector<PartDigest> digests;
  digests.reserve(entries.size());
  for (const ChunkEntry& entry : entries) digests.push_back(DigestOf(entry));
  return digests;
}

}  // namespace

void PartIndex::Add(uint64_t chunk, std::span<const ChunkEntry> entries) {
  AddDigests(chunk, DigestsOf(entries));
}

void PartIndex::Add(uint64_t chunk, const PackedChunk& packed) {
  std::vector<PartDigest> digests;
  digests.reserve(packed.entries());
  for (size_t i = 0; i < packed.entries(); ++i) digests.push_back(packed.digest(i));
  AddDigests(chunk, digests);
}

void PartIndex::AddDigests(uint64_t chunk, std::span<const PartDigest> digests) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < digests.size(); ++i) {
    if (i + kAhead < digests.size()) places_.prefetch(digests[i + kAhead].part);
    const PartDigest& digest = digests[i];
    if (digest.is_deleted) {
      const auto found = places_.find(digest.part);
      if (found == places_.end()) continue;
      bytes_ -= found->second.bytes;
      places_.erase(found);
      continue;
    }
    Place& place = places_[digest.part];
    bytes_ -= place.bytes;
    place.chunk = chunk;
    place.bytes = std::min(digest.bytes, kMostBytes);
    bytes_ += place.bytes;
  }
}

std::optional<uint64_t> PartIndex::ChunkOf(const Hash128& part) const {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(part);
  if (found == places_.end()) return std::nullopt;
  return found->second.chunk;
}

std::vector<ChunkEntry> PartIndex::NewestOf(uint64_t chunk,
                                            std::span<const ChunkEntry> entries) const {
  const std::vector<PartDigest> digests = DigestsOf(entries);
  std::vector<ChunkEntry> newest;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size()) places_.prefetch(digests[i + kAhead].part);
    if (entries[i].is_deleted) continue;
    const auto found = places_.find(digests[i].part);
    if (found != places_.end() && found->second.chunk == chunk) newest.push_back(entries[i]);
  }
  return newest;
}

}  // namespace vigil::state
