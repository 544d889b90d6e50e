// Restorer: units from the newest versions of their parts.
#include "state/commit_log.h"

namespace vigil::state {

Status Restorer::Restore(uint32_t first, uint32_t end,
                         const std::function<Status(const StoredUnit&)>& unit) const {
  UnitAssembler assembler;
  for (size_t at = parts_.BeginOf(first); at < parts_.BeginOf(end); ++at) {
    const ChunkEntry& entry = parts_.entries()[at];
    bool done = false;
    RETURN_IF_ERROR(assembler.Add(entry.part_key, entry.value, &done));
    if (done) RETURN_IF_ERROR(unit(assembler.unit()));
  }
  return assembler.Finish();
}

}  // namespace vigil::state
