// How a shard's state leaves it at a barrier and comes back at a start. The bytes are the store's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/key.h"
#include "cep/runtime/state_unit.h"

namespace vigil::cep {

// Packs what an operator writes. Thread safety: one shard's, used where its operator is.
class UnitPacker : public UnitWriter {
 public:
  // All that was written since the last call: what is removed, then what is put.
  virtual std::vector<std::string> Take() = 0;
};
using MakeUnitPacker = std::function<std::unique_ptr<UnitPacker>(uint32_t shard)>;

// One shard's snapshot.
struct ShardSnapshot {
  Status status;  // of its making
  std::vector<std::string> chunks;
};

// What one shard changed between two barriers.
struct ShardChanges {
  uint32_t shard = 0;
  std::vector<std::string> chunks;
};

// Key groups [first, end).
struct KeyGroupRange {
  uint32_t first = 0;
  uint32_t end = kKeyGroups;
};

// Those that a shard of `count` owns (ShardOf()).
inline KeyGroupRange GroupsOf(uint32_t shard, uint32_t count) {
  const auto first = [count](uint64_t s) {
    return static_cast<uint32_t>((s * kKeyGroups + count - 1) / count);
  };
  return {first(shard), first(uint64_t{shard} + 1)};
}

// Calls `unit` for each stored unit of `groups`, which goes to the operator, and writes to `packer`
// what has become of those that do not. Called by several threads, for different groups.
using ReadUnits = std::function<Status(const KeyGroupRange& groups, UnitPacker* packer,
                                       const std::function<Status(const RestoredUnit&)>& unit)>;

}  // namespace vigil::cep
