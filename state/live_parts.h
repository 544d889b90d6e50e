// The newest version of each part that a log holds, in the order of storage keys.
//
// What a restore reads. Immutable once built; any number of threads may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cep/base/large_memory.h"
#include "cep/base/status.h"
#include "state/chunk.h"
#include "state/part_index.h"
#include "state/store.h"

namespace vigil::state {

class LiveParts {
 public:
  // Those of the key groups [first, end) in the chunks of `store`, all of which `index` knows.
  // Memory: the parts' bytes, and 40 bytes a part.
  static StatusOr<LiveParts> Load(Store& store, const PartIndex& index, uint32_t first,
                                  uint32_t end);

  std::span<const ChunkEntry> entries() const { return entries_; }
  // Index of the first entry of a key group, or of a later one.
  size_t BeginOf(uint32_t key_group) const { return group_begins_[key_group]; }

 private:
  std::string_view Keep(std::string_view bytes);
  void Sort();

  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<char, Free>> blocks_;
  char* next_ = nullptr;  // in the last block, where so many bytes are left
  size_t left_ = 0;
  std::vector<ChunkEntry, LargeAllocator<ChunkEntry>> entries_;  // point into `blocks_`
  std::vector<size_t> group_begins_;
};

}  // namespace vigil::state
