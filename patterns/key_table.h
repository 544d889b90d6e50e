// The keys of one key space that have partial matches, and those matches.
//
// Open addressing with linear probing over slots of 8 bytes; entries keep their place. A key's
// typed bytes are compared on every hit, so equal hashes do no harm. A key without live state takes
// no memory but its place in a free list. Thread safety: none; one shard's thread owns it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "cep/base/large_memory.h"
#include "cep/event/key.h"
#include "patterns/grouped_runs.h"
#include "patterns/match_store.h"
#include "patterns/run_list.h"

namespace vigil::patterns {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kNeverSeen = std::numeric_limits<int64_t>::min();
inline constexpr uint32_t kNothingStored = (uint32_t{1} << 28) - 1;

// What few keys need.
struct RareState {
  // Complete matches held back by an earlier partial match (skip strategies), by start.
  std::vector<Run> held;
  // The partial matches of a key that has many, in place of BlockState::runs.
  std::unique_ptr<GroupedRuns> grouped;
  int64_t last_seen = kNeverSeen;  // of rules with a `ttl`: the time of the key's last event

  bool empty() const { return held.empty() && grouped == nullptr; }
};

// One key's state for one block of rules.
struct BlockState {
  int64_t min_due = kNever;  // no run falls due earlier
  [[no_unique_address]] RunList runs;
  uint32_t block : 31 = 0;
  uint32_t is_dirty : 1 = 0;        // changed since the last snapshot
  std::unique_ptr<RareState> rare;  // null if there is nothing in it

  bool empty() const { return runs.empty() && (rare == nullptr || rare->empty()); }
  RareState& Rare() {
    if (rare == nullptr) rare = std::make_unique<RareState>();
    return *rare;
  }
  bool has_held() const { return rare != nullptr && !rare->held.empty(); }
  GroupedRuns* grouped() const { return rare == nullptr ? nullptr : rare->grouped.get(); }
};

// The typed bytes of a key. Up to 16 lie in the object itself.
class KeyBytes {
 public:
  KeyBytes() = default;
  KeyBytes(KeyBytes&& from) noexcept : bytes_(from.bytes_), size_(std::exchange(from.size_, 0)) {}
  ~KeyBytes() { Assign({}); }

  std::string_view view() const { return {is_inline() ? bytes_.here : bytes_.there, size_}; }
  void Assign(std::string_view key) {
    if (!is_inline()) delete[] bytes_.there;
    size_ = static_cast<uint32_t>(key.size());
    if (!is_inline()) bytes_.there = new char[key.size()];
    if (!key.empty()) std::memcpy(is_inline() ? bytes_.here : bytes_.there, key.data(), key.size());
  }

 private:
  static constexpr uint32_t kInline = 16;
  bool is_inline() const { return size_ <= kInline; }

  union {
    char here[kInline];
    char* there;
  } bytes_ = {};
  uint32_t size_ = 0;
};

// What most keys need, one partial match for one block of rules, lies in the entry itself; what a
// look at its time needs lies in the first of its two cache lines.
struct alignas(64) KeyEntry {
  // The next time at which it is looked at; kNever: at none.
  int64_t queued_for = kNever;
  union {
    // If `may_wait`: when the last of its partial matches falls due.
    int64_t ends_at = kNever;
    // While snapshots are made (then nothing may wait): the number of the last one that wrote it.
    uint64_t saved_in;
  };
  uint64_t hash = 0;
  [[no_unique_address]] KeyBytes bytes;
  // While snapshots are made: what is stored of the key, in PatternOperator's list; and for which
  // snapshot it is in a list of those that have changed, which goes on when the entry becomes
  // another key's.
  uint32_t stored : 28 = kNothingStored;
  uint32_t changed_in : 2 = 0;
  // An event has come to it since it was last looked at to leave memory.
  uint32_t was_used : 1 = 0;
  // Nobody can tell when its partial matches end: those that are due may wait for the key's next
  // event.
  uint32_t may_wait : 1 = 0;
  absl::InlinedVector<BlockState, 1> blocks;

  std::string_view key() const { return bytes.view(); }  // typed bytes

  BlockState* Find(uint32_t block) {
    for (BlockState& state : blocks) {
      if (state.block == block) return &state;
    }
    return nullptr;
  }
};

static_assert(sizeof(KeyEntry) == 128);

class KeyTable {
 public:
  KeyTable() : slots_(1024), tags_(1024 + kMirrored) {}

  [[gnu::always_inline]] void Prefetch(uint64_t hash) const {
    __builtin_prefetch(&slots_[hash & Mask()]);
  }
  // Fetches the entry that a later Find() will most likely compare with; null if there is none. It
  // stays readable: one that is erased has no blocks.
  KeyEntry* PrefetchEntry(uint64_t hash) const {
    for (size_t i = 0; i < kProbed; ++i) {
      const Slot& slot = slots_[(hash + i) & Mask()];
      if (slot.is_empty()) return nullptr;
      if (!slot.MayHave(hash)) continue;
      PrefetchEntry(slot.entry());
      return slot.entry();
    }
    return nullptr;
  }

  // False if no key has this hash; true if one has, and in one case of a hundred by chance. Reads
  // tags only, a sixteenth of the slots' memory; without a branch, as long as keys do not crowd.
  bool MayContain(uint64_t hash) const {
    const __m128i wanted = _mm_set1_epi8(static_cast<char>(TagOf(hash)));
    for (size_t i = hash & Mask();; i = (i + kMirrored) & Mask()) {
      const __m128i tags = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&tags_[i]));
      const auto empty =
          static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_setzero_si128())));
      const auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted)));
      // Those before the first empty place.
      if (empty != 0) [[likely]]
        return (equal & ((empty & -empty) - 1)) != 0;
      if (equal != 0) return true;
    }
  }

  [[gnu::always_inline]] static void PrefetchEntry(const KeyEntry* entry) {
    const char* lines = reinterpret_cast<const char*>(entry);
    __builtin_prefetch(lines);
    __builtin_prefetch(lines + 64);
  }

  // The entry with this hash for which `equals(key bytes)` holds, or null.
  template <typename Equals>
  KeyEntry* Find(uint64_t hash, Equals equals) const {
    const uint8_t tag = TagOf(hash);
    for (size_t i = hash & Mask();; i = (i + 1) & Mask()) {
      if (tags_[i] == 0) return nullptr;
      if (tags_[i] != tag) continue;
      const Slot& slot = slots_[i];
      if (!slot.MayHave(hash)) continue;
      KeyEntry* const entry = slot.entry();
      if (entry->hash == hash && equals(entry->key())) return entry;
    }
  }

  // A new entry; the key must not be there. The entry stays where it is until Erase().
  KeyEntry* Insert(uint64_t hash, std::string_view key);
  // Removes an entry without state. Pointers to it stay readable: it becomes an entry without
  // blocks.
  void Erase(KeyEntry* entry);

  size_t size() const { return count_; }
  // Calls f(entry) for each entry with state, which f may erase.
  template <typename F>
  void ForEach(F f) {
    for (auto& chunk : entries_) {
      for (KeyEntry& entry : chunk) {
        if (!entry.blocks.empty()) f(&entry);
      }
    }
  }

  // Places of entries, with and without state.
  size_t places() const {
    size_t places = 0;
    for (const auto& chunk : entries_) places += chunk.size();
    return places;
  }
  // Calls f(entry) for each entry with state in the next `count` places, round and round. f may
  // erase the entry.
  template <typename F>
  void Sweep(size_t count, F f) {
    while (count > 0) {
      if (sweep_chunk_ >= entries_.size()) sweep_chunk_ = sweep_place_ = 0;
      auto& chunk = entries_[sweep_chunk_];
      const size_t end = std::min(chunk.size(), sweep_place_ + count);
      count -= end - sweep_place_;
      for (; sweep_place_ < end; ++sweep_place_) {
        if (!chunk[sweep_place_].blocks.empty()) f(&chunk[sweep_place_]);
      }
      if (sweep_place_ < chunk.size()) return;
      ++sweep_chunk_;
      sweep_place_ = 0;
    }
  }

  // Calls f(entry, weight) for some of the entries with state, about `count` if there are as many;
  // each stands for `weight` of them.
  template <typename F>
  void Sample(size_t count, F f) const {
    const size_t step = std::max<size_t>(1, places() / std::max<size_t>(1, count));
    size_t next = 0;
    for (const auto& chunk : entries_) {
      for (; next < chunk.size(); next += step) {
        if (!chunk[next].blocks.empty()) f(chunk[next], static_cast<double>(step));
      }
      next -= chunk.size();
    }
  }

 private:
  // An entry, or null, with the lowest bits of its hash in those that an address of 64-byte-aligned
  // memory leaves free: twice as many slots in a cache line.
  class Slot {
   public:
    Slot() = default;
    Slot(uint64_t hash, KeyEntry* entry)
        : bits_(reinterpret_cast<uint64_t>(entry) | (hash & kLow) | (hash << (48 - 6) & kHigh)) {}
    KeyEntry* entry() const { return reinterpret_cast<KeyEntry*>(bits_ & ~(kLow | kHigh)); }
    bool is_empty() const { return bits_ == 0; }
    // Whether the hash may be the entry's; by chance in one case of four million.
    bool MayHave(uint64_t hash) const { return LowBits() == (hash & kHashBits); }
    // Where the entry would be placed first.
    size_t Home(size_t mask) const {
      return (mask <= kHashBits ? LowBits() : entry()->hash) & mask;
    }

   private:
    static constexpr uint64_t kLow = 63;
    static constexpr uint64_t kHigh = uint64_t{0xFFFF} << 48;
    static constexpr uint64_t kHashBits = (uint64_t{1} << 22) - 1;
    uint64_t LowBits() const { return (bits_ & kLow) | bits_ >> 48 << 6; }

    uint64_t bits_ = 0;
  };
  static_assert(sizeof(Slot) == 8);

  // Never 0, which says that a slot is empty; other bits than those that place a hash or choose its
  // shard.
  static uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(hash >> 32 | 0x80); }

  static constexpr size_t kProbed = 8;  // places that PrefetchEntry() looks at

  // So many tags from the table's start stand at its end again, for MayContain().
  static constexpr size_t kMirrored = 16;

  size_t Mask() const { return slots_.size() - 1; }
  void SetTag(size_t i, uint8_t tag) {
    tags_[i] = tag;
    if (i < kMirrored) tags_[slots_.size() + i] = tag;
  }
  void Grow();
  KeyEntry* NewEntry();
  void Place(KeyEntry* entry);

  std::vector<Slot, LargeAllocator<Slot>> slots_;
  std::vector<uint8_t, LargeAllocator<uint8_t>> tags_;  // of the slots, and the first ones again
  // Entries in chunks, each twice the one before up to kMostInChunk.
  static constexpr size_t kFirstInChunk = 64;
  static constexpr size_t kMostInChunk = 16384;
  std::vector<std::vector<KeyEntry, LargeAllocator<KeyEntry>>> entries_;
  std::vector<KeyEntry*> free_;
  size_t count_ = 0;
  // The next place of Sweep().
  size_t sweep_chunk_ = 0;
  size_t sweep_place_ = 0;
};

}  // namespace vigil::patterns
