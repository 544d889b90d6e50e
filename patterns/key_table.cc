#include "patterns/key_table.h"

#include <algorithm>

#include "cep/base/check.h"

namespace vigil::patterns {

void KeyTable::Place(KeyEntry* entry) {
  size_t i = entry->hash & Mask();
  while (tags_[i] != 0) i = (i + 1) & Mask();
  slots_[i] = Slot(entry->hash, entry);
  SetTag(i, TagOf(entry->hash));
}

void KeyTable::Grow() {
  std::vector<Slot, LargeAllocator<Slot>> old(slots_.size() * 2);
  old.swap(slots_);
  tags_.assign(slots_.size() + kMirrored, 0);
  for (const Slot& slot : old) {
    if (!slot.is_empty()) Place(slot.entry());
  }
}

KeyEntry* KeyTable::NewEntry() {
  if (entries_.empty() || entries_.back().size() == entries_.back().capacity()) {
    const size_t last = entries_.empty() ? kFirstInChunk / 2 : entries_.back().capacity();
    entries_.emplace_back().reserve(std::min(last * 2, kMostInChunk));
  }
  return &entries_.back().emplace_back();
}

KeyEntry* KeyTable::Insert(uint64_t hash, std::string_view key) {
  if ((count_ + 1) * 2 > slots_.size()) Grow();
  KeyEntry* entry;
  if (free_.empty()) {
    entry = NewEntry();
  } else {
    entry = free_.back();
    free_.pop_back();
    if (!free_.empty()) PrefetchEntry(free_.back());
  }
  entry->hash = hash;
  entry->bytes.Assign(key);
  Place(entry);
  ++count_;
  return entry;
}

void KeyTable::Erase(KeyEntry* entry) {
  const size_t mask = Mask();
  size_t i = entry->hash & mask;
  while (slots_[i].entry() != entry) {
    CEP_DCHECK(!slots_[i].is_empty());
    i = (i + 1) & mask;
  }
  // Close the gap: move back every later slot of the run that may not be passed by its probe.
  for (size_t j = (i + 1) & mask; tags_[j] != 0; j = (j + 1) & mask) {
    const size_t home = slots_[j].Home(mask);
    const bool stays = i <= j ? (i < home && home <= j) : (i < home || home <= j);
    if (stays) continue;
    slots_[i] = slots_[j];
    SetTag(i, tags_[j]);
    i = j;
  }
  slots_[i] = Slot();
  SetTag(i, 0);
  entry->blocks.clear();
  entry->stored = kNothingStored;
  entry->queued_for = kNever;
  entry->may_wait = 0;
  entry->was_used = 0;
  free_.push_back(entry);
  --count_;
}

}  // namespace vigil::patterns
