#include "state/reader.h"

#include <utility>

#include "cep/event/key.h"
#include "state/rocksdb_store.h"

namespace vigil::state {
namespace {

constexpr size_t kOutboxBytes = 4 << 20;  // read at a time

Status VerifyUnits(CommitLog& log, const std::function<Status(const StoredUnit&)>& verify,
                   StateCounts* counts) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Restorer> restorer, log.MakeRestorer());
  std::string last_expression;
  std::string last_values;
  return restorer->Restore(0, cep::kKeyGroups, [&](const StoredUnit& unit) {
    const UnitKey& key = unit.name;
    ++counts->units;
    counts->unit_bytes += unit.body.size();
    if (key.key_expression != last_expression || key.key_values != last_values) {
      ++counts->keys;
      last_expression = key.key_expression;
      last_values = key.key_values;
    }
    return verify(unit);
  });
}

Status VerifyOutbox(const CommitLog& log, StateCounts* counts) {
  uint64_t sequence = log.head().outbox_begin;
  while (sequence < log.head().outbox_end) {
    ASSIGN_OR_RETURN(const auto records, log.ReadOutbox(sequence, kOutboxBytes));
    if (records.empty()) {
      return absl::DataLossError("the outbox ends at record " + std::to_string(sequence) +
                                 ", it is to hold those before " +
                                 std::to_string(log.head().outbox_end));
    }
    counts->outbox += records.size();
    sequence = records.back().first + 1;
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<CommitLog>> OpenLogToRead(const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<Store> store, OpenRocksDbStoreToRead(path));
  return CommitLog::Open(std::move(store));
}

StatusOr<StateCounts> VerifyLog(CommitLog& log,
                                const std::function<Status(const StoredUnit&)>& unit) {
  StateCounts counts;
  for (const PartitionPosition& position : log.head().positions) {
    if (const Status sum = position.Check(); !sum.ok()) {
      return absl::DataLossError(std::string(sum.message()));
    }
  }
  RETURN_IF_ERROR(VerifyUnits(log, unit, &counts));
  RETURN_IF_ERROR(VerifyOutbox(log, &counts));
  ASSIGN_OR_RETURN(const auto journal, log.ReadJournal());
  counts.journal = journal.size();
  ASSIGN_OR_RETURN(const std::vector<KeptRow> rows, log.ReadRows());
  counts.rows = rows.size();
  RETURN_IF_ERROR(log.ReadRuleSet().status());
  return counts;
}

}  // namespace vigil::state
