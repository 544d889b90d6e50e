#include "daemon/state_units.h"

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cep/runtime/channel.h"
#include "state/chunk.h"

namespace vigil::daemon {
namespace {

cep::UnitName NameOf(const state::UnitKey& key) {
  return {key.key_group, key.key_expression, key.key_values, key.owner};
}

state::UnitKey UnitKeyOf(const cep::UnitName& name) {
  return {name.key_group, {}, name.key_expression, name.key_values, name.owner};
}

// What is removed has chunks of its own, which come first: an operator may hand a unit to another
// one and be asked for its snapshot later than that one. Of a key the later entry counts.
class UnitsInChunks : public cep::UnitPacker {
 public:
  explicit UnitsInChunks(uint64_t seed) : removed_(seed), put_(seed) {}

  Status Put(const cep::UnitName& name, const cep::UnitKind& kind,
             std::span<const std::string_view> segments, cep::StoredParts* stored) override {
    return put_.Put(KeyOf(name), kind, segments, stored);
  }
  Status Remove(const cep::UnitName& name, cep::StoredParts* stored) override {
    removed_.Remove(KeyOf(name), stored);
    return absl::OkStatus();
  }
  std::vector<std::string> Take() override {
    std::vector<std::string> chunks = removed_.TakeChunks();
    for (std::string& chunk : put_.TakeChunks()) chunks.push_back(std::move(chunk));
    return chunks;
  }

 private:
  const std::string& KeyOf(const cep::UnitName& name) {
    key_.clear();
    state::AppendUnitKey(UnitKeyOf(name), &key_);
    return key_;
  }

  state::ChunkPacker removed_;
  state::ChunkPacker put_;
  std::string key_;
};

// Units are read back by a thread of their own, so much ahead of the one that takes them.
constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr size_t kBlocksAhead = 8;

// Units one behind the other.
struct Block {
  struct Unit {
    size_t key = 0;  // in `bytes`
    size_t body = 0;
    size_t end = 0;
    cep::UnitKind kind;
    cep::StoredParts stored;
  };
  std::string bytes;
  std::vector<Unit> units;

  void Add(const state::StoredUnit& from, const state::ChunkPacker& hasher) {
    if (bytes.empty()) bytes.reserve(kBlockBytes + kBlockBytes / 8);
    Unit& unit = units.emplace_back();
    unit.key = bytes.size();
    bytes.append(from.key);
    unit.body = bytes.size();
    bytes.append(from.body);
    unit.end = bytes.size();
    unit.kind = from.head;
    unit.stored = hasher.PartsOf(from);
  }
  template <typename Use>
  Status ForEach(const Use& use) const {
    const std::string_view all = bytes;
    for (const Unit& unit : units) {
      ASSIGN_OR_RETURN(const state::UnitKey key,
                       state::ParseUnitKey(all.substr(unit.key, unit.body - unit.key)));
      cep::RestoredUnit restored;
      restored.name = NameOf(key);
      restored.kind = unit.kind;
      restored.body = all.substr(unit.body, unit.end - unit.body);
      restored.stored = unit.stored;
      RETURN_IF_ERROR(use(&restored));
    }
    return absl::OkStatus();
  }
};

class UnitsOnDisk : public cep::UnitReader {
 public:
  UnitsOnDisk(const DurableState* state, uint64_t seed) : state_(*state), hasher_(seed) {}

  cep::UnitHandle HandleOf(const cep::UnitName& name) const override {
    std::string key;
    state::AppendUnitKey(UnitKeyOf(name), &key);
    return state::PartOf(key, 0);
  }
  bool HasBarrier(uint64_t barrier) const override { return state_.durable_barrier() >= barrier; }
  Status Read(std::span<const cep::UnitHandle> units,
              const std::function<Status(const cep::RestoredUnit&)>& take) const override {
    return state_.ReadUnits(units, [&](const state::StoredUnit& unit) {
      return take({NameOf(unit.name), unit.head, unit.body, hasher_.PartsOf(unit)});
    });
  }

 private:
  const DurableState& state_;
  const state::ChunkPacker hasher_;
};

}  // namespace

cep::MakeUnitPacker MakeChunkPackers(uint64_t seed) {
  return [seed](uint32_t) { return std::make_unique<UnitsInChunks>(seed); };
}

cep::ReadUnits ReadUnitsOf(std::shared_ptr<const state::Restorer> restorer, uint64_t seed,
                           bool wanted) {
  return [restorer = std::move(restorer), seed, wanted](
             const cep::KeyGroupRange& groups, cep::UnitPacker* packer,
             const std::function<Status(const cep::RestoredUnit&)>& take) {
    cep::Channel<Block> blocks(kBlocksAhead);
    std::atomic<bool> has_failed = false;
    Status read;
    std::thread reader([&] {
      const state::ChunkPacker hasher(seed);
      Block block;
      read = restorer->Restore(groups.first, groups.end, [&](const state::StoredUnit& unit) {
        if (has_failed) return absl::CancelledError("what was read could not be taken");
        block.Add(unit, hasher);
        if (block.bytes.size() >= kBlockBytes) blocks.Push(std::exchange(block, {}));
        return absl::OkStatus();
      });
      blocks.Push(std::move(block));
      blocks.Close();
    });
    const auto use = [&](cep::RestoredUnit* unit) {
      return wanted ? take(*unit) : packer->Remove(unit->name, &unit->stored);
    };
    Status used;
    while (const std::optional<Block> block = blocks.Pop()) {
      if (!used.ok()) continue;
      used = block->ForEach(use);
      has_failed = !used.ok();
    }
    reader.join();
    return used.ok() ? read : used;
  };
}

std::shared_ptr<const cep::UnitReader> MakeUnitReader(const DurableState* state, uint64_t seed) {
  return std::make_shared<UnitsOnDisk>(state, seed);
}

}  // namespace vigil::daemon
