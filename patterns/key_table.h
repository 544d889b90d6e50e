// The keys of one key space that have partial matches, and those matches.
//
// Open addressing with linear probing over (hash, entry) pairs of 16 bytes; entries keep their
// place. A key's typed bytes are compared on every hit, so equal hashes do no harm. A key without
// live state takes no memory but its place in a free list. Thread safety: none; one shard's thread
// owns it.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "cep/event/key.h"
#include "patterns/match_store.h"

namespace vigil::patterns {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

using Runs = absl::InlinedVector<Run, 1>;

// One key's state for one block of rules.
struct BlockState {
  int64_t min_due = kNever;  // no run falls due earlier
  uint32_t block = 0;
  Runs runs;  // by start, then by creation
  // Complete matches held back by an earlier partial match (skip strategies), by start; null
  // without.
  std::unique_ptr<std::vector<Run>> held;

  bool empty() const { return runs.empty() && held == nullptr; }
};

// What most keys need, one partial match for one block of rules, lies in the entry itself.
struct alignas(64) KeyEntry {
  absl::InlinedVector<BlockState, 1> blocks;
  std::string key;  // typed bytes
  uint64_t hash = 0;

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
  KeyTable() : slots_(1024), tags_(1024) {}

  void Prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]); }
  // Fetches the entry that a later Find() will most likely compare with; false if there is none.
  bool PrefetchEntry(uint64_t hash) const {
    const Slot& slot = slots_[hash & (slots_.size() - 1)];
    if (slot.hash != hash) return false;
    PrefetchEntry(slot.entry);
    return true;
  }

  // False if no key has this hash; true if one has, and in one case of a hundred by chance. Reads
  // tags only, a sixteenth of the slots' memory.
  bool MayContain(uint64_t hash) const {
    const uint8_t tag = TagOf(hash);
    for (size_t i = hash & (tags_.size() - 1);; i = (i + 1) & (tags_.size() - 1)) {
      if (tags_[i] == 0) return false;
      if (tags_[i] == tag) return true;
    }
  }

  static void PrefetchEntry(const KeyEntry* entry) {
    const char* lines = reinterpret_cast<const char*>(entry);
    __builtin_prefetch(lines);
    __builtin_prefetch(lines + 64);
  }

  // The entry with this hash for which `equals(key bytes)` holds, or null.
  template <typename Equals>
  KeyEntry* Find(uint64_t hash, Equals equals) const {
    const uint8_t tag = TagOf(hash);
    for (size_t i = hash & (tags_.size() - 1);; i = (i + 1) & (tags_.size() - 1)) {
      if (tags_[i] == 0) return nullptr;
      if (tags_[i] != tag) continue;
      const Slot& slot = slots_[i];
      if (slot.hash == hash && equals(std::string_view(slot.entry->key))) return slot.entry;
    }
  }

  // A new entry; the key must not be there. The entry stays where it is until Erase().
  KeyEntry* Insert(uint64_t hash, std::string key);
  // Removes an entry without state. Pointers to it stay readable: it becomes an entry without
  // blocks.
  void Erase(KeyEntry* entry);

  size_t size() const { return count_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    KeyEntry* entry = nullptr;
  };

  // Never 0, which says that a slot is empty; other bits than those that place a hash or choose its
  // shard.
  static uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(hash >> 32 | 0x80); }

  void Grow();
  void Place(Slot slot);

  std::vector<Slot> slots_;
  std::vector<uint8_t> tags_;  // of the slots
  std::deque<KeyEntry> entries_;
  std::vector<KeyEntry*> free_;
  size_t count_ = 0;
};

}  // namespace vigil::patterns
