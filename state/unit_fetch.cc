// CommitLog::ReadUnits(): some units, wherever their newest versions are.
#include <algorithm>

#include "state/commit_log.h"

namespace vigil::state {
namespace {

// Chunks that the disk is told of at a time.
constexpr size_t kExpected = 64;

Status Gone() {
  return absl::DataLossError("the state is damaged: a unit that is to be stored is not there");
}

// A part that is looked for, and what was found.
struct WantedPart {
  Hash128 part;
  uint64_t chunk = 0;
  bool is_found = false;
  std::string key;
  std::string value;
};

// Reads the parts that are said to be in `chunk`.
Status ReadParts(std::string_view chunk, std::span<WantedPart> wanted) {
  ASSIGN_OR_RETURN(const std::vector<ChunkEntry> entries, ReadChunk(chunk));
  std::sort(wanted.begin(), wanted.end(),
            [](const WantedPart& a, const WantedPart& b) { return a.part < b.part; });
  for (const ChunkEntry& entry : entries) {
    const Hash128 part = DigestOf(entry).part;
    const auto found = std::lower_bound(
        wanted.begin(), wanted.end(), part,
        [](const WantedPart& wanted, const Hash128& part) { return wanted.part < part; });
    if (found == wanted.end() || found->part != part) continue;
    // Of a part that the chunk has several times the last counts.
    found->is_found = !entry.is_deleted;
    found->key = entry.part_key;
    found->value = entry.value;
  }
  return absl::OkStatus();
}

// Reads what has not been found yet, chunk by chunk. What has moved meanwhile is left as it is.
Status ReadWanted(Store& store, const PartIndex& index, std::span<WantedPart> wanted) {
  for (WantedPart& part : wanted) {
    if (part.is_found) continue;
    const std::optional<uint64_t> chunk = index.ChunkOf(part.part);
    if (!chunk.has_value()) return Gone();
    part.chunk = *chunk;
  }
  std::sort(wanted.begin(), wanted.end(), [](const WantedPart& a, const WantedPart& b) {
    return std::pair(a.is_found, a.chunk) < std::pair(b.is_found, b.chunk);
  });
  struct Run {
    size_t begin, end;
  };
  std::vector<Run> runs;  // of one chunk each
  std::vector<std::string> keys;
  for (size_t i = 0; i < wanted.size() && !wanted[i].is_found; ++i) {
    if (i == 0 || wanted[i].chunk != wanted[i - 1].chunk) {
      runs.push_back({i, i});
      keys.push_back(SequenceKey(wanted[i].chunk));
    }
    runs.back().end = i + 1;
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    // While one is read, the disk looks for the next ones.
    if (i % kExpected == 0 && runs.size() > 1) {
      store.ExpectChunks(std::span(keys).subspan(i, std::min(kExpected, keys.size() - i)));
    }
    ASSIGN_OR_RETURN(const std::optional<std::string> chunk, store.Get(Family::kChunks, keys[i]));
    if (!chunk.has_value()) continue;
    const auto [begin, end] = runs[i];
    RETURN_IF_ERROR(ReadParts(*chunk, wanted.subspan(begin, end - begin)));
  }
  return absl::OkStatus();
}

bool AreFound(std::span<const WantedPart> wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [](const WantedPart& part) { return part.is_found; });
}

}  // namespace

Status CommitLog::ReadUnits(std::span<const Hash128> first_parts,
                            const std::function<Status(const StoredUnit&)>& unit) const {
  if (index_ == nullptr) return absl::FailedPreconditionError("no restorer has been made");
  std::vector<WantedPart> parts(first_parts.size());
  for (size_t i = 0; i < parts.size(); ++i) parts[i].part = first_parts[i];
  const auto read = [this](std::span<WantedPart> wanted) {
    RETURN_IF_ERROR(ReadWanted(*store_, *index_, wanted));
    if (AreFound(wanted)) return absl::OkStatus();
    // A commit has moved some of them; no other one does so before they have been read.
    const std::lock_guard lock(moving_);
    RETURN_IF_ERROR(ReadWanted(*store_, *index_, wanted));
    return AreFound(wanted) ? absl::OkStatus() : Gone();
  };
  RETURN_IF_ERROR(read(parts));
  std::vector<WantedPart> others;
  for (const WantedPart& part : parts) {
    ASSIGN_OR_RETURN(const UnitFirstPart first, ParseFirstPart(part.value));
    std::string_view unit_key;
    uint32_t number = 0;
    if (!SplitPartKey(part.key, &unit_key, &number)) return Gone();
    for (number = 1; number < first.parts; ++number) {
      others.emplace_back().part = PartOf(unit_key, number);
      if (!index_->ChunkOf(others.back().part).has_value()) return Gone();
    }
  }
  RETURN_IF_ERROR(read(others));
  std::move(others.begin(), others.end(), std::back_inserter(parts));
  std::sort(parts.begin(), parts.end(),
            [](const WantedPart& a, const WantedPart& b) { return a.key < b.key; });
  UnitAssembler assembler;
  for (const WantedPart& part : parts) {
    bool done = false;
    RETURN_IF_ERROR(assembler.Add(part.key, part.value, &done));
    if (done) RETURN_IF_ERROR(unit(assembler.unit()));
  }
  return assembler.Finish();
}

}  // namespace vigil::state
