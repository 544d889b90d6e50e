// The configuration of a job, vigil.yaml: what `vigil run` would do, and defaults for `vigil
// replay`.
//
// Read whole: every problem is a diagnostic with its place, as in rules. Keys are rows of
// daemon/config_table.cc. `${env:NAME}` and `${file:PATH}` in values are put in first
// (substitution.h). Paths are relative to the file that names them; here they are resolved.
// Tests: tests/daemon/config_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingest/event_time.h"
#include "rules/diagnostic.h"
#include "rules/yaml_node.h"

namespace vigil::daemon {

enum class StartAt : uint8_t { kEarliest, kLatest, kCommitted, kTimestamp };

struct KafkaSourceConfig {
  std::string brokers;
  std::vector<std::string> topics;
  StartAt start = StartAt::kEarliest;
  int64_t start_ms = 0;  // kTimestamp
  bool stop_at_end = false;
  bool drain = true;  // with stop_at_end
  std::map<std::string, std::string> properties;
};

struct FileSourceConfig {
  std::string folder;              // that relative paths are in
  std::vector<std::string> paths;  // files or patterns of them
  bool from_end = false;
  bool stop_at_end = false;
  bool drain = true;            // with stop_at_end
  bool are_containers = false;  // Avro container files, which bring their schemas with them
};

struct ListenConfig {
  std::string host;
  uint16_t port = 0;
  bool allow_public = false;  // an address that other machines reach, without encryption
  std::string read_token;     // empty: reading is open
  std::string operate_token;  // empty: operating is off
  std::string certificate;    // PEM files; empty: nothing is encrypted
  std::string key;
};

struct TcpSourceConfig {
  ListenConfig listen;
  size_t connections_max = 64;
  int64_t idle_ms = 300'000;
  uint64_t record_max = uint64_t{1} << 20;
};

struct HttpSourceConfig {
  ListenConfig listen;
  std::string token;  // empty: none is needed
  uint64_t body_max = uint64_t{4} << 20;
};

struct FormatConfig {
  enum class Kind : uint8_t { kJson, kCsv, kAvro, kProtobuf };
  Kind kind = Kind::kJson;
  std::string registry;  // kAvro, kProtobuf: a URL; empty: records carry no schema id
  std::string user;      // for the registry, if not in its URL
  std::string password;
  std::string ca_file;      // for the registry's TLS
  std::string writer;       // kAvro without a registry: a file with the schema of records
  std::string reader;       // kAvro: a file or URL of the schema whose defaults and aliases count
  std::string descriptors;  // kProtobuf without a registry: a file
  std::string message;      // kProtobuf: full name; with a registry it may be empty
};

// CEL over a source's events, and where it stands.
struct ExpressionConfig {
  std::string text;                   // empty: none
  const rules::Node* node = nullptr;  // in Config::document
};

struct EventTimeConfig {
  enum class Kind : uint8_t { kField, kExpression, kKafka, kProcessing, kIngestion };
  Kind kind = Kind::kField;
  ingest::TimeSpec field;
  ExpressionConfig expression;
};

struct WatermarkConfig {
  enum class Kind : uint8_t { kBounded, kMonotonic, kPunctuated };
  Kind kind = Kind::kBounded;
  int64_t bound_ms = 0;  // 0 where kMonotonic
  ExpressionConfig punctuated;
  int64_t idle_after_ms = 30'000;
  std::optional<bool> idle_advance;  // absent: the rules decide
  std::optional<int64_t> max_ahead_ms;
  int64_t max_future_ms = 60'000;
};

// Has one of the first four.
struct SourceConfig {
  std::string name;
  std::optional<KafkaSourceConfig> kafka;
  std::optional<FileSourceConfig> file;
  std::optional<TcpSourceConfig> tcp;
  std::optional<HttpSourceConfig> http;
  std::vector<FormatConfig> formats;  // tried in order
  EventTimeConfig event_time;
  WatermarkConfig watermark;
  bool strict = false;
  ExpressionConfig id;  // none: an event is its position
};

struct SinkConfig {
  enum class Kind : uint8_t { kKafka, kFile, kStdout };
  std::string name;  // as given, else kind and target; unique in its output
  Kind kind = Kind::kStdout;
  bool is_immediate = false;
  bool is_text = false;  // kStdout
  uint64_t buffer_bytes = uint64_t{16} << 20;
  bool drops_when_full = false;
  std::string path;  // kFile, and the following
  uint64_t rotate_bytes = 0;
  int64_t rotate_every_ms = 0;
  uint32_t rotate_keep = 0;
  std::string topic;  // kKafka, and the following
  std::string key;
  std::string brokers;  // empty: the source's
  std::map<std::string, std::string> properties;
};

struct StateConfig {
  std::string path;
  int64_t commit_interval_ms = 200;
  int64_t min_pause_ms = 0;  // between the end of a commit and the next barrier
  int64_t commit_timeout_ms = 600'000;
  uint64_t outbox_bytes = uint64_t{1} << 30;
  uint64_t cache_bytes = uint64_t{64} << 20;         // RocksDB's, of blocks that were read
  uint64_t write_buffer_bytes = uint64_t{32} << 20;  // RocksDB's, of each of three families
  enum class Compression : uint8_t { kNone, kLz4, kZstd };
  Compression compression = Compression::kLz4;
  int64_t checkpoint_every_ms = 60'000;
  uint32_t checkpoints_kept = 3;
  std::optional<uint64_t> memory_bytes;
};

struct RuleTopicConfig {
  std::string topic;
  std::string brokers;  // empty: the source's
  std::map<std::string, std::string> properties;
};

struct Config {
  std::string name = "vigil";
  std::vector<std::string> rules;             // files or folders that exist
  std::optional<RuleTopicConfig> rule_topic;  // in place of `rules`
  std::string schema;                         // as daemon/formats.h names them; empty: none
  std::vector<SourceConfig> sources;
  std::map<std::string, std::vector<SinkConfig>> outputs;
  std::optional<StateConfig> state;
  std::optional<ListenConfig> http;
  std::optional<uint32_t> shards;
  std::shared_ptr<const rules::Document> document;  // the file, for diagnostics that come later

  // Those that rules may send to: its own and the ones that are always there, sorted.
  std::vector<std::string> OutputNames() const;
  // Where nothing else is said: the brokers of the first source, and how it gets to them, beside
  // the properties that are there.
  void UseSourceAccess(std::string* brokers, std::map<std::string, std::string>* properties) const;
};

struct ConfigResult {
  Config config;         // what could be read of it
  bool is_read = false;  // the file is YAML
  std::vector<rules::Diagnostic> diagnostics;
};

ConfigResult LoadConfig(const std::string& path);

}  // namespace vigil::daemon
