#include "state/part_index.h"

#include <algorithm>

namespace vigil::state {
namespace {

constexpr uint32_t kMostBytes = (1 << 24) - 1;

}  // namespace

void PartIndex::SetDigests(std::span<const ChunkEntry> entries) {
  digests_.clear();
  for (const ChunkEntry& entry : entries) digests_.push_back(DigestOf(entry));
}

void PartIndex::Add(uint64_t chunk, std::span<const ChunkEntry> entries) {
  SetDigests(entries);
  AddDigests(chunk);
}

void PartIndex::Add(uint64_t chunk, const PackedChunk& packed) {
  digests_.clear();
  for (size_t i = 0; i < packed.entries(); ++i) digests_.push_back(packed.digest(i));
  AddDigests(chunk);
}

void PartIndex::AddDigests(uint64_t chunk) {
  for (size_t i = 0; i < digests_.size(); ++i) {
    if (i + kAhead < digests_.size()) places_.prefetch(digests_[i + kAhead].part);
    const PartDigest& digest = digests_[i];
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

std::vector<ChunkEntry> PartIndex::NewestOf(uint64_t chunk, std::span<const ChunkEntry> entries) {
  SetDigests(entries);
  std::vector<ChunkEntry> newest;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size()) places_.prefetch(digests_[i + kAhead].part);
    if (entries[i].is_deleted) continue;
    const auto found = places_.find(digests_[i].part);
    if (found != places_.end() && found->second.chunk == chunk) newest.push_back(entries[i]);
  }
  return newest;
}

}  // namespace vigil::state
