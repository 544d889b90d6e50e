#include "daemon/config_sources.h"

#include <algorithm>

#include "daemon/config_values.h"
#include "io/open_input.h"

namespace vigil::daemon {
namespace {

using rules::Code;
using rules::Node;
using rules::SectionReader;
using S = ConfigSection;

// What a record, and what a request, may take at most.
constexpr uint64_t kMaxRecord = uint64_t{16} << 20;
constexpr uint64_t kMaxBody = uint64_t{64} << 20;

// Reads one source.
class SourceReader {
 public:
  SourceReader(const std::string& name, const SectionReader& section, const std::string& folder)
      : section_(section), folder_(folder) {
    source_.name = name;
  }

  SourceConfig Run();

 private:
  void ReadKafka(const Node& node);
  template <typename Config>
  void ReadStop(const SectionReader& section, Config* config) const;
  void ReadStart(const SectionReader& section, KafkaSourceConfig* kafka) const;
  void ReadFile(const Node& node);
  void ReadTcp(const Node& node);
  void ReadHttp(const Node& node);
  void GuessFormat();
  void ReadFormats();
  void AddFormat(const Node& node);
  void ReadRegistry(const SectionReader& options, std::string_view other, FormatConfig* format);
  std::string ReadSchemaName(const SectionReader& options, std::string_view key);
  void ReadEventTime();
  void ReadWatermark();

  const SectionReader& section_;
  const std::string& folder_;
  SourceConfig source_;
};

void SourceReader::ReadKafka(const Node& node) {
  const SectionReader section = Inner(S::kKafkaSource, section_, node);
  KafkaSourceConfig kafka;
  kafka.brokers = ReadBrokers(section);
  for (rules::PlacedName& topic : section.Names("topics")) {
    kafka.topics.push_back(std::move(topic.name));
  }
  ReadStart(section, &kafka);
  ReadStop(section, &kafka);
  kafka.properties = ReadProperties(section);
  source_.kafka = std::move(kafka);
}

template <typename Config>
void SourceReader::ReadStop(const SectionReader& section, Config* config) const {
  if (const std::optional<size_t> stop = section.Word("stop")) config->stop_at_end = *stop == 1;
  const std::optional<bool> drain = section.Bool("drain");
  config->drain = drain.value_or(true);
  if (drain && !config->stop_at_end) {
    section.reporter().Report(Code::kConflict, section.PlaceOfKey("drain"),
                              "`drain` says what happens at the end, and there is no `stop: end`");
  }
}

void SourceReader::ReadStart(const SectionReader& section, KafkaSourceConfig* kafka) const {
  const Node* node = section.Get("start");
  if (node == nullptr) return;
  if (!node->is_mapping()) {
    kafka->start = static_cast<StartAt>(section.Word("start").value_or(0));
    return;
  }
  const SectionReader start = Inner(S::kKafkaStart, section, *node);
  const std::string text = ReadText(start, "timestamp");
  const char* why = nullptr;
  kafka->start = StartAt::kTimestamp;
  if (text.empty() || ingest::EventTimeOfText(text, &kafka->start_ms, &why)) return;
  section.reporter().Report(Code::kMalformed, start.PlaceOfValue("timestamp"),
                            "`timestamp` is no time: " + std::string(why),
                            "RFC 3339, such as 2026-01-31T00:00:00Z");
}

void SourceReader::ReadFile(const Node& node) {
  FileSourceConfig file;
  file.folder = folder_;
  // Compressed files and Avro container files do not grow.
  const auto bound = [&file] {
    file.stop_at_end =
        std::all_of(file.paths.begin(), file.paths.end(), [](const std::string& path) {
          return path.ends_with(".gz") || path.ends_with(".zst") || path.ends_with(".avro");
        });
  };
  if (node.is_mapping()) {
    const SectionReader section = Inner(S::kFileSource, section_, node);
    for (rules::PlacedName& path : section.Names("path")) {
      file.paths.push_back(std::move(path.name));
    }
    file.from_end = section.Word("start").value_or(0) == 1;
    bound();
    ReadStop(section, &file);
  } else {
    file.paths.push_back(ReadText(section_, "file"));
    bound();
  }
  source_.file = std::move(file);
}

void SourceReader::ReadTcp(const Node& node) {
  const SectionReader section = Inner(S::kTcpSource, section_, node);
  TcpSourceConfig tcp;
  tcp.listen = ReadAddress(section, "listen").value_or(tcp.listen);
  tcp.listen.allow_public = section.Bool("allow_public").value_or(false);
  if (const auto count = section.Count("connections")) {
    tcp.connections_max = static_cast<size_t>(*count);
  }
  tcp.idle_ms = section.DurationMs("idle").value_or(tcp.idle_ms);
  tcp.record_max = std::min(ReadBytes(section, "record").value_or(tcp.record_max), kMaxRecord);
  source_.tcp = std::move(tcp);
}

void SourceReader::ReadHttp(const Node& node) {
  const SectionReader section = Inner(S::kHttpSource, section_, node);
  HttpSourceConfig http;
  http.listen = ReadAddress(section, "listen").value_or(http.listen);
  http.listen.allow_public = section.Bool("allow_public").value_or(false);
  if (section.Has("token")) http.token = ReadText(section, "token");
  http.body_max = std::min(ReadBytes(section, "body").value_or(http.body_max), kMaxBody);
  source_.http = std::move(http);
}

// Where no format is given, the names of files may say one.
void SourceReader::GuessFormat() {
  const auto are_all = [this](io::InputFormat format) {
    return std::all_of(source_.file->paths.begin(), source_.file->paths.end(),
                       [format](const std::string& path) {
                         const StatusOr<io::InputName> name = io::ParseInputName(path);
                         return name.ok() && name->format == format;
                       });
  };
  if (are_all(io::InputFormat::kCsv)) source_.formats.front().kind = FormatConfig::Kind::kCsv;
  source_.file->are_containers = are_all(io::InputFormat::kAvro);
}

void SourceReader::ReadFormats() {
  const Node* node = section_.Get("format");
  if (node == nullptr) {
    source_.formats.emplace_back();
  } else if (!node->is_sequence()) {
    AddFormat(*node);
  } else if (node->children.empty()) {
    section_.reporter().Report(Code::kWrongKind, section_.PlaceOf(*node),
                               "the list of `format` is empty");
  } else {
    for (const Node& element : node->children) AddFormat(element);
  }
}

void SourceReader::AddFormat(const Node& node) {
  FormatConfig format;
  if (!node.is_mapping()) {
    const std::optional<size_t> word = section_.WordOf("format", node);
    if (!word) return;
    format.kind = static_cast<FormatConfig::Kind>(*word);
    source_.formats.push_back(std::move(format));
    return;
  }
  const SectionReader section = Inner(S::kFormat, section_, node);
  const Node* avro = section.Get("avro");
  const Node* protobuf = section.Get("protobuf");
  if (section.Has("avro") == section.Has("protobuf")) {
    section.reporter().Report(section.Has("avro") ? Code::kConflict : Code::kMissingKey,
                              section.place(), "a `format` has one of `avro` and `protobuf`");
  } else if (avro != nullptr) {
    const SectionReader options = Inner(S::kAvro, section, *avro);
    format.kind = FormatConfig::Kind::kAvro;
    ReadRegistry(options, "schema", &format);
    format.writer = ReadSchemaName(options, "schema");
    format.reader = ReadSchemaName(options, "reader");
  } else if (protobuf != nullptr) {
    const SectionReader options = Inner(S::kProtobuf, section, *protobuf);
    format.kind = FormatConfig::Kind::kProtobuf;
    ReadRegistry(options, "descriptors", &format);
    format.descriptors = ReadSchemaName(options, "descriptors");
    format.message = ReadText(options, "message");
  }
  source_.formats.push_back(std::move(format));
}

// A format's registry, or what takes its place, of which it must have one.
void SourceReader::ReadRegistry(const SectionReader& options, std::string_view other,
                                FormatConfig* format) {
  const bool has_registry = options.Has("registry");
  if (options.is_mapping() && has_registry == options.Has(other)) {
    options.reporter().Report(has_registry ? Code::kConflict : Code::kMissingKey, options.place(),
                              "the format has one of `registry` and `" + std::string(other) + "`");
  }
  format->registry = ReadText(options, "registry");
  format->user = ReadText(options, "user");
  format->password = ReadText(options, "password");
  if (options.Has("ca")) format->ca_file = ResolvePath(folder_, ReadText(options, "ca"));
  if (format->registry.empty()) return;
  const std::string_view url = format->registry;
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    options.reporter().Report(Code::kMalformed, options.PlaceOfValue("registry"),
                              "the registry's URL begins with neither http:// nor https://");
  }
}

// A file, or a URL as it is.
std::string SourceReader::ReadSchemaName(const SectionReader& options, std::string_view key) {
  const std::string name = ReadText(options, key);
  if (name.empty() || name.find("://") != std::string::npos) return name;
  return ResolvePath(folder_, name);
}

void SourceReader::ReadEventTime() {
  using Kind = EventTimeConfig::Kind;
  EventTimeConfig& time = source_.event_time;
  const Node* node = section_.Get("event_time");
  if (node == nullptr) return;
  if (!node->is_mapping()) {
    constexpr Kind kKinds[] = {Kind::kKafka, Kind::kProcessing, Kind::kIngestion};
    const std::optional<size_t> word = section_.Word("event_time");
    if (word) time.kind = kKinds[*word];
    return;
  }
  constexpr ingest::TimeUnit kUnits[] = {ingest::TimeUnit::kSeconds, ingest::TimeUnit::kMillis,
                                         ingest::TimeUnit::kMicros, ingest::TimeUnit::kNanos,
                                         ingest::TimeUnit::kRfc3339};
  const SectionReader section = Inner(S::kEventTime, section_, *node);
  if (section.Has("field")) time.field.field = ReadText(section, "field");
  if (const std::optional<size_t> unit = section.Word("unit")) time.field.unit = kUnits[*unit];
  if (!section.Has("cel")) return;
  time.kind = Kind::kExpression;
  time.expression = ReadExpression(section, "cel");
  for (const std::string_view key : {"field", "unit"}) {
    if (!section.Has(key)) continue;
    section.reporter().Report(Code::kConflict, section.PlaceOfKey(key),
                              "`event_time` has `cel` or `" + std::string(key) + "`, not both");
  }
}

void SourceReader::ReadWatermark() {
  using Kind = WatermarkConfig::Kind;
  const Node* node = section_.Get("watermark");
  if (node == nullptr) return;
  const SectionReader section = Inner(S::kWatermark, section_, *node);
  WatermarkConfig& watermark = source_.watermark;
  watermark.bound_ms = section.DurationMs("bounded").value_or(0);
  const bool is_monotonic = section.Bool("monotonic").value_or(false);
  watermark.punctuated = ReadExpression(section, "punctuated");
  if (is_monotonic) watermark.kind = Kind::kMonotonic;
  if (section.Has("punctuated")) watermark.kind = Kind::kPunctuated;
  if (section.Has("bounded") + is_monotonic + section.Has("punctuated") > 1) {
    section.reporter().Report(Code::kConflict,
                              section.PlaceOfKey(is_monotonic ? "monotonic" : "punctuated"),
                              "`watermark` has one of `bounded`, `monotonic` and `punctuated`");
  }
  watermark.idle_after_ms = section.DurationMs("idle_after").value_or(watermark.idle_after_ms);
  watermark.idle_advance = section.Bool("idle_advance");
  watermark.max_ahead_ms = section.DurationMs("max_ahead");
  watermark.max_future_ms = section.DurationMs("max_future").value_or(watermark.max_future_ms);
}

SourceConfig SourceReader::Run() {
  const int kinds =
      section_.Has("kafka") + section_.Has("file") + section_.Has("tcp") + section_.Has("http");
  if (section_.is_mapping() && kinds != 1) {
    section_.reporter().Report(kinds > 1 ? Code::kConflict : Code::kMissingKey, section_.place(),
                               "a source has one of `kafka`, `file`, `tcp` and `http`");
  }
  if (const Node* kafka = section_.Get("kafka")) ReadKafka(*kafka);
  if (const Node* file = section_.Get("file")) ReadFile(*file);
  if (const Node* tcp = section_.Get("tcp")) ReadTcp(*tcp);
  if (const Node* http = section_.Get("http")) ReadHttp(*http);
  ReadFormats();
  if (source_.file && !section_.Has("format")) GuessFormat();
  ReadEventTime();
  ReadWatermark();
  source_.strict = section_.Bool("strict").value_or(false);
  source_.id = ReadExpression(section_, "id");
  return std::move(source_);
}

}  // namespace

std::vector<SourceConfig> ReadSources(const SectionReader& file, const std::string& folder) {
  std::vector<SourceConfig> sources;
  const Node* node = file.Get("sources");
  for (size_t i = 0; node != nullptr && i < node->entries(); ++i) {
    const Node& key = node->key(i);
    if (!key.is_scalar()) continue;  // reported
    CheckName(file, key, "source");
    const SectionReader section = Inner(S::kSource, file, node->entry(i));
    sources.push_back(SourceReader(std::string(key.value), section, folder).Run());
  }
  return sources;
}

}  // namespace vigil::daemon
