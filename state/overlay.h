// The newest version of each part in a range of commits' chunks, in the order of storage keys.
//
// What a fold writes to the base, and what a restore lays over it. Holds the chunks' bytes.
// Immutable once built; any number of threads may read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "state/chunk.h"
#include "state/store.h"

namespace vigil::state {

class Overlay {
 public:
  // Chunks of commits in (after, through]. Memory: their bytes, and 40 bytes an entry.
  static StatusOr<Overlay> Load(Store& store, uint64_t after, uint64_t through);

  const std::vector<ChunkEntry>& entries() const { return entries_; }
  // Index of the first entry of a key group, or of a later one.
  size_t BeginOf(uint32_t key_group) const { return group_begins_[key_group]; }
  // Storage keys of the chunks read.
  const std::vector<std::string>& chunk_keys() const { return chunk_keys_; }

 private:
  void Sort();

  std::vector<std::string> chunk_keys_;
  std::vector<std::string> chunks_;
  std::vector<ChunkEntry> entries_;  // point into `chunks_`
  std::vector<size_t> group_begins_;
};

}  // namespace vigil::state
