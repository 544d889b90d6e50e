// Which chunk of the log holds the newest version of each stored part of a unit.
//
// Parts are known by the hashes of their storage keys (chunk.h). Memory: about 40 bytes a part.
// Thread safety: one thread changes it; any number may call ChunkOf() meanwhile, and while nobody
// changes it the other const functions as well.
// Tests: tests/state/model_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cep/base/hash.h"
#include "cep/base/large_memory.h"
#include "state/chunk.h"

namespace vigil::state {

class PartIndex {
 public:
  // All entries, in order, of a chunk whose number is above those of all chunks before it.
  void Add(uint64_t chunk, std::span<const ChunkEntry> entries);
  void Add(uint64_t chunk, const PackedChunk& packed);
  // Of the entries of `chunk` those that hold the newest version of a part, in order; of a part
  // that the chunk has several times all of them. Never a tombstone.
  std::vector<ChunkEntry> NewestOf(uint64_t chunk, std::span<const ChunkEntry> entries) const;

  // The chunk that holds the newest version of a part; none if the part is not stored.
  std::optional<uint64_t> ChunkOf(const Hash128& part) const;

  // Bytes of all newest versions, with their keys.
  uint64_t bytes() const { return bytes_; }
  size_t parts() const { return places_.size(); }

 private:
  struct Place {
    uint64_t chunk : 40;  // a thousand a second for 34 years
    uint64_t bytes : 24;  // of the entry; more count as so many
  };
  struct AlreadyHashed {
    size_t operator()(const Hash128& hash) const { return hash.lo; }
  };
  static constexpr size_t kAhead = 16;  // entries

  void AddDigests(uint64_t chunk, std::span<const PartDigest> digests);

  mutable std::mutex mutex_;  // held to change places_, and by those who read it meanwhile
  absl::flat_hash_map<Hash128, Place, AlreadyHashed, std::equal_to<Hash128>,
                      LargeAllocator<std::pair<const Hash128, Place>>>
      places_;
  uint64_t bytes_ = 0;
};

}  // namespace vigil::state
