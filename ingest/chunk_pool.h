// Memory for input, lent to batches and reused when their last row is gone.
//
// A fresh chunk costs its page faults, about 30 ns for each record in it; a reused one costs
// nothing.
#pragma once

#include <cstddef>
#include <memory>

#include "cep/event/batch.h"

namespace vigil::ingest {

// Thread safety: Get() belongs to one thread; chunks may be released on any thread, also after the
// pool is gone.
class ChunkPool {
 public:
  // What may be read behind a chunk's data, as simdjson does; its content does not matter.
  static constexpr size_t kPadding = 64;
  // At most this many free chunks are kept (16 MiB of the usual size).
  static constexpr size_t kMaxFree = 64;

  // Chunks hold `capacity` bytes and kPadding behind them.
  explicit ChunkPool(size_t capacity);

  // A chunk with room for at least `bytes` (default: the pool's capacity), its `size` 0. A larger
  // one is not pooled.
  std::shared_ptr<cep::Chunk> Get(size_t bytes = 0);

  size_t capacity() const { return capacity_; }

 private:
  struct FreeList;

  const size_t capacity_;
  std::shared_ptr<FreeList> free_;
};

}  // namespace vigil::ingest
