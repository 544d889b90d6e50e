#include "daemon/live_sources.h"

#include <utility>

#include "daemon/formats.h"
#include "ingest/formats.h"

namespace vigil::daemon {
namespace {

constexpr int64_t kMaxAheadMs = 10'000;  // besides the bound

ingest::KafkaStart StartOf(const KafkaSourceConfig& kafka) {
  using Kind = ingest::KafkaStart::Kind;
  switch (kafka.start) {
    case StartAt::kEarliest:
      return {Kind::kEarliest, 0};
    case StartAt::kLatest:
      return {Kind::kLatest, 0};
    case StartAt::kCommitted:
      return {Kind::kCommitted, 0};
    case StartAt::kTimestamp:
      return {Kind::kTimestamp, kafka.start_ms};
  }
  return {};
}

ingest::KafkaEventTime EventTimeOf(const SourceConfig& source) {
  switch (source.event_time.kind) {
    case EventTimeConfig::Kind::kKafka:
      return ingest::KafkaEventTime::kKafka;
    case EventTimeConfig::Kind::kProcessing:
    case EventTimeConfig::Kind::kIngestion:
      return ingest::KafkaEventTime::kWallClock;
    case EventTimeConfig::Kind::kField:
    case EventTimeConfig::Kind::kExpression:
      break;
  }
  return ingest::KafkaEventTime::kRecord;
}

}  // namespace

std::shared_ptr<const cep::Schema> WithKafkaField(std::shared_ptr<const cep::Schema> schema,
                                                  const Config& config) {
  bool has_kafka = false;
  for (const SourceConfig& source : config.sources) has_kafka |= source.kafka.has_value();
  if (!has_kafka || schema->Find(ingest::kKafkaField) != nullptr) return schema;
  using cep::Type;
  using cep::TypeKind;
  std::vector<cep::Field> fields = schema->fields();
  fields.push_back({std::string(ingest::kKafkaField),
                    Type::Object({{"key", TypeKind::kDyn},
                                  {"timestamp", TypeKind::kTimestamp},
                                  {"headers", Type::Map(TypeKind::kString, TypeKind::kDyn)},
                                  {"topic", TypeKind::kString},
                                  {"partition", TypeKind::kInt},
                                  {"offset", TypeKind::kInt}})});
  return std::make_shared<const cep::Schema>(std::move(fields), schema->undeclared());
}

std::vector<std::string> FindUnsupported(const Config& config) {
  std::vector<std::string> problems;
  if (config.sources.empty()) problems.push_back("the configuration has no `sources`");
  if (config.rules.empty() && !config.rule_topic) {
    problems.push_back("the configuration names no `rules`");
  }
  for (const SourceConfig& source : config.sources) {
    const auto refuse = [&](const std::string& what) {
      problems.push_back("source " + source.name + ": " + what);
    };
    if (!source.kafka) refuse("`file` is for replay; run reads `kafka`");
    if (source.event_time.kind == EventTimeConfig::Kind::kExpression) {
      refuse("`event_time: {cel}` cannot be run");
    }
    if (source.watermark.kind == WatermarkConfig::Kind::kPunctuated) {
      refuse("`watermark: {punctuated}` cannot be run");
    }
    if (!source.id.empty()) refuse("`id` cannot be run");
  }
  return problems;
}

StatusOr<std::unique_ptr<ingest::Codec>> MakeSourceCodec(const SourceConfig& source,
                                                         const rules::RuleSet& rules,
                                                         FormatMaker* formats) {
  ingest::CodecOptions options{.layout = rules.layout,
                               .schema = rules.schema,
                               .time = source.event_time.field,
                               .strict = source.strict,
                               .positions = false};
  if (source.event_time.kind != EventTimeConfig::Kind::kField) options.time.field.clear();
  ASSIGN_OR_RETURN(const std::vector<ingest::Format> made, formats->Make(source.formats));
  return ingest::MakeCodec(made, options);
}

StatusOr<std::vector<cep::LiveInput>> MakeLiveInputs(const Config& config,
                                                     const rules::RuleSet& rules, SourceLog* log,
                                                     const Clock* clock, FormatMaker* formats) {
  std::vector<cep::LiveInput> inputs;
  for (const SourceConfig& source : config.sources) {
    const KafkaSourceConfig& kafka = *source.kafka;
    cep::LiveInput input;
    input.name = source.name;
    const WatermarkConfig& watermark = source.watermark;
    input.time.bound_ms = watermark.bound_ms;
    input.time.idle_after_ms = watermark.idle_after_ms;
    input.time.max_ahead_ms = watermark.max_ahead_ms.value_or(kMaxAheadMs + watermark.bound_ms);
    input.max_future_ms = watermark.max_future_ms;
    input.drains = kafka.drain;
    ASSIGN_OR_RETURN(std::unique_ptr<ingest::Codec> codec, MakeSourceCodec(source, rules, formats));
    ASSIGN_OR_RETURN(input.source, ingest::KafkaSource::Create({.name = source.name,
                                                                .brokers = kafka.brokers,
                                                                .group = config.name,
                                                                .topics = kafka.topics,
                                                                .start = StartOf(kafka),
                                                                .stop_at_end = kafka.stop_at_end,
                                                                .properties = kafka.properties,
                                                                .event_time = EventTimeOf(source),
                                                                .layout = rules.layout,
                                                                .codec = std::move(codec),
                                                                .clock = clock},
                                                               log));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace vigil::daemon
