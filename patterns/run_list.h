// One key's partial matches for one block of rules, by start and then by creation.
//
// Most keys have one, which lies in the list itself; more are in memory of their own, a few in
// blocks that are quick to come by. Partial matches end by age, so taking off the first ones costs
// nothing per partial match that stays. Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "cep/base/check.h"
#include "patterns/match_store.h"

namespace vigil::patterns {

class RunList {
 public:
  RunList() {}
  RunList(RunList&& from) noexcept { Take(&from); }
  RunList& operator=(RunList&& from) noexcept {
    if (this != &from) {
      Free();
      Take(&from);
    }
    return *this;
  }
  ~RunList() { Free(); }

  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Run* begin() { return is_inline() ? &inline_ : heap_.runs + heap_.first; }
  const Run* begin() const { return const_cast<RunList*>(this)->begin(); }
  Run* end() { return begin() + size_; }
  const Run* end() const { return begin() + size_; }
  Run& operator[](size_t i) { return begin()[i]; }
  const Run& operator[](size_t i) const { return begin()[i]; }
  const Run& front() const { return *begin(); }

  // `memory` outlives the list, and is the same one each time.
  void push_back(const Run& run, BlockAllocator* memory) {
    if (size_ == capacity()) MakeRoom(memory);
    begin()[size_] = run;
    ++size_;
  }
  void pop_front(uint32_t count) {
    CEP_DCHECK(count <= size_);
    size_ -= count;
    if (!is_inline()) heap_.first += count;
    if (size_ == 0) Free();
  }
  // Keeps the first `count`.
  void truncate(uint32_t count) {
    CEP_DCHECK(count <= size_);
    size_ = count;
    if (size_ == 0) Free();
  }

 private:
  struct Heap {
    Run* runs;
    BlockAllocator* memory;
    uint32_t block;     // of `memory`; kNoBlock: the runs are from malloc()
    uint32_t first;     // those before it have been taken off
    uint32_t capacity;  // of `runs`
  };
  static_assert(std::is_trivially_copyable_v<Run>);
  static constexpr uint32_t kNoBlock = UINT32_MAX;
  // Longer lists grow by less at a time; their memory is given back to others.
  static constexpr uint32_t kFew = 4;
  static constexpr uint32_t kShort = 8;
  static constexpr uint32_t kLong = 32;

  bool is_inline() const { return is_heap_ == 0; }
  uint32_t capacity() const { return is_inline() ? 1 : heap_.capacity - heap_.first; }

  // Room for one more.
  void MakeRoom(BlockAllocator* memory) {
    const bool is_short = is_inline() || heap_.capacity <= kShort;
    if (!is_inline() && heap_.first >= (is_short ? 1 : heap_.capacity / 2)) {
      std::memmove(heap_.runs, begin(), size() * sizeof(Run));
      heap_.first = 0;
      return;
    }
    const uint32_t more = size() / (size() < kLong ? 2 : size() < 2 * kLong ? 4 : 8);
    const uint32_t room = size() < kFew ? kFew : size() < kShort ? kShort : size() + more;
    const size_t bytes = room * sizeof(Run);
    Heap heap{nullptr, memory, kNoBlock, 0, room};
    if (room <= kShort) {
      heap.block = memory->Allocate(bytes);
      heap.runs = reinterpret_cast<Run*>(memory->At(heap.block));
    } else {
      heap.runs = static_cast<Run*>(std::malloc(bytes));
      if (heap.runs == nullptr) throw std::bad_alloc();
    }
    std::memcpy(heap.runs, begin(), size() * sizeof(Run));
    const uint32_t size = size_;
    Free();
    heap_ = heap;
    is_heap_ = 1;
    size_ = size;
  }
  void Free() {
    if (!is_inline()) {
      if (heap_.block != kNoBlock) {
        heap_.memory->Free(heap_.block, heap_.capacity * sizeof(Run));
      } else {
        std::free(heap_.runs);
      }
    }
    is_heap_ = 0;
    size_ = 0;
  }
  void Take(RunList* from) {
    size_ = from->size_;
    is_heap_ = from->is_heap_;
    from->size_ = from->is_heap_ = 0;
    if (!is_inline()) {
      heap_ = from->heap_;
    } else if (size_ > 0) {
      inline_ = from->inline_;
    }
  }

  // The sizes come last, so that what follows a list may lie in its last word.
  union {
    Run inline_;
    Heap heap_;
  };
  uint32_t size_ : 31 = 0;
  uint32_t is_heap_ : 1 = 0;
};

}  // namespace vigil::patterns
