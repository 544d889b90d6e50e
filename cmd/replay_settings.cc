#include "cmd/replay_settings.h"

#include <unistd.h>

#include <absl/strings/str_cat.h>

#include "rules/duration.h"

namespace vigil::cmd {
namespace {

using daemon::EventTimeConfig;
using daemon::SourceConfig;

// The source that stands for all inputs, or null.
const SourceConfig* OnlySource(const daemon::Config& config) {
  return config.sources.size() == 1 ? &config.sources.front() : nullptr;
}

bool HasTimeExpression(const ReplayOptions& options, const SourceConfig* source) {
  return source != nullptr && source->event_time.kind == EventTimeConfig::Kind::kExpression &&
         !options.time_field.has_value();
}

StatusOr<ingest::TimeSpec> TimeOf(const ReplayOptions& options, const SourceConfig* source) {
  ingest::TimeSpec time;
  const bool is_given = options.time_field.has_value();
  if (source != nullptr && source->event_time.kind == EventTimeConfig::Kind::kField) {
    time = source->event_time.field;
  } else if (HasTimeExpression(options, source)) {
    time.field.clear();
  } else if (source != nullptr && !is_given) {
    return absl::InvalidArgumentError(
        absl::StrCat("the event time of the source ", source->name,
                     " is that of Kafka or the clock, which a replay does not have: name a field "
                     "with --time-field"));
  }
  if (is_given) time.field = *options.time_field;
  if (options.time_unit) {
    ASSIGN_OR_RETURN(time.unit, ingest::ParseTimeUnit(*options.time_unit));
  }
  return time;
}

Status SetBounds(const ReplayOptions& options, const daemon::Config& config,
                 daemon::EngineOptions* engine) {
  if (options.disorder) {
    std::string why;
    if (rules::ParseDuration(*options.disorder, &engine->disorder_ms, &why)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("--disorder ", *options.disorder, ": ", why));
  }
  if (options.positions || options.inputs.empty()) {
    for (const SourceConfig& source : config.sources) {
      engine->disorder_ms_by_source[source.name] = source.watermark.bound_ms;
    }
  } else if (const SourceConfig* source = OnlySource(config)) {
    engine->disorder_ms = source->watermark.bound_ms;
  }
  return absl::OkStatus();
}

// With which alert the run ends; where nothing else is said, that one alone is written.
Status SetEnd(const ReplayOptions& options, daemon::EngineOptions* engine) {
  if (options.until_alert.empty()) return absl::OkStatus();
  const std::string& id = options.until_alert;
  const bool is_id = id.size() == 32 && id.find_first_not_of("0123456789abcdef") == id.npos;
  if (!is_id) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--until-alert ", id, ": an alert's id has 32 hexadecimal digits, in lower case"));
  }
  engine->until_alert =
      Hash128{std::stoull(id.substr(0, 16), nullptr, 16), std::stoull(id.substr(16), nullptr, 16)};
  engine->only_until_alert = options.output.empty();
  return absl::OkStatus();
}

}  // namespace

StatusOr<ReplaySettings> SettingsOf(const ReplayOptions& options, const daemon::Config& config) {
  const SourceConfig* source = OnlySource(config);
  ReplaySettings settings;
  settings.rules = config.rules;
  settings.rules.insert(settings.rules.end(), options.rules.begin(), options.rules.end());
  const bool goes_on = !options.from_checkpoint.empty();
  if (settings.rules.empty() && !goes_on) {
    return absl::InvalidArgumentError("the configuration names no rules: name them with -r");
  }
  settings.schema_file = options.schema_file.empty() ? config.schema : options.schema_file;
  if (source != nullptr) settings.formats = source->formats;
  settings.inputs.paths = options.inputs;
  settings.inputs.positions = options.positions;
  settings.inputs.strict = options.strict || (source != nullptr && source->strict);
  if (!options.inputs.empty()) {
    ASSIGN_OR_RETURN(settings.inputs.time, TimeOf(options, source));
    settings.has_time_expression = HasTimeExpression(options, source);
  }
  RETURN_IF_ERROR(SetBounds(options, config, &settings.engine));
  settings.engine.follows_punctuation = !options.disorder.has_value();
  if (source != nullptr) settings.engine.only_source = source->name;
  settings.engine.shards = options.shards.value_or(config.shards.value_or(1));
  RETURN_IF_ERROR(SetEnd(options, &settings.engine));
  if (options.output.empty() && !settings.engine.until_alert) {
    settings.engine.format = alerts::Format::kText;
    settings.engine.colour = isatty(STDOUT_FILENO) != 0;
  }
  return settings;
}

}  // namespace vigil::cmd
