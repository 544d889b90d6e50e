// Small commits over a few units, and what a log holds, read back whole.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "state/chunk.h"
#include "state/commit_log.h"

namespace vigil::state::testing {

using Units = std::map<std::string, std::string>;  // key bytes → body

inline std::string UnitKeyOf(int n) {
  std::string key;
  const std::string values = "key" + std::to_string(n);
  AppendUnitKey({static_cast<uint32_t>(n * 37 % cep::kKeyGroups), "", "account", values, "rule"},
                &key);
  return key;
}

// A shard's side: what it has in memory, and what of it changed.
class UnitWriter {
 public:
  void Set(int n, const std::string& body) {
    const std::string key = UnitKeyOf(n);
    if (body.empty()) {
      packer_.Remove(key, &stored_[key]);
      units.erase(key);
    } else {
      REQUIRE(packer_.Put(key, {7, 3}, body, &stored_[key]).ok());
      units[key] = body;
    }
  }
  std::vector<ShardChunks> Take(uint32_t shard) {
    std::vector<ShardChunks> shards(1);
    shards[0] = {shard, packer_.TakeChunks()};
    return shards;
  }
  // As after a restart from the units of `log`.
  void Restore(CommitLog& log, uint64_t memory = kRestoreBytes) {
    units.clear();
    stored_.clear();
    packer_.TakeChunks();
    auto restorer = log.MakeRestorer(memory);
    REQUIRE(restorer.ok());
    for (const auto& [first, end] : {std::pair(0u, 300u), std::pair(300u, cep::kKeyGroups)}) {
      const Status status = (*restorer)->Restore(first, end, [&](const StoredUnit& unit) {
        const std::string key(unit.key);
        REQUIRE(units.count(key) == 0);
        REQUIRE(unit.head == cep::UnitKind{7, 3});
        units[key] = unit.body;
        stored_[key] = packer_.PartsOf(unit);
        return absl::OkStatus();
      });
      INFO(status.ToString());
      REQUIRE(status.ok());
    }
  }

  Units units;

 private:
  ChunkPacker packer_{42};
  std::map<std::string, cep::StoredParts> stored_;
};

}  // namespace vigil::state::testing
