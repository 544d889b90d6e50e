// A list in blocks of one size, which come from an allocator and go back to it: growing copies and
// wastes nothing.
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <vector>

#include "cep/base/check.h"
#include "patterns/block_allocator.h"

namespace vigil::patterns {

template <typename T>
class BlockList {
 public:
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  // `memory` outlives the list.
  explicit BlockList(BlockAllocator* memory) : memory_(memory) {}
  BlockList(const BlockList&) = delete;
  BlockList& operator=(const BlockList&) = delete;
  ~BlockList() { truncate(0); }

  size_t size() const { return size_; }
  T& operator[](size_t i) { return *At(i); }
  const T& operator[](size_t i) const { return *At(i); }

  void push_back(const T& value) {
    if (size_ == blocks_.size() * kInBlock) {
      blocks_.push_back(memory_->Allocate(kBytes));
      memory_->Count(kBytes);
    }
    new (At(size_)) T(value);
    ++size_;
  }
  // Keeps the first `count`.
  void truncate(size_t count) {
    CEP_DCHECK(count <= size_);
    size_ = count;
    for (; blocks_.size() > (count + kInBlock - 1) / kInBlock; blocks_.pop_back()) {
      memory_->Free(blocks_.back(), kBytes);
      memory_->Discount(kBytes);
    }
  }

 private:
  static constexpr size_t kInBlock = 16;
  static constexpr size_t kBytes = kInBlock * sizeof(T);

  T* At(size_t i) const {
    return reinterpret_cast<T*>(memory_->At(blocks_[i / kInBlock])) + i % kInBlock;
  }

  BlockAllocator* memory_;
  std::vector<uint32_t> blocks_;
  size_t size_ = 0;
};

}  // namespace vigil::patterns
