#include "daemon/replay_start.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include <absl/strings/str_cat.h>

#include "daemon/control_journal.h"
#include "daemon/resume.h"
#include "daemon/state_units.h"
#include "state/checkpoint.h"
#include "state/reader.h"
#include "state/savepoint.h"

namespace vigil::daemon {
namespace {

namespace fs = std::filesystem;

// Goes with its contents.
struct TemporaryFolder {
  explicit TemporaryFolder(std::string path_in) : path(std::move(path_in)) {}
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string path;
};

// What the path holds, to be read. A savepoint is restored into a folder of its own, which goes
// with the log.
StatusOr<std::shared_ptr<state::CommitLog>> OpenState(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    ASSIGN_OR_RETURN(std::unique_ptr<state::CommitLog> log, state::OpenLogToRead(path));
    return std::shared_ptr<state::CommitLog>(std::move(log));
  }
  std::string folder = (fs::temp_directory_path(error) / "vigil-savepoint-XXXXXX").string();
  if (error || mkdtemp(folder.data()) == nullptr) {
    return absl::UnavailableError(path + ": there is no folder to restore the savepoint into: " +
                                  (error ? error.message() : std::strerror(errno)));
  }
  const auto owner = std::make_shared<const TemporaryFolder>(folder);
  RETURN_IF_ERROR(state::RestoreSavepoint(path, folder));
  ASSIGN_OR_RETURN(std::unique_ptr<state::CommitLog> log, state::OpenLogToRead(folder));
  return std::shared_ptr<state::CommitLog>(log.release(),
                                           [owner](state::CommitLog* opened) { delete opened; });
}

StatusOr<RuleRecord> RulesOf(const state::CommitLog& log) {
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, log.ReadRuleSet());
  if (!bytes) return absl::NotFoundError("the state holds no rules");
  return DecodeRuleRecord(*bytes);
}

// The units of the log's last commit; none if time had ended there.
StatusOr<cep::ReadUnits> UnitsOf(std::shared_ptr<state::CommitLog> log) {
  if (log->head().is_drained) {
    return cep::ReadUnits([](const auto&, auto*, const auto&) { return absl::OkStatus(); });
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const state::Restorer> restorer, log->MakeRestorer());
  return cep::ReadUnits([log = std::move(log), read = ReadUnitsOf(std::move(restorer), 0, true)](
                            const cep::KeyGroupRange& groups, cep::UnitPacker* packer,
                            const std::function<Status(const cep::RestoredUnit&)>& unit) {
    return read(groups, packer, unit);
  });
}

// The state directory in whose checkpoints/ folder the directory lies; empty: in none.
std::string StateAround(const std::string& directory) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(directory, error);
  if (error || path.parent_path().filename() != "checkpoints") return "";
  const fs::path state = path.parent_path().parent_path();
  return fs::exists(state / "FORMAT", error) ? state.string() : "";
}

Status NotLater(const std::string& journal, const std::string& why) {
  return absl::FailedPreconditionError(
      absl::StrCat(journal, " is not a later state of the same job: ", why));
}

// Whether the log's journal goes on where `commit` stood.
Status CheckLater(const state::CommitLog& log, const std::string& path,
                  const state::CommitHead& commit) {
  const state::CommitHead& later = log.head();
  if (later.number < commit.number) {
    return NotLater(path, absl::StrCat("it ends at commit ", later.number,
                                       ", the checkpoint is of commit ", commit.number));
  }
  for (const state::PartitionPosition& from : commit.positions) {
    const auto same = [&from](const state::PartitionPosition& p) {
      return p.source == from.source && p.topic == from.topic && p.partition == from.partition;
    };
    const auto to = std::find_if(later.positions.begin(), later.positions.end(), same);
    if (to == later.positions.end() || to->next_offset >= from.next_offset) continue;
    return NotLater(path, absl::StrCat(cep::PlaceOf(from.source, from.topic, from.partition),
                                       " is read up to ", to->next_offset, " there, up to ",
                                       from.next_offset, " in the checkpoint"));
  }
  // The journal is kept from the oldest checkpoint on.
  const StatusOr<std::vector<uint64_t>> kept = state::ListCheckpoints(path);
  if (!kept.ok() || kept->empty() || kept->front() <= commit.number) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the journal in ", path,
                                                    " begins behind commit ", kept->front(),
                                                    ", the checkpoint is of commit ", commit.number,
                                                    ": name a state between them with --journal"));
}

// Adds what happened after the commit.
Status ReadJournal(const state::CommitLog& log, Checkpoint* checkpoint) {
  ASSIGN_OR_RETURN(const auto journal, log.ReadJournal());
  std::map<std::string, cep::MarkedPartition> marked;
  for (const auto& [commit, entry] : journal) {
    if (commit <= checkpoint->commit) continue;
    switch (static_cast<JournalKind>(entry.kind)) {
      case JournalKind::kJoined:
      case JournalKind::kIdle:
      case JournalKind::kReturned:
      case JournalKind::kRefused: {
        ASSIGN_OR_RETURN(cep::MarkedPartition mark, MarkOf(entry));
        const std::string place = cep::PlaceOf(mark.source, mark.topic, mark.number);
        const auto [partition, is_new] = marked.emplace(place, mark);
        if (is_new) break;
        cep::MarkedPartition& all = partition->second;
        all.marks.insert(all.marks.end(), mark.marks.begin(), mark.marks.end());
        all.refused.insert(all.refused.end(), mark.refused.begin(), mark.refused.end());
        break;
      }
      case JournalKind::kRules: {
        ASSIGN_OR_RETURN(RuleRecord record, DecodeRuleRecord(entry.body));
        checkpoint->steps.push_back({entry.watermark, std::move(record)});
        break;
      }
      case JournalKind::kEnded:
        checkpoint->has_ended = true;
        checkpoint->journal_end = commit;
        break;
      default:
        return absl::UnimplementedError(absl::StrCat("the journal has an entry of kind ",
                                                     entry.kind, ", of a newer version of Vigil"));
    }
    if (checkpoint->has_ended) break;
  }
  for (auto& [place, partition] : marked) {
    checkpoint->start.marks.push_back(std::move(partition));
  }
  return absl::OkStatus();
}

// What FollowSteps() has been given, or what was stored.
StatusOr<std::shared_ptr<const rules::RuleSet>> LoadStep(
    const StoredStep& step, const std::vector<rules::NamedText>& texts,
    const std::shared_ptr<const cep::Schema>& schema, const rules::LoadOptions& options,
    std::vector<rules::Diagnostic>* diagnostics) {
  rules::LoadResult loaded = rules::LoadRuleTexts(texts, schema, options);
  if (loaded.rules == nullptr) {
    *diagnostics = std::move(loaded.diagnostics);
    return absl::InvalidArgumentError("the rules have errors");
  }
  if (loaded.rules->version == step.record.version) return loaded.rules;
  return absl::FailedPreconditionError(
      absl::StrCat("the rules are of version ", loaded.rules->version,
                   ", those that ran of version ", step.record.version,
                   step.record.texts.empty() ? ": name them as they were then, with -r"
                                             : "; without -r the stored ones are used"));
}

// Rules that take over must be given the incarnations that they had.
Status CheckIncarnations(const RunningRules& running, const RuleRecord& record) {
  for (size_t i = 0; i < running.rules->rules.size(); ++i) {
    const std::string& id = running.rules->rules[i].info.id;
    const auto rule = record.rules.find(id);
    if (rule != record.rules.end() && rule->second.incarnation == running.incarnations[i]) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("rule set ", record.version, ": what was open of rule ", id,
                     " went on otherwise when it took over; replay from a later checkpoint"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<Checkpoint> ReadCheckpoint(const CheckpointOptions& options,
                                    const std::vector<std::string>& sources) {
  ASSIGN_OR_RETURN(const std::shared_ptr<state::CommitLog> log, OpenState(options.directory));
  const state::CommitHead& head = log->head();
  if (head.number == 0) {
    return absl::NotFoundError(options.directory + ": nothing was committed there");
  }
  Checkpoint checkpoint;
  checkpoint.commit = checkpoint.journal_end = head.number;
  std::vector<std::string> given_up;
  ASSIGN_OR_RETURN(checkpoint.start.resume,
                   MakeResume(head, {}, sources, options.accepts_loss, &given_up));
  ASSIGN_OR_RETURN(checkpoint.start.resume.read_units, UnitsOf(log));
  ASSIGN_OR_RETURN(RuleRecord rules, RulesOf(*log));
  checkpoint.steps.push_back({cep::kMinTime, std::move(rules)});
  const std::string later =
      options.journal.empty() ? StateAround(options.directory) : options.journal;
  if (later.empty()) return checkpoint;
  ASSIGN_OR_RETURN(const std::shared_ptr<state::CommitLog> journal, OpenState(later));
  RETURN_IF_ERROR(CheckLater(*journal, later, head));
  checkpoint.journal_end = journal->head().number;
  RETURN_IF_ERROR(ReadJournal(*journal, &checkpoint));
  return checkpoint;
}

StatusOr<std::vector<RuleStep>> FollowSteps(const std::vector<StoredStep>& steps,
                                            const std::vector<rules::NamedText>& given,
                                            const std::shared_ptr<const cep::Schema>& schema,
                                            const std::vector<rules::SourceTexts>& sources,
                                            const Rendering& rendering,
                                            std::vector<rules::Diagnostic>* diagnostics) {
  const auto texts_of = [&](size_t step) -> const std::vector<rules::NamedText>& {
    return step == 0 && !given.empty() ? given : steps[step].record.texts;
  };
  rules::LoadOptions load;
  load.sources = sources;
  // Rows are decoded once, for all that ever reads them: the last layout has every field.
  for (size_t s = 0; s < steps.size(); ++s) {
    ASSIGN_OR_RETURN(const std::shared_ptr<const rules::RuleSet> set,
                     LoadStep(steps[s], texts_of(s), schema, load, diagnostics));
    load.layout = set->layout;
  }
  std::vector<RuleStep> followed;
  for (size_t s = 0; s < steps.size(); ++s) {
    ASSIGN_OR_RETURN(std::shared_ptr<const rules::RuleSet> set,
                     LoadStep(steps[s], texts_of(s), schema, load, diagnostics));
    StoredRules stored;
    if (s == 0) {
      std::vector<std::string> dropped;
      stored = FitRules(steps[s].record, *set, &dropped);
    }
    ASSIGN_OR_RETURN(std::shared_ptr<const RunningRules> running,
                     FollowRules(s == 0 ? nullptr : followed.back().rules.get(), std::move(set),
                                 s == 0 ? &stored : nullptr, rendering));
    RETURN_IF_ERROR(CheckIncarnations(*running, steps[s].record));
    followed.push_back({steps[s].from, std::move(running)});
  }
  return followed;
}

}  // namespace vigil::daemon
