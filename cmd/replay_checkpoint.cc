#include "cmd/replay_checkpoint.h"

#include <iostream>
#include <set>
#include <string>
#include <utility>

#include "cep/base/clock.h"
#include "cmd/exit_codes.h"
#include "cmd/loading.h"
#include "daemon/replay_start.h"
#include "daemon/replayed_sources.h"
#include "daemon/source_expressions.h"

namespace vigil::cmd {
namespace {

const Clock* TheClock() {
  static const SystemClock clock;
  return &clock;
}

int Fail(const Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return kExitUsage;
    default:
      return kExitIo;
  }
}

// Those of `-r`; where the state holds no texts, of the configuration, too.
StatusOr<std::vector<rules::NamedText>> GivenTexts(const ReplayOptions& options,
                                                   const ReplaySettings& settings,
                                                   const daemon::RuleRecord& stored) {
  const std::vector<std::string>& paths = stored.texts.empty() ? settings.rules : options.rules;
  if (paths.empty() && stored.texts.empty()) {
    return absl::FailedPreconditionError(
        "the checkpoint does not hold the texts of its rules, of version " + stored.version +
        ": name them as they were then, with -r");
  }
  rules::RuleTexts read = rules::ReadRuleTexts(paths);
  for (const rules::Diagnostic& d : read.diagnostics) std::cerr << rules::FormatText(d) << "\n";
  if (rules::HasErrors(read.diagnostics)) {
    return absl::InvalidArgumentError("not all rules can be read");
  }
  return std::move(read.texts);
}

void PrintBeginning(const daemon::Checkpoint& checkpoint) {
  std::cerr << "goes on from commit " << checkpoint.commit << ", rule set "
            << checkpoint.steps.front().record.version << "\n";
  if (checkpoint.journal_end == checkpoint.commit) {
    std::cerr << "no journal of what came after it: should a partition have been found, fallen "
                 "silent or come back, or rules have changed, name a later state of the job with "
                 "--journal\n";
    return;
  }
  std::cerr << "does what the journal says up to commit " << checkpoint.journal_end;
  if (checkpoint.steps.size() > 1) {
    std::cerr << ", " << checkpoint.steps.size() - 1 << " changes of rules among it";
  }
  std::cerr << "\n";
  if (checkpoint.has_ended) {
    std::cerr << "the run moved time to its end there: what was read after it is another run's\n";
  }
}

// Whether the checkpoint or its journal has the partition.
std::set<std::string> PlacesOf(const daemon::ReplayStart& start) {
  std::set<std::string> places;
  for (const cep::ResumedPartition& p : start.resume.partitions) {
    places.insert(cep::PlaceOf(p.source, p.topic, p.number));
  }
  for (const cep::MarkedPartition& p : start.marks) {
    places.insert(cep::PlaceOf(p.source, p.topic, p.number));
  }
  return places;
}

StatusOr<std::vector<cep::JobSource>> OpenSources(
    const daemon::Config& config, const ReplaySettings& settings, const rules::RuleSet& rules,
    daemon::RecordedInputs* inputs, daemon::SourceLog* log, daemon::ReplayStart* start) {
  if (!settings.inputs.paths.empty()) {
    std::shared_ptr<const cep::Expression> time;
    if (settings.has_time_expression) {
      time = rules.sources.at(settings.engine.only_source).event_time;
    }
    return inputs->Open(rules.layout, rules.schema, time);
  }
  const std::set<std::string> places = PlacesOf(*start);
  std::vector<std::string> left_out;
  ASSIGN_OR_RETURN(std::vector<cep::JobSource> sources,
                   daemon::OpenReplayedSources(
                       config, rules, log, TheClock(),
                       [&places](const std::string& place) { return places.count(place) > 0; },
                       &start->resume, &left_out));
  for (const std::string& place : left_out) {
    std::cerr << place << " is left out: neither the checkpoint nor the journal has it\n";
  }
  return sources;
}

StatusOr<PreparedReplay> Prepare(const ReplayOptions& options, const daemon::Config& config,
                                 const ReplaySettings& settings,
                                 const std::shared_ptr<const cep::Schema>& schema,
                                 daemon::RecordedInputs* inputs, daemon::SourceLog* log) {
  std::vector<std::string> names;
  for (const daemon::SourceConfig& source : config.sources) names.push_back(source.name);
  ASSIGN_OR_RETURN(daemon::Checkpoint checkpoint,
                   daemon::ReadCheckpoint(
                       {options.from_checkpoint, options.journal, options.accepts_loss}, names));
  ASSIGN_OR_RETURN(const std::vector<rules::NamedText> given,
                   GivenTexts(options, settings, checkpoint.steps.front().record));
  PrintBeginning(checkpoint);
  std::vector<rules::Diagnostic> found;
  StatusOr<std::vector<daemon::RuleStep>> steps =
      daemon::FollowSteps(checkpoint.steps, given, schema, daemon::ExpressionsOf(config),
                          settings.engine.rendering(), &found);
  for (const rules::Diagnostic& d : found) std::cerr << rules::FormatText(d) << "\n";
  RETURN_IF_ERROR(steps.status());
  PreparedReplay prepared;
  ASSIGN_OR_RETURN(prepared.sources, OpenSources(config, settings, *steps->front().rules->rules,
                                                 inputs, log, &checkpoint.start));
  prepared.engine =
      daemon::Engine::Create(*std::move(steps), std::move(checkpoint.start), settings.engine);
  return prepared;
}

}  // namespace

std::shared_ptr<const cep::Schema> CheckedSchema(std::shared_ptr<const cep::Schema> schema,
                                                 const daemon::Config& config) {
  schema = daemon::WithKafkaField(std::move(schema), config);
  const std::vector<rules::Diagnostic> found = daemon::CheckExpressions(config, *schema);
  for (const rules::Diagnostic& d : found) std::cerr << rules::FormatText(d) << "\n";
  return rules::HasErrors(found) ? nullptr : schema;
}

PreparedReplay PrepareFromCheckpoint(const ReplayOptions& options, const daemon::Config& config,
                                     const ReplaySettings& settings, daemon::RecordedInputs* inputs,
                                     daemon::SourceLog* log, int* exit_code) {
  *exit_code = kExitUsage;
  if (options.config_file.empty() || (!options.inputs.empty() && !options.positions)) {
    std::cerr << "error: --from-checkpoint needs the job's configuration, with -c, and as input "
                 "recordings with --positions; or none, then the configuration's sources are "
                 "read\n";
    return {};
  }
  // Without one identifiers are of any type, as in the daemon.
  auto schema = std::make_shared<const cep::Schema>();
  if (!settings.schema_file.empty()) {
    schema = LoadSchemaOrReport(settings.schema_file, std::cerr);
    if (schema == nullptr) return {};
  }
  schema = CheckedSchema(std::move(schema), config);
  if (schema == nullptr) return {};
  StatusOr<PreparedReplay> prepared = Prepare(options, config, settings, schema, inputs, log);
  if (prepared.ok()) return *std::move(prepared);
  *exit_code = Fail(prepared.status());
  return {};
}

}  // namespace vigil::cmd
