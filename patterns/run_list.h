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

  uint32_t size() const { return bits_ & ~kIsHeap; }
  bool empty() const { return size() == 0; }
  Run* begin() { return is_inline() ? &inline_ : heap_.runs + heap_.first; }
  const Run* begin() const { return const_cast<RunList*>(this)->begin(); }
  Run* end() { return begin() + size(); }
  const Run* end() const { return begin() + size(); }
  Run& operator[](size_t i) { return begin()[i]; }
  const Run& operator[](size_t i) const { return begin()[i]; }
  const Run& front() const { return *begin(); }

  // Fetches what going through the list and adding to it will touch, but for the list itself.
  // Always inline: GCC takes a function that only prefetches for one without effect and drops its
  // calls.
  [[gnu::always_inline]] void Prefetch() const {
    if (is_inline()) return;
    const char* const runs = reinterpret_cast<const char*>(begin());
    const size_t count = std::min({size() + 1, capacity(), kMostPrefetched});
    for (size_t at = 0; at < count * sizeof(Run); at += 64) __builtin_prefetch(runs + at);
    __builtin_prefetch(runs + count * sizeof(Run) - 1);
  }

  // Adds a run, to be filled in; `memory` outlives the list, and is the same one each time.
  Run& Add(BlockAllocator* memory) {
    if (size() == capacity()) MakeRoom(memory);
    Run* const run = new (end()) Run;
    ++bits_;
    return *run;
  }
  void push_back(const Run& run, BlockAllocator* memory) { Add(memory) = run; }
  void pop_front(uint32_t count) {
    CEP_DCHECK(count <= size());
    bits_ -= count;
    if (!is_inline()) heap_.first += count;
    if (empty()) Free();
  }
  // Keeps the first `count`.
  void truncate(uint32_t count) {
    CEP_DCHECK(count <= size());
    bits_ = (bits_ & kIsHeap) | count;
    if (count == 0) Free();
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
  static constexpr uint32_t kMostPrefetched = 10;
  // Longer lists grow by less at a time; their memory is given back to others.
  static constexpr uint32_t kFew = 4;
  static constexpr uint32_t kShort = 8;
  static constexpr uint32_t kLong = 32;

  bool is_inline() const { return (bits_ & kIsHeap) == 0; }
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
    memory->Count(bytes);
    std::memcpy(heap.runs, begin(), size() * sizeof(Run));
    const uint32_t size = this->size();
    Free();
    heap_ = heap;
    bits_ = kIsHeap | size;
  }
  void Free() {
    if (!is_inline()) {
      heap_.memory->Discount(heap_.capacity * sizeof(Run));
      if (heap_.block != kNoBlock) {
        heap_.memory->Free(heap_.block, heap_.capacity * sizeof(Run));
      } else {
        std::free(heap_.runs);
      }
    }
    bits_ = 0;
  }
  void Take(RunList* from) {
    bits_ = std::exchange(from->bits_, 0);
    if (!is_inline()) {
      heap_ = from->heap_;
    } else if (!empty()) {
      inline_ = from->inline_;
    }
  }

  // The size comes last, so that what follows a list may lie in its last word.
  union {
    Run inline_;
    Heap heap_;
  };
  // The size, and whether the runs are in memory of their own. One word, read and written as such:
  // a processor waits to read a word of which a part has just been written.
  static constexpr uint32_t kIsHeap = uint32_t{1} << 31;
  uint32_t bits_ = 0;
};

}  // namespace vigil::patterns
