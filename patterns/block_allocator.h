// Memory in blocks of a few sizes, reused without touching what is in them.
//
// Blocks of up to kLargest bytes come from slabs, rounded up to a multiple of kStep; larger ones
// from the heap. A freed block waits in a list outside of itself, so freeing costs no cache miss.
// Slabs are kept until the end: their number follows the largest amount ever in use. Thread safety:
// none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "cep/base/large_memory.h"

namespace vigil::patterns {

class BlockAllocator {
 public:
  BlockAllocator() : free_(kLargest / kStep + 1) {}
  BlockAllocator(const BlockAllocator&) = delete;
  BlockAllocator& operator=(const BlockAllocator&) = delete;

  // Memory for `size` bytes, aligned to 16.
  void* Allocate(size_t size) {
    if (size > kLargest) return std::aligned_alloc(16, (size + 15) & ~size_t{15});
    const size_t index = (size + kStep - 1) / kStep;
    std::vector<void*>& free = free_[index];
    if (free.empty()) [[unlikely]]
      return Carve(index * kStep);
    void* block = free.back();
    free.pop_back();
    if (!free.empty()) PrefetchForWrite(free.back(), size);
    return block;
  }

  // Gives back what Allocate(size) returned.
  void Free(void* block, size_t size) {
    if (size > kLargest) {
      std::free(block);
    } else {
      free_[(size + kStep - 1) / kStep].push_back(block);
    }
  }

 private:
  static constexpr size_t kStep = 64;
  static constexpr size_t kLargest = 4096;
  static constexpr size_t kSmallSlab = 256 << 10;
  static constexpr size_t kSmallSlabs = 8;

  struct HeapDeleter {
    void operator()(char* p) const { std::free(p); }
  };

  // The block that will be handed out next has most likely left the cache.
  static void PrefetchForWrite(void* block, size_t size) {
    for (size_t at = 0; at < size; at += 64) __builtin_prefetch(static_cast<char*>(block) + at, 1);
  }

  void* Carve(size_t size) {
    if (static_cast<size_t>(end_ - cursor_) < size) {
      // The first slabs are small, for the many allocators that never need more.
      const size_t slab = slabs_.size() < kSmallSlabs ? kSmallSlab : kLargePage;
      slabs_.emplace_back(static_cast<char*>(AllocateLarge(slab)));
      cursor_ = slabs_.back().get();
      end_ = cursor_ + slab;
    }
    void* block = cursor_;
    cursor_ += size;
    return block;
  }

  std::vector<std::vector<void*>> free_;  // by size in steps
  std::vector<std::unique_ptr<char, HeapDeleter>> slabs_;
  char* cursor_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace vigil::patterns
