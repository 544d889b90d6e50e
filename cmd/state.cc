#include "cmd/state.h"

#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "alerts/time_text.h"
#include "cmd/exit_codes.h"
#include "daemon/rule_record.h"
#include "state/checkpoint.h"
#include "state/commit_log.h"
#include "state/rocksdb_store.h"
#include "state/savepoint.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;
using state::CommitHead;
using state::CommitLog;

int Report(const Status& status, std::ostream& err) {
  if (status.ok()) return kExitOk;
  err << "error: " << status.message() << '\n';
  return absl::IsDataLoss(status) ? kExitFindings : kExitIo;
}

// Never makes one.
StatusOr<std::unique_ptr<CommitLog>> OpenLog(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path + "/FORMAT", error)) {
    return absl::NotFoundError(path + " is not a state directory: it has no file FORMAT");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<state::Store> store, state::OpenRocksDbStore(path));
  return CommitLog::Open(std::move(store));
}

std::string TimeText(const std::optional<int64_t>& ms) {
  if (!ms) return "none";
  std::string text;
  alerts::AppendTimeMs(*ms, &text);
  return text;
}

uint64_t BytesBelow(const std::string& path) {
  std::error_code error;
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    std::error_code ignored;
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  }
  return bytes;
}

std::string MadeAt(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "-";
  return TimeText(int64_t{info.st_mtim.tv_sec} * 1000);
}

void PrintPartition(const state::PartitionPosition& position, std::ostream& out) {
  const state::PartitionLedger& ledger = position.ledger;
  out << absl::StreamFormat("  %s/%s/%d: next offset %d, waiting %d, watermark %s%s\n",
                            position.source, position.topic, position.partition,
                            position.next_offset, position.waiting.size(),
                            TimeText(position.watermark), position.is_idle ? ", idle" : "");
  out << absl::StreamFormat(
      "    read %d = processed %d + late %d + quarantined %d + rate limited %d + waiting %d"
      " + lost %d\n",
      ledger.read, ledger.processed, ledger.late, ledger.quarantined, ledger.rate_limited,
      position.waiting.size(), ledger.lost);
}

Status Inspect(const std::string& path, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<CommitLog> log, OpenLog(path));
  const CommitHead& head = log->head();
  out << "commit " << head.number << ", folded up to " << log->folded() << '\n';
  out << "watermark " << (head.is_drained ? "end of time (drained)" : TimeText(head.watermark))
      << '\n';
  out << "rule set " << (head.rule_set_version.empty() ? "none" : head.rule_set_version) << '\n';
  ASSIGN_OR_RETURN(const std::optional<std::string> rules, log->ReadRuleSet());
  if (rules) {
    ASSIGN_OR_RETURN(const daemon::RuleRecord record, daemon::DecodeRuleRecord(*rules));
    for (const auto& [id, rule] : record.rules) {
      out << "  " << id << ", incarnation " << rule.incarnation << '\n';
    }
  }
  out << head.positions.size() << " partitions\n";
  for (const state::PartitionPosition& position : head.positions) PrintPartition(position, out);
  out << "outbox " << head.outbox_end - head.outbox_begin << " records, " << head.outbox_bytes
      << " bytes\n";
  for (const state::SinkCursor& cursor : head.cursors) {
    out << absl::StreamFormat("  %s: at %d, %d behind, %d dropped\n", cursor.sink,
                              cursor.position.sequence, head.outbox_end - cursor.position.sequence,
                              cursor.dropped);
  }
  ASSIGN_OR_RETURN(const auto journal, log->ReadJournal());
  out << "journal " << journal.size() << " entries\n";
  out << "starts " << (head.boots.empty() ? 0 : head.boots.back().number) << '\n';
  return absl::OkStatus();
}

Status Verify(const std::string& path, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<CommitLog> log, OpenLog(path));
  const CommitHead& head = log->head();
  uint64_t units = 0;
  uint64_t bytes = 0;
  ASSIGN_OR_RETURN(const std::unique_ptr<state::Restorer> restorer, log->MakeRestorer());
  RETURN_IF_ERROR(restorer->Restore(0, cep::kKeyGroups, [&](const state::StoredUnit& unit) {
    ++units;
    bytes += unit.body.size();
    return state::ParseUnitKey(unit.key).status();
  }));
  ASSIGN_OR_RETURN(const auto journal, log->ReadJournal());
  ASSIGN_OR_RETURN(const std::optional<std::string> rules, log->ReadRuleSet());
  if (rules) RETURN_IF_ERROR(daemon::DecodeRuleRecord(*rules).status());
  ASSIGN_OR_RETURN(const auto rows, log->ReadRows());
  uint64_t records = 0;
  for (uint64_t next = head.outbox_begin; next < head.outbox_end;) {
    ASSIGN_OR_RETURN(const auto read, log->ReadOutbox(next, 1 << 20));
    if (read.empty()) return absl::DataLossError("the outbox ends too early");
    records += read.size();
    next = read.back().first + 1;
  }
  out << absl::StreamFormat(
      "whole: commit %d, %d units of %d bytes, %d records in the outbox, %d journal entries,"
      " %d kept rows\n",
      head.number, units, bytes, records, journal.size(), rows.size());
  return absl::OkStatus();
}

Status Export(const std::string& path, const std::string& file, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<CommitLog> log, OpenLog(path));
  RETURN_IF_ERROR(state::WriteSavepoint(*log, file));
  out << "commit " << log->head().number << " to " << file << '\n';
  return absl::OkStatus();
}

}  // namespace

int RunStateList(const std::string& path, std::ostream& out, std::ostream& err) {
  std::error_code error;
  if (!fs::exists(path + "/FORMAT", error)) {
    return Report(absl::NotFoundError(path + " is not a state directory: it has no file FORMAT"),
                  err);
  }
  const StatusOr<std::vector<uint64_t>> commits = state::ListCheckpoints(path);
  if (!commits.ok()) return Report(commits.status(), err);
  for (const uint64_t commit : *commits) {
    const std::string checkpoint = absl::StrFormat("%s/checkpoints/%020d", path, commit);
    out << commit << "  " << MadeAt(checkpoint + "/FORMAT") << "  " << BytesBelow(checkpoint)
        << "  " << checkpoint << '\n';
  }
  if (commits->empty()) out << "no checkpoints\n";
  return kExitOk;
}

int RunStateInspect(const std::string& path, std::ostream& out, std::ostream& err) {
  return Report(Inspect(path, out), err);
}

int RunStateVerify(const std::string& path, std::ostream& out, std::ostream& err) {
  return Report(Verify(path, out), err);
}

int RunStateExport(const std::string& path, const std::string& file, std::ostream& out,
                   std::ostream& err) {
  return Report(Export(path, file, out), err);
}

int RunStateRestore(const std::string& from, const std::string& to, std::ostream& out,
                    std::ostream& err) {
  std::error_code error;
  const Status status = fs::is_directory(from, error) ? state::RestoreCheckpoint(from, to)
                                                      : state::RestoreSavepoint(from, to);
  if (!status.ok()) return Report(status, err);
  out << from << " to " << to << '\n';
  return RunStateVerify(to, out, err);
}

}  // namespace vigil::cmd
