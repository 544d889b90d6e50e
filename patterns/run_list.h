// One key's partial matches for one block of rules, by start and then by creation.
//
// Most keys have one, which lies in the list itself; more are in memory of their own. Partial
// matches end by age, so taking off the first ones costs nothing per partial match that stays.
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
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
    if (size_ == capacity()) MakeRoom(size_ + 1, memory);
    begin()[size_++] = run;
  }
  void pop_front(uint32_t count) {
    CEP_DCHECK(count <= size_);
    size_ -= count;
    if (is_heap_) heap_.first += count;
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
    uint32_t first;     // those before it have been taken off
    uint32_t capacity;  // of `runs`
  };
  static_assert(std::is_trivially_copyable_v<Run>);

  bool is_inline() const { return !is_heap_; }
  uint32_t capacity() const { return is_inline() ? 1 : heap_.capacity - heap_.first; }

  // Room for `count` runs from the first one on.
  void MakeRoom(uint32_t count, BlockAllocator* memory) {
    if (!is_inline() && count <= heap_.capacity && heap_.first >= heap_.capacity / 2) {
      std::memmove(heap_.runs, begin(), size_ * sizeof(Run));
      heap_.first = 0;
      return;
    }
    const uint32_t room = std::max(count, size_ * 2);
    auto* runs = static_cast<Run*>(memory->Allocate(room * sizeof(Run)));
    std::memcpy(runs, begin(), size_ * sizeof(Run));
    const uint32_t size = size_;
    Free();
    heap_ = {runs, memory, 0, room};
    is_heap_ = true;
    size_ = size;
  }
  void Free() {
    if (is_heap_) heap_.memory->Free(heap_.runs, heap_.capacity * sizeof(Run));
    is_heap_ = false;
    size_ = 0;
  }
  void Take(RunList* from) {
    size_ = std::exchange(from->size_, 0);
    is_heap_ = std::exchange(from->is_heap_, false);
    if (is_heap_) {
      heap_ = from->heap_;
    } else if (size_ > 0) {
      inline_ = from->inline_;
    }
  }

  uint32_t size_ = 0;
  bool is_heap_ = false;
  union {
    Run inline_;
    Heap heap_;
  };
};

}  // namespace vigil::patterns
