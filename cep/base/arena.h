// A bump allocator for values that live as long as a batch or one evaluation.
//
// Thread safety: none; one owner at a time. Objects put here must be trivially destructible:
// nothing is destroyed, memory is reused by Reset() and freed by the destructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <vector>

namespace vigil {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  // `size` bytes aligned to `align` (a power of two, at most 16).
  void* Allocate(size_t size, size_t align = 8) {
    uintptr_t p = (cursor_ + (align - 1)) & ~static_cast<uintptr_t>(align - 1);
    if (p + size > end_ || cursor_ == 0) [[unlikely]]
      return AllocateSlow(size, align);
    cursor_ = p + size;
    return reinterpret_cast<void*>(p);
  }

  // `count` default-initialised objects.
  template <typename T>
  T* New(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    void* memory = Allocate(count * sizeof(T), alignof(T));
    return new (memory) T[count]();
  }

  // A copy of `text` that lives as long as the arena's contents.
  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* p = static_cast<char*>(Allocate(text.size(), 1));
    std::memcpy(p, text.data(), text.size());
    return {p, text.size()};
  }

  // Forgets all contents; keeps one block for reuse.
  void Reset() {
    if (blocks_.size() > 1) {
      blocks_.erase(blocks_.begin(), blocks_.end() - 1);
    }
    if (!blocks_.empty()) {
      cursor_ = reinterpret_cast<uintptr_t>(blocks_.back().data.get());
      end_ = cursor_ + blocks_.back().size;
    }
    used_ = 0;
  }

  // Bytes held from the heap.
  size_t bytes_reserved() const {
    size_t sum = 0;
    for (const Block& block : blocks_) sum += block.size;
    return sum;
  }

  // Bytes handed out since the last Reset(), not counting the current block's.
  size_t bytes_used() const { return used_; }

 private:
  struct Block {
    std::unique_ptr<char[]> data;
    size_t size;
  };

  void* AllocateSlow(size_t size, size_t align) {
    const size_t last = blocks_.empty() ? 2048 : blocks_.back().size;
    size_t want = last < (1u << 18) ? last * 2 : last;
    if (want < size + align) want = size + align;
    blocks_.push_back({std::unique_ptr<char[]>(new char[want]), want});
    used_ += want;
    cursor_ = reinterpret_cast<uintptr_t>(blocks_.back().data.get());
    end_ = cursor_ + want;
    const uintptr_t p = (cursor_ + (align - 1)) & ~static_cast<uintptr_t>(align - 1);
    cursor_ = p + size;
    return reinterpret_cast<void*>(p);
  }

  std::vector<Block> blocks_;
  uintptr_t cursor_ = 0;
  uintptr_t end_ = 0;
  size_t used_ = 0;
};

}  // namespace vigil
