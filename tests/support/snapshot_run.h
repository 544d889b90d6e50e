// The pattern operator over a pattern case, step by step, with its state written and taken back in
// between.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "cep/runtime/shard.h"
#include "cep/runtime/state_unit.h"
#include "patterns/pattern_operator.h"
#include "tests/support/pattern_case.h"

namespace vigil::testing {

// Units as a store keeps them: parts, of which a write brings only those that have changed.
class UnitStore : public cep::UnitWriter {
 public:
  using Name = std::tuple<uint32_t, std::string, std::string, std::string>;
  struct Unit {
    cep::UnitKind kind;
    std::vector<std::string> parts;

    bool operator==(const Unit&) const = default;
  };

  Status Put(const cep::UnitName& name, const cep::UnitKind& kind,
             std::span<const std::string_view> segments, cep::StoredParts* stored) override;
  Status Remove(const cep::UnitName& name, cep::StoredParts* stored) override;

  const std::map<Name, Unit>& units() const { return units_; }
  // Calls f(unit) for each of them.
  template <typename F>
  void ForEach(F f) const {
    for (const auto& [name, unit] : units_) {
      cep::RestoredUnit restored;
      const auto& [group, expression, values, owner] = name;
      restored.name = {group, expression, values, owner};
      restored.kind = unit.kind;
      std::string body;
      for (const std::string& part : unit.parts) {
        body += part;
        restored.stored.push_back(HashOf(part));
      }
      restored.body = body;
      f(restored);
    }
  }
  size_t writes() const { return writes_; }  // of parts
  static uint64_t HashOf(std::string_view part);

 private:
  std::map<Name, Unit> units_;
  size_t writes_ = 0;
};

// Reads units of a store, which outlives it.
class StoreReader : public cep::UnitReader {
 public:
  explicit StoreReader(const UnitStore* store) : store_(*store) {}

  cep::UnitHandle HandleOf(const cep::UnitName& name) const override;
  bool HasBarrier(uint64_t) const override { return true; }
  Status Read(std::span<const cep::UnitHandle> units,
              const std::function<Status(const cep::RestoredUnit&)>& take) const override;

  size_t reads() const { return reads_; }  // units
  Status error;                            // of the next reads

 private:
  const UnitStore& store_;
  mutable size_t reads_ = 0;
};

// What a snapshot writes, to be given to a store when it is complete: first what is removed.
class HeldSnapshot : public cep::UnitWriter {
 public:
  Status Put(const cep::UnitName& name, const cep::UnitKind& kind,
             std::span<const std::string_view> segments, cep::StoredParts* stored) override;
  Status Remove(const cep::UnitName& name, cep::StoredParts* stored) override;
  void GiveTo(UnitStore* store);

 private:
  struct Write {
    UnitStore::Name name;
    cep::UnitKind kind;
    std::vector<std::string> segments;
    cep::StoredParts stored;  // before it
  };
  static Write WriteOf(const cep::UnitName& name, const cep::StoredParts& stored);

  std::vector<Write> removed_;
  std::vector<Write> put_;
};

// Time steps of a case: events at one time are applied together, then time has passed them.
class SteppedRun {
 public:
  // `loaded` and `events` outlive this.
  SteppedRun(const LoadedCase& loaded, const std::vector<CaseEvent>& events, uint32_t shards);

  // Applies the events from `first` on that are at one time; returns where the next ones begin.
  // Results go to lines(): instant and text, in their order in each shard.
  size_t Step(size_t first);
  void AdvanceTime(int64_t watermark);
  // To the end of time.
  void Finish();

  void Snapshot(UnitStore* store);
  Status TrySnapshot(UnitStore* store);
  // The same, step by step: of one shard.
  void BeginSnapshot(cep::UnitWriter* out);
  bool ContinueSnapshot(size_t units);
  // Keys leave memory and come back through `reader`, which outlives this. Before anything else.
  void ReadFrom(const cep::UnitReader* reader);
  // All that snapshots have written is there, but for the last `pending` of them: about `bytes` of
  // each shard stay in memory.
  void LeaveMemory(size_t bytes, size_t pending = 0);
  // All state, whether it has changed or not.
  void Export(UnitStore* store);
  void Restore(const UnitStore& store);
  Status Restore(const cep::RestoredUnit& unit);

  const std::vector<std::string>& lines() const { return lines_; }
  std::vector<std::string> TakeLines() { return std::move(lines_); }
  size_t live_keys() const;
  size_t cold_keys() const;
  size_t live_events() const;

 private:
  struct OneShard {
    patterns::PatternOperator* op = nullptr;  // the shard owns it
    std::unique_ptr<cep::Shard> shard;
  };
  void Apply(const cep::RoutedBatch& routed);

  const LoadedCase& loaded_;
  const std::vector<CaseEvent>& events_;
  std::vector<OneShard> shards_;
  std::vector<std::string> lines_;
};

}  // namespace vigil::testing
