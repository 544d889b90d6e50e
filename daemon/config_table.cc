#include "daemon/config_table.h"

#include <vector>

#include "rules/schema_reference.h"

namespace vigil::daemon {
namespace {

using rules::KeyRow;
using rules::SectionRow;
using S = ConfigSection;
using K = rules::ValueKind;

constexpr bool kLater = false;

std::vector<KeyRow> FileKeys() {
  return {
      {S::kFile,
       "name",
       K::kText,
       "Names the job: its consumer group, transactional ids and metrics. Letters, digits, `_`, "
       "`.`, `-`.",
       {.default_text = "vigil"}},
      {S::kFile,
       "rules",
       K::kNamesOrSection,
       "Rule files, or folders of them; or the topic that holds them.",
       {.inner = S::kRuleTopic}},
      {S::kFile, "schema", K::kText,
       "Types of the events' fields: a schema file, a descriptor set (`FILE#MESSAGE`), an Avro "
       "schema (`.avsc`), or the URL of a version in a registry."},
      {S::kFile,
       "sources",
       K::kNamedSections,
       "Where events come from, by name.",
       {.inner = S::kSource}},
      {S::kFile,
       "outputs",
       K::kNamedLists,
       "Where records go: for each output that rules name, its sinks. `alerts`, `late`, `errors`, "
       "`audit` and `metrics` are always there.",
       {.inner = S::kSink}},
      {S::kFile,
       "state",
       K::kSection,
       "State that survives a restart; absent: it is kept in memory only.",
       {.inner = S::kState}},
      {S::kFile, "http", K::kSection, "Metrics, health and the admin API.", {.inner = S::kHttp}},
      {S::kFile,
       "shards",
       K::kCount,
       "Threads that share the keys.",
       {.default_text = "1", .min = 1, .max = 1024}},
      {S::kFile,
       "mask",
       K::kAny,
       "Sensitive fields, hidden on every way out.",
       {.is_supported = kLater}},

      {S::kRuleTopic,
       "topic",
       K::kText,
       "A compacted topic: a message is a rule file, its key the file's name; one without a value "
       "deletes it.",
       {.is_required = true}},
      {S::kRuleTopic, "brokers", K::kText, "Absent: those of the source."},
      {S::kRuleTopic, "properties", K::kScalars, "Further properties of librdkafka."},
  };
}

std::vector<KeyRow> SourceKeys() {
  return {
      {S::kSource, "kafka", K::kSection, "Topics of Kafka.", {.inner = S::kKafkaSource}},
      {S::kSource,
       "file",
       K::kTextOrSection,
       "Files in place of `kafka`, followed as they grow and are rotated.",
       {.inner = S::kFileSource}},
      {S::kSource,
       "tcp",
       K::kSection,
       "In place of `kafka`: connections that send records, such as JSON lines.",
       {.inner = S::kTcpSource}},
      {S::kSource,
       "http",
       K::kSection,
       "In place of `kafka`: requests that post records, such as JSON lines.",
       {.inner = S::kHttpSource}},
      {S::kSource,
       "format",
       K::kChoices,
       "How a record is written; of a list the first that accepts the record.",
       {.default_text = "json", .words = "json csv", .inner = S::kFormat}},
      {S::kSource,
       "event_time",
       K::kWordOrSection,
       "When an event happened: a field or an expression of it, the Kafka record's time, or the "
       "clock when it is processed or read.",
       {.words = "kafka processing ingestion", .inner = S::kEventTime}},
      {S::kSource,
       "watermark",
       K::kSection,
       "How far time has come, per partition.",
       {.inner = S::kWatermark}},
      {S::kSource,
       "strict",
       K::kBool,
       "Check every record whole, not only what rules read.",
       {.default_text = "false"}},
      {S::kSource, "id", K::kExpression,
       "What identifies an event in place of its position, such as a transaction id."},

      {S::kKafkaSource,
       "brokers",
       K::kText,
       "`HOST:PORT`, or several with commas between them.",
       {.is_required = true}},
      {S::kKafkaSource,
       "topics",
       K::kNames,
       "Topics to read; one that begins with `^` is a regular expression (RE2).",
       {.is_required = true}},
      {S::kKafkaSource,
       "start",
       K::kWordOrSection,
       "Where a partition begins that is there at the start: its first record, its end, what the "
       "consumer group `name` has committed (else its first record), or a time.",
       {.default_text = "earliest", .words = "earliest latest committed", .inner = S::kKafkaStart}},
      {S::kKafkaSource,
       "stop",
       K::kWord,
       "`end`: a bounded run, up to the end offsets found at the start.",
       {.default_text = "never", .words = "never end"}},
      {S::kKafkaSource,
       "drain",
       K::kBool,
       "With `stop: end`: move time to its end then. `false`: a later run goes on.",
       {.default_text = "true"}},
      {S::kKafkaSource, "properties", K::kScalars, "Further properties of librdkafka."},

      {S::kKafkaStart,
       "timestamp",
       K::kText,
       "The first record at or after this time, RFC 3339.",
       {.is_required = true}},

      {S::kFileSource,
       "path",
       K::kNames,
       "Files, or patterns of them (`*`, `?`, `[a-z]`); each file is a partition. `.gz` and `.zst` "
       "are decompressed; `.avro` is an Avro container file.",
       {.is_required = true}},
      {S::kFileSource,
       "start",
       K::kWord,
       "Where a file begins that is there at the start.",
       {.default_text = "beginning", .words = "beginning end"}},
      {S::kFileSource,
       "stop",
       K::kWord,
       "`end`: a bounded run, up to where the files end at the start; absent: `end` if all files "
       "are compressed or Avro container files, else `never`.",
       {.words = "never end"}},
      {S::kFileSource,
       "drain",
       K::kBool,
       "With `stop: end`: move time to its end then. `false`: time stays where it is.",
       {.default_text = "true"}},
  };
}

std::vector<KeyRow> ListenKeys() {
  return {
      {S::kTcpSource,
       "listen",
       K::kAddress,
       "Address and port; port 0 is any free one.",
       {.is_required = true}},
      {S::kTcpSource,
       "allow_public",
       K::kBool,
       "Listen on an address that other machines reach, although nothing is encrypted or checked.",
       {.default_text = "false"}},
      {S::kTcpSource,
       "connections",
       K::kCount,
       "Connections at a time; those beyond are closed.",
       {.default_text = "64", .min = 1, .max = 10'000}},
      {S::kTcpSource,
       "idle",
       K::kDuration,
       "A connection that says nothing for this long is closed.",
       {.default_text = "5m"}},
      {S::kTcpSource,
       "record",
       K::kBytes,
       "Records longer than this are quarantined.",
       {.default_text = "1MiB"}},

      {S::kHttpSource,
       "listen",
       K::kAddress,
       "Address and port; port 0 is any free one.",
       {.is_required = true}},
      {S::kHttpSource,
       "allow_public",
       K::kBool,
       "Listen on an address that other machines reach, although nothing is encrypted.",
       {.default_text = "false"}},
      {S::kHttpSource, "token", K::kText,
       "Bearer token that requests must have; without one all are taken."},
      {S::kHttpSource,
       "body",
       K::kBytes,
       "A request's body may have so many bytes.",
       {.default_text = "4MiB"}},
  };
}

std::vector<KeyRow> FormatKeys() {
  return {
      {S::kFormat, "avro", K::kSection, "Avro records.", {.inner = S::kAvro}},
      {S::kFormat, "protobuf", K::kSection, "Protobuf messages.", {.inner = S::kProtobuf}},
      {S::kAvro, "registry", K::kText,
       "URL of the schema registry: records begin with a schema's id. May hold `USER:PASSWORD@`."},
      {S::kAvro, "schema", K::kText,
       "In place of `registry`: file with the schema of the records, which are nothing but Avro."},
      {S::kAvro, "reader", K::kText,
       "File, or URL in a registry, of the schema whose defaults and aliases count."},
      {S::kAvro, "user", K::kText, "For the registry."},
      {S::kAvro, "password", K::kText, "For the registry."},
      {S::kAvro, "ca", K::kText,
       "File with the certificates to trust for the registry; absent: the system's."},
      {S::kProtobuf, "registry", K::kText,
       "URL of the schema registry: records begin with a schema's id and their message's place."},
      {S::kProtobuf, "descriptors", K::kText,
       "In place of `registry`: file with a descriptor set."},
      {S::kProtobuf, "message", K::kText,
       "Full name of the message; absent: the descriptor set's only one, or what records say."},
      {S::kProtobuf, "user", K::kText, "For the registry."},
      {S::kProtobuf, "password", K::kText, "For the registry."},
      {S::kProtobuf, "ca", K::kText,
       "File with the certificates to trust for the registry; absent: the system's."},
  };
}

std::vector<KeyRow> TimeKeys() {
  return {
      {S::kEventTime, "field", K::kText, "Field that holds the time.", {.default_text = "ts"}},
      {S::kEventTime,
       "unit",
       K::kWord,
       "Of a number in `field`.",
       {.default_text = "ms", .words = "s ms us ns rfc3339"}},
      {S::kEventTime, "cel", K::kExpression, "The time as an expression, in place of `field`."},

      {S::kWatermark,
       "bounded",
       K::kDuration,
       "How far behind the newest event of its partition an event may be before it is late.",
       {.default_text = "0s", .takes_zero = true}},
      {S::kWatermark,
       "monotonic",
       K::kBool,
       "Events of a partition are in order; in place of `bounded`.",
       {.default_text = "false"}},
      {S::kWatermark, "punctuated", K::kExpression,
       "Events for which this is true move time to theirs; in place of `bounded`."},
      {S::kWatermark,
       "idle_after",
       K::kDuration,
       "A partition silent for this long no longer holds time back.",
       {.default_text = "30s"}},
      {S::kWatermark, "idle_advance", K::kBool,
       "Time goes on with the clock while all partitions are silent; absent: where a rule waits "
       "for the absence of an event or reports timeouts."},
      {S::kWatermark, "max_ahead", K::kDuration,
       "A partition this far ahead of the slowest waits; absent: 10 s more than the bound."},
      {S::kWatermark,
       "max_future",
       K::kDuration,
       "Events this far ahead of the clock are quarantined.",
       {.default_text = "1m"}},
  };
}

std::vector<KeyRow> SinkKeys() {
  return {
      {S::kSink, "kafka", K::kSection, "A topic of Kafka.", {.inner = S::kKafkaSink}},
      {S::kSink, "file", K::kTextOrSection, "A file of JSON lines.", {.inner = S::kFileSink}},
      {S::kSink, "stdout", K::kSection, "Standard output.", {.inner = S::kStdoutSink}},
      {S::kSink, "name", K::kText,
       "Names the sink's position in the stream of alerts; absent: its kind and target."},
      {S::kSink,
       "delivery",
       K::kWord,
       "`immediate`: before the commit, which a crash may repeat.",
       {.default_text = "committed", .words = "committed immediate"}},

      {S::kSink,
       "buffer",
       K::kBytes,
       "Records that wait for the sink may take so much.",
       {.default_text = "16MiB"}},
      {S::kSink,
       "on_full",
       K::kWord,
       "With the buffer full: `block`, nothing more is read until there is room; `drop`, new "
       "records are dropped and counted.",
       {.default_text = "block", .words = "block drop"}},

      {S::kKafkaSink, "topic", K::kText, "The topic.", {.is_required = true}},
      {S::kKafkaSink, "key", K::kText, "The field of the alert's key that keys the message."},
      {S::kKafkaSink, "brokers", K::kText, "Absent: those of the source, if there is one."},
      {S::kKafkaSink, "properties", K::kScalars, "Further properties of librdkafka."},

      {S::kFileSink, "path", K::kText, "The file; it is appended to.", {.is_required = true}},
      {S::kFileSink,
       "rotate",
       K::kSection,
       "When the file is set aside as `PATH.YYYYMMDDTHHMMSSZ`.",
       {.inner = S::kRotate}},
      {S::kRotate, "size", K::kBytes, "When it has reached this size."},
      {S::kRotate, "every", K::kDuration, "So long after its first record."},
      {S::kRotate,
       "keep",
       K::kCount,
       "How many files set aside are kept; absent: all.",
       {.min = 1, .max = 100'000}},

      {S::kStdoutSink,
       "format",
       K::kWord,
       "JSON lines, or text for people.",
       {.default_text = "json", .words = "json text"}},
  };
}

std::vector<KeyRow> StateKeys() {
  return {
      {S::kState, "path", K::kText, "The folder.", {.is_required = true}},
      {S::kState,
       "commit_interval",
       K::kDuration,
       "Between two commits.",
       {.default_text = "200ms"}},
      {S::kState,
       "min_pause",
       K::kDuration,
       "Between the end of a commit and the next one's begin.",
       {.default_text = "0s"}},
      {S::kState,
       "commit_timeout",
       K::kDuration,
       "A commit that is not written after so long ends the job: the disk does not answer.",
       {.default_text = "10m"}},
      {S::kState,
       "outbox",
       K::kBytes,
       "Records that sinks have not taken yet may take so much; then `on_full` of the sinks "
       "decides.",
       {.default_text = "1GiB"}},
      {S::kState,
       "rocksdb",
       K::kSection,
       "How RocksDB keeps what is in it.",
       {.inner = S::kRocksDb}},
      {S::kState, "checkpoints", K::kSection, "Copies to go back to.", {.inner = S::kCheckpoints}},
      {S::kState, "memory", K::kBytes,
       "State may take so much memory; keys above it that no event came to lately are on disk "
       "only, and are read back when one comes. Without it all of it stays in memory."},

      {S::kCheckpoints, "every", K::kDuration, "Between two checkpoints.", {.default_text = "1m"}},
      {S::kCheckpoints,
       "keep",
       K::kCount,
       "How many are kept.",
       {.default_text = "3", .min = 1, .max = 1000}},

      {S::kRocksDb,
       "cache",
       K::kBytes,
       "Blocks that were read are kept in so much memory.",
       {.default_text = "64MiB"}},
      {S::kRocksDb,
       "write_buffer",
       K::kBytes,
       "What was written (the outbox, the journal) is in memory up to this size, before it goes to "
       "files.",
       {.default_text = "32MiB"}},
      {S::kRocksDb,
       "compression",
       K::kWord,
       "Of its files. Open matches are in files beside them (`chunks/`), as they are.",
       {.default_text = "lz4", .words = "none lz4 zstd"}},

      {S::kHttp,
       "listen",
       K::kAddress,
       "Address and port; port 0 is any free one.",
       {.is_required = true}},
      {S::kHttp,
       "allow_public",
       K::kBool,
       "Listen on an address that other machines reach, although without `tls` nothing is "
       "encrypted.",
       {.default_text = "false"}},
      {S::kHttp, "read_token", K::kText, "Bearer token for reading; without one reading is open."},
      {S::kHttp, "operate_token", K::kText,
       "Bearer token for operating (and reading); without one operating is off."},
      {S::kHttp, "tls", K::kSection, "HTTPS in place of HTTP.", {.inner = S::kTls}},

      {S::kTls,
       "certificate",
       K::kText,
       "PEM file with the server's certificate, and behind it those that lead to a known one.",
       {.is_required = true}},
      {S::kTls,
       "key",
       K::kText,
       "PEM file with its key, without a passphrase.",
       {.is_required = true}},
  };
}

std::vector<KeyRow> AllKeys() {
  std::vector<KeyRow> keys;
  for (const auto part :
       {FileKeys, SourceKeys, ListenKeys, FormatKeys, TimeKeys, SinkKeys, StateKeys}) {
    for (const KeyRow& row : part()) keys.push_back(row);
  }
  return keys;
}

std::vector<SectionRow> Sections() {
  return {
      {S::kFile, "file", "The configuration", "a configuration"},
      {S::kRuleTopic, "rule_topic", "`rules` in a topic", "`rules`"},
      {S::kSource, "source", "A source", "a source"},
      {S::kKafkaSource, "kafka_source", "A source's `kafka`", "a source's `kafka`"},
      {S::kKafkaStart, "kafka_start", "`start` at a time", "`start`"},
      {S::kFileSource, "file_source", "A source's `file`", "a source's `file`"},
      {S::kTcpSource, "tcp_source", "A source's `tcp`", "a source's `tcp`"},
      {S::kHttpSource, "http_source", "A source's `http`", "a source's `http`"},
      {S::kFormat, "format", "A `format` with options", "a `format`"},
      {S::kAvro, "avro", "`avro`", "`avro`"},
      {S::kProtobuf, "protobuf", "`protobuf`", "`protobuf`"},
      {S::kEventTime, "event_time", "`event_time`", "`event_time`"},
      {S::kWatermark, "watermark", "`watermark`", "`watermark`"},
      {S::kSink, "sink", "A sink of an output", "a sink"},
      {S::kKafkaSink, "kafka_sink", "A sink's `kafka`", "a sink's `kafka`"},
      {S::kFileSink, "file_sink", "A sink's `file`", "a sink's `file`"},
      {S::kRotate, "rotate", "`rotate`", "`rotate`"},
      {S::kStdoutSink, "stdout_sink", "A sink's `stdout`", "a sink's `stdout`"},
      {S::kState, "state", "`state`", "`state`"},
      {S::kCheckpoints, "checkpoints", "`checkpoints`", "`checkpoints`"},
      {S::kRocksDb, "rocksdb", "`rocksdb`", "`rocksdb`"},
      {S::kHttp, "http", "`http`", "`http`"},
      {S::kTls, "tls", "`tls`", "`tls`"},
  };
}

}  // namespace

const rules::Vocabulary& ConfigLanguage() {
  static const rules::Vocabulary kLanguage(Sections(), AllKeys());
  return kLanguage;
}

std::string ConfigReferenceMarkdown() { return rules::KeysMarkdown(ConfigLanguage()); }

}  // namespace vigil::daemon
