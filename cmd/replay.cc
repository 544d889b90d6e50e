#include "cmd/replay.h"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <sys/resource.h>

#include <absl/strings/str_cat.h>

#include "alerts/json_writer.h"
#include "alerts/sink_file.h"
#include "cmd/exit_codes.h"
#include "cmd/loading.h"
#include "cmd/progress.h"
#include "cmd/replay_checkpoint.h"
#include "cmd/replay_settings.h"
#include "daemon/engine.h"
#include "daemon/formats.h"
#include "daemon/live_sources.h"
#include "daemon/log.h"
#include "daemon/recorded_inputs.h"
#include "daemon/source_expressions.h"

namespace vigil::cmd {
namespace {

int Fail(int code, const Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  return code;
}

// What a bad input is: a wrong name is usage, all else is input.
int InputExitCode(const Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument ? kExitUsage : kExitIo;
}

double CpuSeconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

// What the whole run took.
struct Usage {
  double wall_s = 0;
  double cpu_s = 0;
  uint64_t peak_rss_bytes = 0;
};

Usage UsageSince(std::chrono::steady_clock::time_point start) {
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  Usage usage;
  usage.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  usage.cpu_s = CpuSeconds(own.ru_utime) + CpuSeconds(own.ru_stime);
  usage.peak_rss_bytes = static_cast<uint64_t>(own.ru_maxrss) * 1024;
  return usage;
}

std::string StatsJson(const daemon::Engine& engine, const Usage& usage) {
  const rules::RuleSet& rules = engine.rules();
  const cep::Ledger& ledger = engine.ledger();
  std::string json =
      absl::StrCat("{\"read\":", ledger.read, ",\"processed\":", ledger.processed,
                   ",\"late\":", ledger.late, ",\"quarantined\":", ledger.quarantined,
                   ",\"rate_limited\":", ledger.rate_limited, ",\"alerts\":{");
  for (size_t i = 0; i < rules.rules.size(); ++i) {
    if (i > 0) json += ",";
    alerts::AppendJsonString(rules.rules[i].info.id, &json);
    absl::StrAppend(&json, ":", engine.alerts_by_rule()[i]);
  }
  const double rate = usage.wall_s > 0 ? static_cast<double>(ledger.read) / usage.wall_s : 0;
  absl::StrAppend(&json, "},\"wall_s\":", usage.wall_s, ",\"cpu_s\":", usage.cpu_s,
                  ",\"events_per_s\":", static_cast<uint64_t>(rate),
                  ",\"peak_rss_bytes\":", usage.peak_rss_bytes, "}\n");
  return json;
}

// A part of a rule's line that is printed only where there is something to say.
std::string Note(uint64_t count, const char* what) {
  return count == 0 ? "" : ", " + Grouped(count) + " " + what;
}

void PrintSummary(const daemon::Engine& engine, const Usage& usage) {
  const rules::RuleSet& rules = engine.rules();
  const cep::Ledger& ledger = engine.ledger();
  const double rate = usage.wall_s > 0 ? static_cast<double>(ledger.read) / usage.wall_s : 0;
  std::fprintf(stderr, "%s events in %.2f s, %s/s; %s processed, %s late, %s quarantined\n",
               Grouped(ledger.read).c_str(), usage.wall_s,
               Grouped(static_cast<uint64_t>(rate)).c_str(), Grouped(ledger.processed).c_str(),
               Grouped(ledger.late).c_str(), Grouped(ledger.quarantined).c_str());
  for (size_t i = 0; i < rules.rules.size(); ++i) {
    const patterns::RuleCounters& counters = engine.counters()[i];
    std::fprintf(
        stderr, "  %s: %s alerts%s\n", rules.rules[i].info.id.c_str(),
        Grouped(engine.alerts_by_rule()[i]).c_str(),
        (Note(engine.no_key()[i], "events without its key") +
         Note(counters.evaluation_errors, "failed evaluations") +
         Note(counters.invalid_events, "invalid events") +
         Note(counters.dropped_partials, "partial matches dropped (partial_matches_per_key)") +
         Note(counters.dropped_long_partials, "partial matches dropped (events_per_match)") +
         Note(counters.dropped_matches, "matches dropped (matches_per_event)"))
            .c_str());
  }
}

Status WriteStats(const std::string& path, const std::string& json) {
  ASSIGN_OR_RETURN(std::unique_ptr<alerts::FileSink> file, alerts::FileSink::Open(path));
  RETURN_IF_ERROR(file->Write(json));
  return file->Flush();
}

// The formats of binary inputs: the configuration's, and of a schema that says what records are.
Status AddFormats(ReplaySettings* settings) {
  ASSIGN_OR_RETURN(settings->inputs.formats, daemon::FormatMaker().Make(settings->formats));
  if (!daemon::IsRecordSchema(settings->schema_file)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const daemon::EventSchema schema,
                   daemon::LoadRecordSchema(settings->schema_file));
  bool is_known = false;
  for (ingest::Format& format : settings->inputs.formats) {
    is_known |= format.kind == ingest::Format::Kind::kAvro ||
                format.kind == ingest::Format::Kind::kProtobuf;
    if (format.kind == ingest::Format::Kind::kAvro && format.reader == nullptr) {
      format.reader = schema.format.reader;
    }
  }
  if (!is_known) settings->inputs.formats = {schema.format};
  return absl::OkStatus();
}

// Loads schema and rules; on failure returns null and sets the exit code.
std::shared_ptr<const rules::RuleSet> LoadAll(const ReplaySettings& settings,
                                              const daemon::Config& config,
                                              daemon::RecordedInputs* inputs, int* exit_code) {
  *exit_code = kExitFindings;
  std::shared_ptr<const cep::Schema> schema;
  if (!settings.schema_file.empty()) {
    schema = LoadSchemaOrReport(settings.schema_file, std::cerr);
    if (schema == nullptr) return nullptr;
  } else {
    StatusOr<std::shared_ptr<const cep::Schema>> inferred = inputs->InferSchema();
    if (!inferred.ok()) {
      *exit_code = Fail(InputExitCode(inferred.status()), inferred.status());
      return nullptr;
    }
    schema = *std::move(inferred);
    std::fprintf(stderr,
                 "no --schema: inferred %zu fields from the first %s records of each input\n",
                 schema->fields().size(), Grouped(daemon::kInferRecords).c_str());
  }
  // A recording of Kafka's may hold the field that the configuration's rules read there.
  schema = CheckedSchema(std::move(schema), config);
  if (schema == nullptr) {
    *exit_code = kExitUsage;
    return nullptr;
  }
  rules::LoadOptions load;
  load.sources = daemon::ExpressionsOf(config);
  return LoadRulesOrReport(settings.rules, std::move(schema), std::cerr, load);
}

PreparedReplay Prepare(const daemon::Config& config, const ReplaySettings& settings,
                       daemon::RecordedInputs* inputs, int* exit_code) {
  PreparedReplay prepared;
  const std::shared_ptr<const rules::RuleSet> rules = LoadAll(settings, config, inputs, exit_code);
  if (rules == nullptr) return prepared;
  std::shared_ptr<const cep::Expression> time;
  if (settings.has_time_expression)
    time = rules->sources.at(settings.engine.only_source).event_time;
  StatusOr<std::unique_ptr<daemon::Engine>> engine = daemon::Engine::Create(rules, settings.engine);
  if (!engine.ok()) {
    *exit_code = Fail(kExitFindings, engine.status());
    return prepared;
  }
  StatusOr<std::vector<cep::JobSource>> sources = inputs->Open(rules->layout, rules->schema, time);
  if (!sources.ok()) {
    *exit_code = Fail(InputExitCode(sources.status()), sources.status());
    return prepared;
  }
  prepared.engine = *std::move(engine);
  prepared.sources = *std::move(sources);
  return prepared;
}

int Run(const ReplayOptions& options, PreparedReplay prepared, const daemon::RecordedInputs& inputs,
        std::chrono::steady_clock::time_point start) {
  daemon::Engine& engine = *prepared.engine;
  StatusOr<std::unique_ptr<alerts::FileSink>> sink =
      alerts::FileSink::Open(options.output.empty() ? "-" : options.output);
  if (!sink.ok()) return Fail(kExitIo, sink.status());
  ProgressLine progress(stderr);
  const uint64_t total = inputs.bytes_total();
  const Status status = engine.Run(
      std::move(prepared.sources), sink->get(), [&progress, &inputs, total](const cep::Job& job) {
        progress.Update(job.ledger().read, job.watermark(), inputs.bytes_read(), total);
      });
  progress.Clear();
  if (!status.ok()) return Fail(kExitIo, status);
  const Usage usage = UsageSince(start);
  PrintSummary(engine, usage);
  if (!options.stats_file.empty()) {
    const Status written = WriteStats(options.stats_file, StatsJson(engine, usage));
    if (!written.ok()) return Fail(kExitIo, written);
  }
  if (options.until_alert.empty() || engine.has_found_alert()) return kExitOk;
  std::cerr << "error: the input has ended without alert " << options.until_alert
            << (options.from_checkpoint.empty()
                    ? "\n"
                    : ": it came out before the checkpoint, of records that are not in the input, "
                      "or of events that other rules saw\n");
  return kExitFindings;
}

}  // namespace

int RunReplay(const ReplayOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  daemon::Config config;
  if (!options.config_file.empty()) {
    std::optional<daemon::Config> loaded = LoadConfigOrReport(options.config_file, std::cerr);
    if (!loaded) return kExitUsage;
    config = *std::move(loaded);
  }
  StatusOr<ReplaySettings> settings = SettingsOf(options, config);
  if (!settings.ok()) return Fail(kExitUsage, settings.status());
  if (const Status status = AddFormats(&*settings); !status.ok()) {
    return Fail(InputExitCode(status), status);
  }
  daemon::RecordedInputs inputs(settings->inputs);
  daemon::Log log(daemon::LogFormat::kText, spdlog::level::warn);
  daemon::SourceLog source_log(&log);
  int exit_code = kExitOk;
  PreparedReplay prepared =
      options.from_checkpoint.empty()
          ? Prepare(config, *settings, &inputs, &exit_code)
          : PrepareFromCheckpoint(options, config, *settings, &inputs, &source_log, &exit_code);
  if (prepared.engine == nullptr) return exit_code;
  return Run(options, std::move(prepared), inputs, start);
}

}  // namespace vigil::cmd
