#include "cmd/state.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include <absl/strings/str_format.h>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "cmd/exit_codes.h"
#include "cmd/state_text.h"
#include "daemon/rule_record.h"
#include "state/checkpoint.h"
#include "state/reader.h"
#include "state/savepoint.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;

constexpr size_t kOutboxBytes = 4 << 20;  // read at a time

int Fail(const Status& status, std::ostream& err) {
  err << "error: " << status.message() << "\n";
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return kExitFindings;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return kExitUsage;
    default:
      return kExitIo;
  }
}

// What a file that many directories share takes counts for each.
uint64_t BytesOf(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename() == "checkpoints") entry.disable_recursion_pending();
    std::error_code gone;  // by whoever goes on with the directory
    if (entry->is_regular_file(gone)) bytes += entry->file_size(gone);
  }
  return bytes;
}

struct Listed {
  std::string path;
  StatusOr<std::unique_ptr<state::CommitLog>> log;
};

std::string Line(const Listed& listed, bool json) {
  std::string line;
  if (json) {
    line = "{\"path\":";
    alerts::AppendJsonString(listed.path, &line);
    if (listed.log.ok()) {
      line += ",\"head\":";
      AppendHeadJson((*listed.log)->head(), &line);
      line += ",\"bytes\":";
      alerts::AppendUint(BytesOf(listed.path), &line);
    } else {
      line += ",\"error\":";
      alerts::AppendJsonString(std::string(listed.log.status().message()), &line);
    }
    return line + "}\n";
  }
  if (!listed.log.ok()) {
    return listed.path + ": " + std::string(listed.log.status().message()) + "\n";
  }
  const state::CommitHead& head = (*listed.log)->head();
  std::string time = "none";
  if (head.watermark) {
    time.clear();
    alerts::AppendTimeMs(*head.watermark, &time);
  }
  return absl::StrFormat(
      "%s: commit %d, watermark %s, %d partitions, outbox %d records, %.1f MB%s\n", listed.path,
      head.number, time, head.positions.size(), head.outbox_end - head.outbox_begin,
      static_cast<double>(BytesOf(listed.path)) / 1e6, head.is_drained ? ", drained" : "");
}

Status ExportOutbox(const state::CommitLog& log, std::ostream& out) {
  uint64_t sequence = log.head().outbox_begin;
  std::string line;
  while (sequence < log.head().outbox_end) {
    ASSIGN_OR_RETURN(const auto records, log.ReadOutbox(sequence, kOutboxBytes));
    if (records.empty()) return absl::DataLossError("the outbox ends before its end");
    for (const auto& [number, record] : records) {
      line.clear();
      AppendRecordJson(number, record, &line);
      out << line << '\n';
    }
    sequence = records.back().first + 1;
  }
  return absl::OkStatus();
}

StatusOr<daemon::RuleRecord> RulesOf(state::CommitLog& log) {
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, log.ReadRuleSet());
  if (!bytes) return daemon::RuleRecord();
  return daemon::DecodeRuleRecord(*bytes);
}

std::map<uint64_t, std::string> RuleNames(const daemon::RuleRecord& rules) {
  std::map<uint64_t, std::string> names;
  for (const auto& [id, rule] : rules.rules) names[rule.incarnation] = id;
  for (const auto& former : rules.draining) names[former.incarnation] = former.id;
  return names;
}

// Calls `unit` for each of the log's.
Status ForEachUnit(state::CommitLog& log,
                   const std::function<Status(const state::StoredUnit&)>& unit) {
  ASSIGN_OR_RETURN(const std::unique_ptr<state::Restorer> restorer, log.MakeRestorer());
  return restorer->Restore(0, cep::kKeyGroups, unit);
}

// Returns how many were printed.
StatusOr<uint64_t> PrintUnits(state::CommitLog& log, const UnitText& text, bool json,
                              std::ostream& out) {
  std::string lines;
  uint64_t units = 0;
  RETURN_IF_ERROR(ForEachUnit(log, [&](const state::StoredUnit& unit) -> Status {
    lines.clear();
    RETURN_IF_ERROR(json ? text.AppendJson(unit, &lines) : text.AppendText(unit, &lines));
    if (lines.empty()) return absl::OkStatus();
    ++units;
    out << lines << (json ? "\n" : "");
    return absl::OkStatus();
  }));
  return units;
}

Status PrintStand(state::CommitLog& log, const daemon::RuleRecord& rules, const UnitText& text,
                  bool json, std::ostream& out) {
  std::map<std::string, uint64_t> open;  // partial matches, by rule
  for (const auto& [incarnation, id] : RuleNames(rules)) open[id] = 0;
  RETURN_IF_ERROR(ForEachUnit(
      log, [&](const state::StoredUnit& unit) { return text.CountPartialMatches(unit, &open); }));
  std::string lines;
  if (json) {
    AppendStandJson(log.head(), open, &lines);
  } else {
    AppendStandText(log.head(), open, &lines);
  }
  out << lines;
  return absl::OkStatus();
}

Status Export(state::CommitLog& log, std::ostream& out) {
  std::string line = "{\"what\":\"head\",\"head\":";
  AppendHeadJson(log.head(), &line);
  out << line << "}\n";
  ASSIGN_OR_RETURN(const daemon::RuleRecord rules, RulesOf(log));
  for (const auto& [id, rule] : rules.rules) {
    line.clear();
    AppendRuleJson(id, rule.incarnation, &line);
    out << line << '\n';
  }
  ASSIGN_OR_RETURN(const auto journal, log.ReadJournal());
  for (const auto& [commit, entry] : journal) {
    line.clear();
    AppendJournalJson(commit, entry, &line);
    out << line << '\n';
  }
  RETURN_IF_ERROR(ExportOutbox(log, out));
  ASSIGN_OR_RETURN(const std::vector<state::KeptRow> rows, log.ReadRows());
  for (const state::KeptRow& row : rows) {
    line.clear();
    AppendRowJson(row, &line);
    out << line << '\n';
  }
  return PrintUnits(log, UnitText({.rules = RuleNames(rules)}), true, out).status();
}

}  // namespace

int RunStateList(const StateOptions& options, std::ostream& out, std::ostream& err) {
  Listed live{options.directory, state::OpenLogToRead(options.directory)};
  if (!live.log.ok() && !absl::IsDataLoss(live.log.status())) return Fail(live.log.status(), err);
  out << Line(live, options.json);
  const StatusOr<std::vector<uint64_t>> checkpoints = state::ListCheckpoints(options.directory);
  if (!checkpoints.ok()) return Fail(checkpoints.status(), err);
  bool is_damaged = !live.log.ok();
  for (auto commit = checkpoints->rbegin(); commit != checkpoints->rend(); ++commit) {
    const std::string path = absl::StrFormat("%s/checkpoints/%020d", options.directory, *commit);
    const Listed checkpoint{path, state::OpenLogToRead(path)};
    is_damaged |= !checkpoint.log.ok();
    out << Line(checkpoint, options.json);
  }
  return is_damaged ? kExitFindings : kExitOk;
}

int RunStateInspect(const InspectOptions& options, std::ostream& out, std::ostream& err) {
  const StatusOr<std::unique_ptr<state::CommitLog>> log = state::OpenLogToRead(options.directory);
  if (!log.ok()) return Fail(log.status(), err);
  const StatusOr<daemon::RuleRecord> rules = RulesOf(**log);
  if (!rules.ok()) return Fail(rules.status(), err);
  const UnitText text(
      {.rules = RuleNames(*rules), .key = options.key, .has_events = options.events});
  if (!options.keys && options.key.empty()) {
    const Status status = PrintStand(**log, *rules, text, options.json, out);
    return status.ok() ? kExitOk : Fail(status, err);
  }
  const StatusOr<uint64_t> units = PrintUnits(**log, text, options.json, out);
  if (!units.ok()) return Fail(units.status(), err);
  if (*units == 0) {
    err << (options.key.empty() ? "no key holds a partial match\n"
                                : "no key " + options.key + " holds a partial match\n");
  }
  return kExitOk;
}

int RunStateVerify(const StateOptions& options, std::ostream& out, std::ostream& err) {
  const StatusOr<std::unique_ptr<state::CommitLog>> log = state::OpenLogToRead(options.directory);
  if (!log.ok()) return Fail(log.status(), err);
  const StatusOr<daemon::RuleRecord> rules = RulesOf(**log);
  if (!rules.ok()) return Fail(rules.status(), err);
  const UnitText text({});
  const StatusOr<state::StateCounts> counts =
      state::VerifyLog(**log, [&](const state::StoredUnit& unit) { return text.Check(unit); });
  if (!counts.ok()) return Fail(counts.status(), err);
  if (options.json) {
    std::string line = "{\"head\":";
    AppendHeadJson((*log)->head(), &line);
    out << line
        << absl::StrFormat(
               ",\"keys\":%d,\"units\":%d,\"unit_bytes\":%d,\"journal\":%d,\"outbox\":%d,"
               "\"rows\":%d}\n",
               counts->keys, counts->units, counts->unit_bytes, counts->journal, counts->outbox,
               counts->rows);
    return kExitOk;
  }
  out << absl::StrFormat(
      "commit %d is whole: %d keys, %d units (%.1f MB), %d partitions whose ledgers close, "
      "%d journal entries, %d records in the outbox, %d kept rows\n",
      (*log)->head().number, counts->keys, counts->units,
      static_cast<double>(counts->unit_bytes) / 1e6, (*log)->head().positions.size(),
      counts->journal, counts->outbox, counts->rows);
  return kExitOk;
}

int RunStateExport(const StateOptions& options, std::ostream& out, std::ostream& err) {
  const StatusOr<std::unique_ptr<state::CommitLog>> log = state::OpenLogToRead(options.directory);
  if (!log.ok()) return Fail(log.status(), err);
  const Status status = Export(**log, out);
  if (!status.ok()) return Fail(status, err);
  if (!out.flush()) return Fail(absl::UnavailableError("the output cannot be written"), err);
  return kExitOk;
}

int RunStateRestore(const std::string& from, const std::string& to, std::ostream& out,
                    std::ostream& err) {
  std::error_code error;
  const Status status = fs::is_directory(from, error) ? state::RestoreCheckpoint(from, to)
                                                      : state::RestoreSavepoint(from, to);
  if (!status.ok()) return Fail(status, err);
  const StatusOr<std::unique_ptr<state::CommitLog>> log = state::OpenLogToRead(to);
  if (!log.ok()) return Fail(log.status(), err);
  out << "restored commit " << (*log)->head().number << " into " << to << "\n";
  return kExitOk;
}

int RunSavepoint(const std::string& directory, const std::string& file, std::ostream& out,
                 std::ostream& err) {
  const StatusOr<std::unique_ptr<state::CommitLog>> log = state::OpenLogToRead(directory);
  if (!log.ok()) return Fail(log.status(), err);
  const Status status = state::WriteSavepoint(**log, file);
  if (!status.ok()) return Fail(status, err);
  out << "savepoint of commit " << (*log)->head().number << " in " << file << "\n";
  return kExitOk;
}

}  // namespace vigil::cmd
