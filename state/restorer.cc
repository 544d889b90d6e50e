// Restorer: the base and, laid over it, the chunks that are not folded.
#include "cep/base/encoding.h"
#include "state/commit_log.h"

namespace vigil::state {
namespace {

std::string GroupKey(uint32_t key_group) {
  std::string key;
  PutOrdered16(static_cast<uint16_t>(key_group), &key);
  return key;
}

}  // namespace

Status Restorer::Restore(uint32_t first, uint32_t end,
                         const std::function<Status(const StoredUnit&)>& unit) const {
  const auto base = store_.Scan(Family::kBase, GroupKey(first), GroupKey(end));
  size_t at = overlay_.BeginOf(first);
  const size_t overlay_end = overlay_.BeginOf(end);
  const std::vector<ChunkEntry>& entries = overlay_.entries();
  UnitAssembler assembler;
  const auto take = [&](std::string_view key, std::string_view value) -> Status {
    bool done = false;
    RETURN_IF_ERROR(assembler.Add(key, value, &done));
    return done ? unit(assembler.unit()) : absl::OkStatus();
  };
  while (base->valid() || at < overlay_end) {
    const bool is_newer =
        at < overlay_end && (!base->valid() || entries[at].part_key <= base->key());
    if (!is_newer) {
      RETURN_IF_ERROR(take(base->key(), base->value()));
      base->Next();
      continue;
    }
    const ChunkEntry& entry = entries[at++];
    if (base->valid() && entry.part_key == base->key()) base->Next();
    if (!entry.is_deleted) RETURN_IF_ERROR(take(entry.part_key, entry.value));
  }
  RETURN_IF_ERROR(base->status());
  return assembler.Finish();
}

}  // namespace vigil::state
