#include "daemon/live_sources.h"

#include <algorithm>
#include <utility>

#include "daemon/formats.h"
#include "ingest/formats.h"
#include "ingest/source_http.h"
#include "ingest/source_kafka.h"
#include "ingest/source_tail.h"
#include "ingest/source_tcp.h"
#include "io/open_input.h"

namespace vigil::daemon {
namespace {

bool IsContainer(const std::string& path) {
  const StatusOr<io::InputName> name = io::ParseInputName(path);
  return name.ok() && name->format == io::InputFormat::kAvro;
}

constexpr int64_t kMaxAheadMs = 10'000;  // besides the bound
const std::vector<std::string> kNoPaths;

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
    if (!source.kafka && source.event_time.kind == EventTimeConfig::Kind::kKafka) {
      refuse("`event_time: kafka` is for a source that is `kafka`");
    }
    for (const std::string& path : source.file ? source.file->paths : kNoPaths) {
      if (source.file->are_containers || !IsContainer(path)) continue;
      refuse(path +
             ": an Avro container file brings its schema with it: give it a source of such files "
             "only, without a `format`");
    }
  }
  return problems;
}

namespace {

using Header = ingest::QueuedSourceOptions::Header;

// Where streams have headers of their own, that make their codecs.
Header HeaderOf(const SourceConfig& source) {
  if (source.kafka) return Header::kNone;
  if (source.file && source.file->are_containers) return Header::kAvro;
  const bool is_csv =
      source.formats.size() == 1 && source.formats.front().kind == FormatConfig::Kind::kCsv;
  return is_csv ? Header::kCsv : Header::kNone;
}

bool IsWallTime(const SourceConfig& source) {
  return EventTimeOf(source) == ingest::KafkaEventTime::kWallClock;
}

ingest::SplitOptions SplitOf(const SourceConfig& source) {
  ingest::SplitOptions split;
  split.has_header = HeaderOf(source) != Header::kNone;
  const bool is_binary =
      std::any_of(source.formats.begin(), source.formats.end(), [](const FormatConfig& format) {
        return format.kind == FormatConfig::Kind::kAvro ||
               format.kind == FormatConfig::Kind::kProtobuf;
      });
  if (is_binary) split.framing = ingest::Framing::kDelimited;
  if (HeaderOf(source) == Header::kAvro) split.framing = ingest::Framing::kContained;
  return split;
}

ingest::QueuedSourceOptions QueueOf(const SourceConfig& source, ingest::SourceCodec codec,
                                    const Clock* clock) {
  ingest::QueuedSourceOptions options;
  options.name = source.name;
  options.codec = std::move(codec);
  options.header = HeaderOf(source);
  options.is_wall_time = IsWallTime(source);
  options.clock = clock;
  return options;
}

StatusOr<std::unique_ptr<cep::LiveSource>> MakeFileSource(const SourceConfig& source,
                                                          ingest::SourceCodec codec, SourceLog* log,
                                                          const Clock* clock) {
  const FileSourceConfig& file = *source.file;
  ASSIGN_OR_RETURN(std::unique_ptr<ingest::TailSource> made,
                   ingest::TailSource::Create({.source = QueueOf(source, std::move(codec), clock),
                                               .folder = file.folder,
                                               .paths = file.paths,
                                               .from_end = file.from_end,
                                               .stop_at_end = file.stop_at_end,
                                               .split = SplitOf(source)},
                                              log));
  return made;
}

std::unique_ptr<cep::LiveSource> MakeTcpSource(const SourceConfig& source,
                                               ingest::SourceCodec codec, SourceLog* log,
                                               const Clock* clock) {
  ingest::TcpSourceOptions options;
  options.source = QueueOf(source, std::move(codec), clock);
  options.split = SplitOf(source);
  options.split.max_record = source.tcp->record_max;
  options.host = source.tcp->listen.host;
  options.port = source.tcp->listen.port;
  options.loopback_only = !source.tcp->listen.allow_public;
  options.connections_max = source.tcp->connections_max;
  options.idle_ms = source.tcp->idle_ms;
  return std::make_unique<ingest::TcpSource>(std::move(options), log);
}

std::unique_ptr<cep::LiveSource> MakeHttpSource(const SourceConfig& source,
                                                ingest::SourceCodec codec, SourceLog* log,
                                                const Clock* clock) {
  ingest::HttpSourceOptions options;
  options.source = QueueOf(source, std::move(codec), clock);
  options.split = SplitOf(source);
  options.server.host = source.http->listen.host;
  options.server.port = source.http->listen.port;
  options.server.loopback_only = !source.http->listen.allow_public;
  options.server.body_max = source.http->body_max;
  options.token = source.http->token;
  return std::make_unique<ingest::HttpSource>(std::move(options), log);
}

StatusOr<std::unique_ptr<cep::LiveSource>> MakeKafkaSource(const SourceConfig& source,
                                                           const std::string& group,
                                                           ingest::SourceCodec codec,
                                                           SourceLog* log, const Clock* clock) {
  const KafkaSourceConfig& kafka = *source.kafka;
  ASSIGN_OR_RETURN(std::unique_ptr<ingest::KafkaSource> made,
                   ingest::KafkaSource::Create({.name = source.name,
                                                .brokers = kafka.brokers,
                                                .group = group,
                                                .topics = kafka.topics,
                                                .start = StartOf(kafka),
                                                .stop_at_end = kafka.stop_at_end,
                                                .properties = kafka.properties,
                                                .event_time = EventTimeOf(source),
                                                .layout = codec.options.layout,
                                                .codec = std::move(codec.codec),
                                                .clock = clock},
                                               log));
  return made;
}

}  // namespace

StatusOr<ingest::SourceCodec> MakeSourceCodec(const SourceConfig& source,
                                              const rules::RuleSet& rules, FormatMaker* formats) {
  ingest::SourceCodec codec;
  codec.options = {.layout = rules.layout,
                   .schema = rules.schema,
                   .time = source.event_time.field,
                   .strict = source.strict,
                   .positions = false};
  if (source.event_time.kind != EventTimeConfig::Kind::kField) codec.options.time.field.clear();
  if (source.event_time.kind == EventTimeConfig::Kind::kExpression) {
    const auto expressions = rules.sources.find(source.name);
    if (expressions != rules.sources.end()) codec.time = expressions->second.event_time;
    if (codec.time == nullptr) {
      return absl::InternalError("source " + source.name +
                                 ": the rules were loaded without its `event_time`");
    }
  }
  if (HeaderOf(source) != Header::kNone) return codec;
  ASSIGN_OR_RETURN(const std::vector<ingest::Format> made, formats->Make(source.formats));
  ASSIGN_OR_RETURN(std::unique_ptr<ingest::Codec> plain, ingest::MakeCodec(made, codec.options));
  codec.codec = codec.Timed(std::move(plain));
  return codec;
}

StatusOr<std::vector<cep::LiveInput>> MakeLiveInputs(const Config& config,
                                                     const rules::RuleSet& rules, SourceLog* log,
                                                     const Clock* clock, FormatMaker* formats) {
  std::vector<cep::LiveInput> inputs;
  for (const SourceConfig& source : config.sources) {
    cep::LiveInput input;
    input.name = source.name;
    const WatermarkConfig& watermark = source.watermark;
    input.time.bound_ms = watermark.bound_ms;
    input.time.idle_after_ms = watermark.idle_after_ms;
    input.time.max_ahead_ms = watermark.max_ahead_ms.value_or(kMaxAheadMs + watermark.bound_ms);
    input.max_future_ms = watermark.max_future_ms;
    if (const auto found = rules.sources.find(source.name); found != rules.sources.end()) {
      input.punctuated = found->second.punctuated;
    }
    ASSIGN_OR_RETURN(ingest::SourceCodec codec, MakeSourceCodec(source, rules, formats));
    if (source.kafka) {
      input.drains = source.kafka->drain;
      ASSIGN_OR_RETURN(input.source,
                       MakeKafkaSource(source, config.name, std::move(codec), log, clock));
    } else if (source.tcp) {
      input.source = MakeTcpSource(source, std::move(codec), log, clock);
    } else if (source.http) {
      input.source = MakeHttpSource(source, std::move(codec), log, clock);
    } else {
      input.drains = source.file->drain;
      ASSIGN_OR_RETURN(input.source, MakeFileSource(source, std::move(codec), log, clock));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace vigil::daemon
