#include "tests/support/snapshot_run.h"

#include <algorithm>
#include <cstdio>

#include "cep/base/check.h"
#include "cep/base/encoding.h"
#include "cep/base/hash.h"
#include "cep/event/key.h"
#include "cep/time/watermark.h"
#include "tests/support/engine_run.h"

namespace vigil::testing {

uint64_t UnitStore::HashOf(std::string_view part) { return Hash64(part, 77); }

Status UnitStore::Put(const cep::UnitName& name, const cep::UnitKind& kind,
                      std::span<const std::string_view> segments, cep::StoredParts* stored) {
  Unit& unit = units_[{name.key_group, std::string(name.key_expression),
                       std::string(name.key_values), std::string(name.owner)}];
  // Who writes knows what is stored.
  if (stored->size() != unit.parts.size()) {
    std::fprintf(stderr, "unit of %s: %zu parts are stored, not %zu\n",
                 std::string(name.owner).c_str(), unit.parts.size(), stored->size());
  }
  CEP_CHECK(stored->size() == unit.parts.size());
  unit.kind = kind;
  unit.parts.resize(segments.size());
  stored->resize(segments.size());
  for (size_t i = 0; i < segments.size(); ++i) {
    std::string part(segments[i]);
    const uint64_t hash = HashOf(part);
    if ((*stored)[i] == hash) {
      CEP_CHECK(unit.parts[i] == part);
      continue;
    }
    (*stored)[i] = hash;
    unit.parts[i] = std::move(part);
    ++writes_;
  }
  return absl::OkStatus();
}

Status UnitStore::Remove(const cep::UnitName& name, cep::StoredParts* stored) {
  const auto unit = units_.find({name.key_group, std::string(name.key_expression),
                                 std::string(name.key_values), std::string(name.owner)});
  CEP_CHECK(unit != units_.end() && stored->size() == unit->second.parts.size());
  units_.erase(unit);
  stored->clear();
  return absl::OkStatus();
}

cep::UnitHandle StoreReader::HandleOf(const cep::UnitName& name) const {
  std::string bytes = std::to_string(name.key_group);
  for (const std::string_view part : {name.key_expression, name.key_values, name.owner}) {
    PutBytes(part, &bytes);
  }
  return HashBytes128(bytes);
}

Status StoreReader::Read(std::span<const cep::UnitHandle> units,
                         const std::function<Status(const cep::RestoredUnit&)>& take) const {
  RETURN_IF_ERROR(error);
  size_t found = 0;
  Status taken;
  store_.ForEach([&](const cep::RestoredUnit& unit) {
    if (std::find(units.begin(), units.end(), HandleOf(unit.name)) == units.end()) return;
    ++found;
    if (taken.ok()) taken = take(unit);
  });
  CEP_CHECK(found == units.size());
  reads_ += found;
  return taken;
}

HeldSnapshot::Write HeldSnapshot::WriteOf(const cep::UnitName& name,
                                          const cep::StoredParts& stored) {
  return {{name.key_group, std::string(name.key_expression), std::string(name.key_values),
           std::string(name.owner)},
          {},
          {},
          stored};
}

Status HeldSnapshot::Put(const cep::UnitName& name, const cep::UnitKind& kind,
                         std::span<const std::string_view> segments, cep::StoredParts* stored) {
  Write& write = put_.emplace_back(WriteOf(name, *stored));
  write.kind = kind;
  write.segments.assign(segments.begin(), segments.end());
  stored->clear();
  for (const std::string_view segment : segments) stored->push_back(UnitStore::HashOf(segment));
  return absl::OkStatus();
}

Status HeldSnapshot::Remove(const cep::UnitName& name, cep::StoredParts* stored) {
  removed_.push_back(WriteOf(name, *stored));
  stored->clear();
  return absl::OkStatus();
}

void HeldSnapshot::GiveTo(UnitStore* store) {
  const auto name_of = [](const Write& write) {
    const auto& [group, expression, values, owner] = write.name;
    return cep::UnitName{group, expression, values, owner};
  };
  for (Write& write : removed_) CEP_CHECK(store->Remove(name_of(write), &write.stored).ok());
  for (Write& write : put_) {
    const std::vector<std::string_view> segments(write.segments.begin(), write.segments.end());
    CEP_CHECK(store->Put(name_of(write), write.kind, segments, &write.stored).ok());
  }
  removed_.clear();
  put_.clear();
}

SteppedRun::SteppedRun(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                       uint32_t shards)
    : loaded_(loaded), events_(events) {
  for (uint32_t i = 0; i < shards; ++i) {
    auto op = std::make_unique<patterns::PatternOperator>(loaded.patterns);
    op->UseLayout(loaded.rules->layout);
    op->KeepChanges();
    OneShard& shard = shards_.emplace_back();
    shard.op = op.get();
    cep::ShardOptions options;
    options.index = i;
    options.count = shards;
    options.layout = loaded.rules->layout;
    options.key_exprs = loaded.patterns->key_exprs.size();
    shard.shard =
        std::make_unique<cep::Shard>(options, std::move(op), MakeTextSink(*loaded.rules, events));
  }
}

void SteppedRun::Apply(const cep::RoutedBatch& routed) {
  for (OneShard& shard : shards_) {
    for (const cep::Record& record : shard.shard->Apply(routed)) {
      lines_.push_back(std::to_string(record.instant) + " " + record.head);
    }
  }
}

size_t SteppedRun::Step(size_t first) {
  size_t end = first;
  while (end < events_.size() && events_[end].ts == events_[first].ts) ++end;
  Apply(RouteEvents(loaded_, events_, first, end, events_[first].ts));
  return end;
}

void SteppedRun::AdvanceTime(int64_t watermark) {
  Apply(RouteEvents(loaded_, events_, 0, 0, watermark));
}

void SteppedRun::Finish() { AdvanceTime(cep::kMaxTime); }

void SteppedRun::Snapshot(UnitStore* store) { CEP_CHECK(TrySnapshot(store).ok()); }

Status SteppedRun::TrySnapshot(UnitStore* store) {
  for (OneShard& shard : shards_) RETURN_IF_ERROR(shard.op->Snapshot(store));
  return absl::OkStatus();
}

void SteppedRun::BeginSnapshot(cep::UnitWriter* out) {
  CEP_CHECK(shards_.size() == 1 && shards_[0].op->BeginSnapshot(out).ok());
}

bool SteppedRun::ContinueSnapshot(size_t units) {
  const StatusOr<bool> is_complete = shards_[0].op->ContinueSnapshot(units);
  CEP_CHECK(is_complete.ok());
  return *is_complete;
}

void SteppedRun::ReadFrom(const cep::UnitReader* reader) {
  for (OneShard& shard : shards_) shard.op->ReadFrom(reader);
}

void SteppedRun::LeaveMemory(size_t bytes, size_t pending) {
  for (OneShard& shard : shards_) shard.op->LeaveMemory(bytes, pending);
}

void SteppedRun::Export(UnitStore* store) {
  std::vector<uint32_t> all(loaded_.rules->rules.size());
  for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  for (OneShard& shard : shards_) CEP_CHECK(shard.op->ExportUnits(all, store).ok());
}

void SteppedRun::Restore(const UnitStore& store) {
  store.ForEach([&](const cep::RestoredUnit& unit) {
    const Status status = Restore(unit);
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    CEP_CHECK(status.ok());
  });
}

Status SteppedRun::Restore(const cep::RestoredUnit& unit) {
  const uint64_t shard = uint64_t{unit.name.key_group} * shards_.size() / cep::kKeyGroups;
  return shards_[shard].op->Restore(unit);
}

size_t SteppedRun::live_keys() const {
  size_t keys = 0;
  for (const OneShard& shard : shards_) keys += shard.op->live_keys();
  return keys;
}

size_t SteppedRun::cold_keys() const {
  size_t keys = 0;
  for (const OneShard& shard : shards_) keys += shard.op->cold_keys();
  return keys;
}

size_t SteppedRun::live_events() const {
  size_t events = 0;
  for (const OneShard& shard : shards_) events += shard.op->live_events();
  return events;
}

}  // namespace vigil::testing
