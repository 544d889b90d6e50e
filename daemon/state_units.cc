#include "daemon/state_units.h"

#include <string>
#include <utility>

#include "state/chunk.h"

namespace vigil::daemon {
namespace {

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
    state::AppendUnitKey({name.key_group, {}, name.key_expression, name.key_values, name.owner},
                         &key_);
    return key_;
  }

  state::ChunkPacker removed_;
  state::ChunkPacker put_;
  std::string key_;
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
    const state::ChunkPacker hasher(seed);
    return restorer->Restore(groups.first, groups.end, [&](const state::StoredUnit& stored) {
      const state::UnitKey& key = stored.name;
      cep::RestoredUnit unit;
      unit.name = {key.key_group, key.key_expression, key.key_values, key.owner};
      unit.kind = stored.head;
      unit.body = stored.body;
      unit.stored = hasher.PartsOf(stored);
      if (wanted) return take(unit);
      return packer->Remove(unit.name, &unit.stored);
    });
  };
}

}  // namespace vigil::daemon
