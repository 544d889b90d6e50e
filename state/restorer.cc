// Restorer: units from the newest versions of their parts.
#include <algorithm>

#include "cep/event/key.h"
#include "state/commit_log.h"

namespace vigil::state {
namespace {

Status Assemble(const LiveParts& parts, uint32_t first, uint32_t end,
                const std::function<Status(const StoredUnit&)>& unit) {
  UnitAssembler assembler;
  for (size_t at = parts.BeginOf(first); at < parts.BeginOf(end); ++at) {
    const ChunkEntry& entry = parts.entries()[at];
    bool done = false;
    RETURN_IF_ERROR(assembler.Add(entry.part_key, entry.value, &done));
    if (done) RETURN_IF_ERROR(unit(assembler.unit()));
  }
  return assembler.Finish();
}

}  // namespace

// Keys are spread evenly over key groups.
Restorer::Restorer(Store* store, const PartIndex* index, uint64_t memory, uint32_t calls)
    : store_(store), index_(index), groups_(cep::kKeyGroups) {
  if (index->bytes() <= memory) return;
  const uint64_t of_group = index->bytes() / cep::kKeyGroups + 1;
  groups_ = static_cast<uint32_t>(
      std::clamp<uint64_t>(memory / calls / of_group, 1, cep::kKeyGroups - 1));
}

Status Restorer::Restore(uint32_t first, uint32_t end,
                         const std::function<Status(const StoredUnit&)>& unit) const {
  if (parts_.has_value()) return Assemble(*parts_, first, end, unit);
  for (uint32_t next = first; next < end;) {
    const uint32_t begin = next;
    next = std::min(end, begin + groups_);
    ASSIGN_OR_RETURN(const LiveParts parts, LiveParts::Load(*store_, *index_, begin, next));
    RETURN_IF_ERROR(Assemble(parts, begin, next, unit));
  }
  return absl::OkStatus();
}

}  // namespace vigil::state
