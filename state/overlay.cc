#include "state/overlay.h"

#include <algorithm>
#include <cstring>

#include "cep/base/encoding.h"
#include "state/log_keys.h"

namespace vigil::state {
namespace {

uint32_t GroupOf(const ChunkEntry& entry) { return ByteReader(entry.part_key).Ordered16(); }

size_t CommonPrefix(std::string_view a, std::string_view b) {
  const auto end = a.begin() + static_cast<ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

// The 8 bytes from `at` on, zeros behind the end, as a number that sorts as they do.
uint64_t PrefixAt(std::string_view key, size_t at) {
  uint64_t prefix = 0;
  const std::string_view rest = key.substr(at, 8);
  std::memcpy(&prefix, rest.data(), rest.size());
  return __builtin_bswap64(prefix);
}

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

// By key group first, so that each sort has few entries, near each other. Keys of a group begin
// alike (with their expression): they are sorted by the 8 bytes behind that, and compared as a
// whole only where these are equal.
void Overlay::Sort() {
  group_begins_.assign(cep::kKeyGroups + 1, 0);
  for (const ChunkEntry& entry : entries_) ++group_begins_[GroupOf(entry) + 1];
  for (uint32_t i = 0; i < cep::kKeyGroups; ++i) group_begins_[i + 1] += group_begins_[i];
  std::vector<ChunkEntry> grouped(entries_.size());
  std::vector<size_t> next(group_begins_.begin(), group_begins_.end() - 1);
  for (const ChunkEntry& entry : entries_) grouped[next[GroupOf(entry)]++] = entry;
  struct Place {
    uint64_t prefix;
    uint32_t entry;  // in its group
  };
  std::vector<Place> places;
  // Among entries of one key the last counts: they stand in the order of commits.
  size_t kept = 0;
  for (uint32_t group = 0; group < cep::kKeyGroups; ++group) {
    const ChunkEntry* const begin = grouped.data() + group_begins_[group];
    const auto count = static_cast<uint32_t>(group_begins_[group + 1] - group_begins_[group]);
    size_t common = SIZE_MAX;
    for (uint32_t i = 0; i < count; ++i) {
      common = std::min(common, CommonPrefix(begin[0].part_key, begin[i].part_key));
    }
    places.clear();
    for (uint32_t i = 0; i < count; ++i) places.push_back({PrefixAt(begin[i].part_key, common), i});
    std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      const int order = begin[a.entry].part_key.compare(begin[b.entry].part_key);
      return order != 0 ? order < 0 : a.entry < b.entry;
    });
    group_begins_[group] = kept;
    for (uint32_t i = 0; i < count; ++i) {
      const ChunkEntry& entry = begin[places[i].entry];
      const bool is_last = i + 1 == count || places[i].prefix != places[i + 1].prefix ||
                           begin[places[i + 1].entry].part_key != entry.part_key;
      if (is_last) entries_[kept++] = entry;
    }
  }
  group_begins_[cep::kKeyGroups] = kept;
  entries_.resize(kept);
}

}  // namespace vigil::state
