// Memory in blocks of a few sizes, reused without touching what is in them, and named by 32 bits.
//
// Blocks of up to kLargest bytes come from slabs, rounded up to a multiple of kStep or to whole
// cache lines; larger ones from the heap. A freed block waits in a list outside of itself, so
// freeing costs no cache miss. Slabs are kept until the end: their number follows the largest
// amount ever in use. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "cep/base/large_memory.h"

namespace vigil::patterns {

class BlockAllocator {
 public:
  // Blocks of more than `small` bytes are of whole cache lines.
  explicit BlockAllocator(size_t small) : small_(small), free_(kLargest / kStep + 1) {}
  BlockAllocator(const BlockAllocator&) = delete;
  BlockAllocator& operator=(const BlockAllocator&) = delete;

  // A block of `size` bytes, aligned to 16; never UINT32_MAX. Throws std::bad_alloc.
  uint32_t Allocate(size_t size) {
    if (size > kLargest) return AllocateHeap(size);
    const size_t index = ClassOf(size);
    std::vector<uint32_t>& free = free_[index];
    if (free.empty()) [[unlikely]]
      return Carve(index * kStep);
    const uint32_t block = free.back();
    free.pop_back();
    if (!free.empty()) PrefetchForWrite(free.back(), size);
    return block;
  }

  char* At(uint32_t block) const {
    if ((block & kIsHeap) != 0) [[unlikely]]
      return heap_[block & ~kIsHeap].get();
    return slabs_[block / kSteps].get() + size_t{block % kSteps} * kStep;
  }

  // Gives back what Allocate(size) returned.
  void Free(uint32_t block, size_t size) {
    if ((block & kIsHeap) != 0) [[unlikely]] {
      heap_[block & ~kIsHeap].reset();
      free_heap_.push_back(block);
    } else {
      free_[ClassOf(size)].push_back(block);
    }
  }

  // Whoever is asked what its memory takes counts it here: blocks, and what goes with them.
  void Count(size_t bytes) { counted_bytes_ += bytes; }
  void Discount(size_t bytes) { counted_bytes_ -= bytes; }
  size_t counted_bytes() const { return counted_bytes_; }

 private:
  static constexpr size_t kStep = 16;
  static constexpr size_t kLine = 64;
  static constexpr size_t kLargest = 4096;
  static constexpr size_t kSmallSlab = 256 << 10;
  static constexpr size_t kSmallSlabs = 8;
  // A block's name is its slab's number times kSteps and its place there, or its number among those
  // of the heap.
  static constexpr uint32_t kSteps = kLargePage / kStep;
  static constexpr uint32_t kIsHeap = uint32_t{1} << 31;
  static constexpr size_t kMostSlabs = kIsHeap / kSteps;

  struct HeapDeleter {
    void operator()(char* p) const { std::free(p); }
  };
  using Memory = std::unique_ptr<char, HeapDeleter>;

  // In steps.
  size_t ClassOf(size_t size) const {
    return size <= small_ ? (size + kStep - 1) / kStep
                          : (size + kLine - 1) / kLine * (kLine / kStep);
  }

  // The block that will be handed out next has most likely left the cache.
  [[gnu::always_inline]] void PrefetchForWrite(uint32_t block, size_t size) const {
    const char* memory = At(block);
    for (size_t at = 0; at < size; at += 64) __builtin_prefetch(memory + at, 1);
  }

  uint32_t Carve(size_t size) {
    if (size > small_) used_ = (used_ + kLine - 1) / kLine * kLine;
    if (slab_size_ - used_ < size) {
      if (slabs_.size() == kMostSlabs) return AllocateHeap(size);
      // The first slabs are small, for the many allocators that never need more.
      slab_size_ = slabs_.size() < kSmallSlabs ? kSmallSlab : kLargePage;
      slabs_.emplace_back(static_cast<char*>(AllocateLarge(slab_size_)));
      used_ = 0;
    }
    const auto block =
        static_cast<uint32_t>((slabs_.size() - 1) * kSteps + static_cast<uint32_t>(used_ / kStep));
    used_ += size;
    return block;
  }

  uint32_t AllocateHeap(size_t size) {
    if (free_heap_.empty()) {
      if (heap_.size() == UINT32_MAX - kIsHeap) throw std::bad_alloc();
      free_heap_.push_back(kIsHeap | static_cast<uint32_t>(heap_.size()));
      heap_.emplace_back();
    }
    Memory memory(static_cast<char*>(std::malloc(size)));
    if (memory == nullptr) throw std::bad_alloc();
    const uint32_t block = free_heap_.back();
    free_heap_.pop_back();
    heap_[block & ~kIsHeap] = std::move(memory);
    return block;
  }

  size_t small_;
  std::vector<std::vector<uint32_t>> free_;  // by size in steps
  std::vector<Memory> slabs_;
  size_t slab_size_ = 0;  // of the last slab
  size_t used_ = 0;
  std::vector<Memory> heap_;
  std::vector<uint32_t> free_heap_;
  size_t counted_bytes_ = 0;
};

}  // namespace vigil::patterns
