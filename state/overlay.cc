#include "state/overlay.h"

#include <algorithm>

#include "cep/base/encoding.h"
#include "state/log_keys.h"

namespace vigil::state {
namespace {

uint32_t GroupOf(const ChunkEntry& entry) { return ByteReader(entry.part_key).Ordered16(); }

}  // namespace

StatusOr<Overlay> Overlay::Load(Store& store, uint64_t after, uint64_t through) {
  Overlay overlay;
  const auto cursor = store.Scan(Family::kChunks, SequenceKey(after + 1), SequenceKey(through + 1));
  for (; cursor->valid(); cursor->Next()) {
    overlay.chunk_keys_.emplace_back(cursor->key());
    overlay.chunks_.emplace_back(cursor->value());
  }
  RETURN_IF_ERROR(cursor->status());
  bool is_foreign = false;
  for (const std::string& chunk : overlay.chunks_) {
    RETURN_IF_ERROR(ReadChunk(chunk, [&](const ChunkEntry& entry) {
      is_foreign |= GroupOf(entry) >= cep::kKeyGroups;
      overlay.entries_.push_back(entry);
    }));
  }
  if (is_foreign) return absl::DataLossError("a chunk holds a unit of no key group");
  overlay.Sort();
  return overlay;
}

// By key group first, so that each comparison sort has few entries, near each other.
void Overlay::Sort() {
  group_begins_.assign(cep::kKeyGroups + 1, 0);
  for (const ChunkEntry& entry : entries_) ++group_begins_[GroupOf(entry) + 1];
  for (uint32_t i = 0; i < cep::kKeyGroups; ++i) group_begins_[i + 1] += group_begins_[i];
  std::vector<ChunkEntry> grouped(entries_.size());
  std::vector<size_t> next(group_begins_.begin(), group_begins_.end() - 1);
  for (const ChunkEntry& entry : entries_) grouped[next[GroupOf(entry)]++] = entry;
  // Among entries of one key the last counts: they stand in the order of commits.
  size_t kept = 0;
  for (uint32_t group = 0; group < cep::kKeyGroups; ++group) {
    const auto begin = grouped.begin() + static_cast<ptrdiff_t>(group_begins_[group]);
    const auto end = grouped.begin() + static_cast<ptrdiff_t>(group_begins_[group + 1]);
    std::stable_sort(begin, end, [](const ChunkEntry& a, const ChunkEntry& b) {
      return a.part_key < b.part_key;
    });
    group_begins_[group] = kept;
    for (auto entry = begin; entry != end; ++entry) {
      if (entry + 1 != end && (entry + 1)->part_key == entry->part_key) continue;
      entries_[kept++] = *entry;
    }
  }
  group_begins_[cep::kKeyGroups] = kept;
  entries_.resize(kept);
}

}  // namespace vigil::state
