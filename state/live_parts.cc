#include "state/live_parts.h"

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

StatusOr<LiveParts> LiveParts::Load(Store& store, const PartIndex& index, uint32_t first,
                                    uint32_t end) {
  LiveParts live;
  live.entries_.reserve(index.parts() * (end - first) / cep::kKeyGroups);
  const auto cursor = store.Scan(Family::kChunks, {}, {});
  for (; cursor->valid(); cursor->Next()) {
    const uint64_t number = ByteReader(cursor->key()).Ordered64();
    ASSIGN_OR_RETURN(const std::vector<ChunkEntry> entries, ReadChunk(cursor->value()));
    for (const ChunkEntry& entry : index.NewestOf(number, entries)) {
      const uint32_t group = GroupOf(entry);
      if (group >= cep::kKeyGroups) {
        return absl::DataLossError("a chunk holds a unit of no key group");
      }
      if (group < first || group >= end) continue;
      live.entries_.push_back({live.Keep(entry.part_key), live.Keep(entry.value)});
    }
  }
  RETURN_IF_ERROR(cursor->status());
  live.Sort();
  return live;
}

std::string_view LiveParts::Keep(std::string_view bytes) {
  if (bytes.size() > left_) {
    left_ = std::max(bytes.size(), kLargePage);
    blocks_.emplace_back(static_cast<char*>(AllocateLarge(left_)));
    next_ = blocks_.back().get();
  }
  char* const kept = next_;
  std::memcpy(kept, bytes.data(), bytes.size());
  next_ += bytes.size();
  left_ -= bytes.size();
  return {kept, bytes.size()};
}

// By key group first, so that each sort has few entries, near each other. Keys of a group begin
// alike (with their expression): they are sorted by the 8 bytes behind that, and compared as a
// whole only where these are equal.
void LiveParts::Sort() {
  group_begins_.assign(cep::kKeyGroups + 1, 0);
  for (const ChunkEntry& entry : entries_) ++group_begins_[GroupOf(entry) + 1];
  for (uint32_t i = 0; i < cep::kKeyGroups; ++i) group_begins_[i + 1] += group_begins_[i];
  std::vector<ChunkEntry, LargeAllocator<ChunkEntry>> grouped(entries_.size());
  std::vector<size_t> next(group_begins_.begin(), group_begins_.end() - 1);
  for (const ChunkEntry& entry : entries_) grouped[next[GroupOf(entry)]++] = entry;
  struct Place {
    uint64_t prefix;
    uint32_t entry;  // in its group
  };
  std::vector<Place> places;
  // Of a key that a chunk has several times the last counts: they stand in its order.
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
