// vigil.yaml: what is read, what is refused and how, what is put in, and the reference.
#include "daemon/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "daemon/config_table.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

namespace fs = std::filesystem;
using vigil::testing::ReadFile;
using vigil::testing::TempDir;

constexpr const char* kGuide = "docs/operations.md";
constexpr const char* kReferenceBegin = "<!-- Made from daemon/config_table.cc. -->\n\n";
constexpr const char* kReferenceEnd = "<!-- Its end. -->\n";

// A configuration in a folder that also holds rules/, schema.yaml and a secret.
struct Files {
  explicit Files(const std::string& text) : path(dir.Write("vigil.yaml", text)) {
    dir.Write("rules.yaml", "version: 1\n");
    dir.Write("schema.yaml", "fields: {ts: int}\n");
    dir.Write("secret", "hunter2\n");
    setenv("VIGIL_TEST_SECRET", "hunter2", 1);
    unsetenv("VIGIL_TEST_UNSET");
  }
  TempDir dir;
  std::string path;
};

// One line for each diagnostic: place, code, message, and the hint in brackets.
std::string Refusals(const std::string& text) {
  const Files files(text);
  std::string out;
  for (const rules::Diagnostic& d : LoadConfig(files.path).diagnostics) {
    out += std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.code + " " +
           d.message + (d.hint.empty() ? "" : " [" + d.hint + "]") + "\n";
  }
  return out;
}

TEST_CASE("Config: rules in a topic, and a certificate", "[daemon][unit]") {
  const Files files(R"(
rules: { topic: fraud-rules, properties: { fetch.wait.max.ms: 10 } }
sources:
  a:
    kafka:
      { brokers: "b:1", topics: [t],
        properties: { security.protocol: ssl, ssl.ca.location: ca, fetch.min.bytes: 1 } }
http: { listen: "0.0.0.0:8443", tls: { certificate: rules.yaml, key: schema.yaml } }
)");
  const ConfigResult result = LoadConfig(files.path);
  for (const rules::Diagnostic& d : result.diagnostics) UNSCOPED_INFO(FormatText(d));
  REQUIRE(result.diagnostics.empty());
  const Config& config = result.config;
  CHECK(config.rules.empty());
  REQUIRE(config.rule_topic.has_value());
  RuleTopicConfig topic = *config.rule_topic;
  CHECK(topic.topic == "fraud-rules");
  CHECK(topic.brokers.empty());
  config.UseSourceAccess(&topic.brokers, &topic.properties);
  CHECK(topic.brokers == "b:1");
  CHECK(topic.properties == std::map<std::string, std::string>{{"fetch.wait.max.ms", "10"},
                                                               {"security.protocol", "ssl"},
                                                               {"ssl.ca.location", "ca"}});
  CHECK(config.http->certificate == files.dir.Path("rules.yaml"));
  CHECK(config.http->key == files.dir.Path("schema.yaml"));
  CHECK(Refusals("rules: {}\n") == "1:8 V0105 `rules` needs the key `topic`\n");
  CHECK(Refusals("http: { listen: \"h:1\", tls: { certificate: rules.yaml } }\n") ==
        "1:29 V0105 `tls` needs the key `key`\n");
  CHECK(Refusals("http: { listen: \"h:1\", tls: { certificate: none.pem, key: rules.yaml } }\n") ==
        "1:44 V0001 there is no such file or folder\n");
}

TEST_CASE("Config: everything that the design shows is read", "[daemon][unit]") {
  const Files files(R"(
name: fraud-prod
rules: [rules.yaml]
schema: schema.yaml
sources:
  transactions:
    kafka:
      { brokers: "127.0.0.1:9092,[::1]:9093", topics: [a, b], start: latest, stop: end,
        drain: false, properties: { fetch.min.bytes: 65536 } }
    format: [{avro: {registry: "http://r"}}, {protobuf: {descriptors: d.pb, message: M}}, json]
    event_time: { field: at, unit: us }
    watermark: { bounded: 2s, idle_after: 10s, idle_advance: true, max_ahead: 1m, max_future: 5m }
    strict: true
    id: transaction_id
  since:
    kafka: { brokers: "b:1", topics: ["^tx-.*"], start: { timestamp: "2026-01-31T00:00:00Z" } }
  recorded: { file: old.jsonl, event_time: kafka, watermark: { monotonic: true } }
outputs:
  alerts: [{ kafka: { topic: alerts, key: account } }, { file: { path: alerts.jsonl } }]
  late: [{ file: late.jsonl, name: x, delivery: immediate }, { stdout: { format: text } }]
  audit:
    - file:
        { path: audit.jsonl, rotate: { size: 10MiB, every: 1h, keep: 3 } }
      buffer: 1MiB
      on_full: drop
state: { path: state/, commit_interval: 50ms, checkpoints: { every: 5m, keep: 7 }, memory: 2GiB }
http: { listen: "127.0.0.1:0" }
shards: 2
)");
  const ConfigResult result = LoadConfig(files.path);
  for (const rules::Diagnostic& d : result.diagnostics) UNSCOPED_INFO(FormatText(d));
  REQUIRE(result.diagnostics.empty());
  const Config& config = result.config;
  CHECK(config.name == "fraud-prod");
  CHECK(config.rules == std::vector<std::string>{files.dir.Path("rules.yaml")});
  CHECK(config.schema == files.dir.Path("schema.yaml"));
  CHECK(config.shards == 2u);
  const SinkConfig& audit = config.outputs.at("audit")[0];
  CHECK(audit.rotate_bytes == 10u << 20);
  CHECK(audit.rotate_every_ms == 3'600'000);
  CHECK(audit.rotate_keep == 3);
  CHECK(audit.buffer_bytes == 1u << 20);
  CHECK(audit.drops_when_full);
  CHECK(config.OutputNames() ==
        std::vector<std::string>{"alerts", "audit", "errors", "late", "metrics"});

  REQUIRE(config.sources.size() == 3);
  const SourceConfig& source = config.sources[0];
  CHECK(source.kafka->brokers == "127.0.0.1:9092,[::1]:9093");
  CHECK(source.kafka->topics == std::vector<std::string>{"a", "b"});
  CHECK(source.kafka->start == StartAt::kLatest);
  CHECK((source.kafka->stop_at_end && !source.kafka->drain));
  CHECK(source.kafka->properties.at("fetch.min.bytes") == "65536");
  REQUIRE(source.formats.size() == 3);
  CHECK(source.formats[0].registry == "http://r");
  CHECK(source.formats[1].descriptors == files.dir.Path("d.pb"));
  CHECK(source.formats[2].kind == FormatConfig::Kind::kJson);
  CHECK(source.event_time.field.field == "at");
  CHECK(source.event_time.field.unit == ingest::TimeUnit::kMicros);
  CHECK(source.watermark.bound_ms == 2000);
  CHECK(source.watermark.max_ahead_ms == 60'000);
  CHECK((source.strict && source.id.text == "transaction_id"));
  CHECK(config.sources[1].kafka->start == StartAt::kTimestamp);
  CHECK(config.sources[1].kafka->start_ms == 1769817600000);
  CHECK(config.sources[2].file->folder == fs::path(files.path).parent_path());
  CHECK(config.sources[2].file->paths == std::vector<std::string>{"old.jsonl"});
  CHECK_FALSE(config.sources[2].file->stop_at_end);
  CHECK(config.sources[2].event_time.kind == EventTimeConfig::Kind::kKafka);
  CHECK(config.sources[2].watermark.kind == WatermarkConfig::Kind::kMonotonic);

  const std::vector<SinkConfig>& late = config.outputs.at("late");
  CHECK(late[0].path == files.dir.Path("late.jsonl"));
  CHECK((late[0].name == "x" && late[0].is_immediate));
  CHECK((late[1].kind == SinkConfig::Kind::kStdout && late[1].is_text));
  CHECK(config.outputs.at("alerts")[0].name == "kafka:alerts");
  CHECK(config.state->path == files.dir.Path("state/"));
  CHECK(config.state->checkpoints_kept == 7);
  CHECK(config.state->memory_bytes == uint64_t{2} << 30);
  CHECK((config.http->host == "127.0.0.1" && config.http->port == 0));
}

TEST_CASE("Config: what is wrong is said where it stands", "[daemon][unit]") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"nmae: x\n", "1:1 V0101 unknown key `nmae` [did you mean `name`?]\n"},
      {"mask: [card]\n",
       "1:1 V0115 `mask` is not supported yet: Sensitive fields, hidden on every way out.\n"},
      {"name: a b\nshards: 0\n",
       "1:7 V0120 `a b` cannot name a job [letters, digits, `_`, `.` and `-`]\n"
       "2:9 V0107 `shards` takes a whole number from 1 to 1024\n"},
      {"rules: [none/]\nschema: none.yaml\n",
       "1:9 V0001 there is no such file or folder\n2:9 V0001 there is no such file or folder\n"},
      {"sources: { a: { file: x.pb, format: { avro: { registry: \"ftp://r\" } } } }\n",
       "1:57 V0120 the registry's URL begins with neither http:// nor https://\n"},
      {"sources: { a: { file: x.pb, format: { avro: {} } } }\n",
       "1:45 V0105 the format has one of `registry` and `schema`\n"},
      {"sources: { a: { file: x.pb, format: { protobuf: { registry: \"http://r\", descriptors: d "
       "} } } }\n",
       "1:49 V0108 the format has one of `registry` and `descriptors`\n"},
      {"http: { listen: \"127.0.0.1:65536\" }\n",
       "1:17 V0120 `127.0.0.1:65536` is not an address for `listen` [such as `127.0.0.1:8080` or "
       "`[::1]:8080`; ports are 0 to 65535]\n"},
      {"http: { listen: 8080 }\n",
       "1:17 V0120 `8080` is not an address for `listen` [such as `127.0.0.1:8080` or "
       "`[::1]:8080`; ports are 0 to 65535]\n"},
      {"state: { commit_interval: 0s, memory: lots }\n",
       "1:8 V0105 `state` needs the key `path`\n"
       "1:27 V0106 `0s` is not a duration for `commit_interval`: it has to be more than nothing "
       "[such as `500ms`, `10s`, `5m`, `1h`, `2d`]\n"
       "1:39 V0120 `lots` is not a size for `memory` [such as `512MiB` or `4GiB`, up to "
       "1024TiB]\n"},
      {"state: { path: s, memory: 18446744073709551616 }\n",
       "1:27 V0120 `18446744073709551616` is not a size for `memory` [such as `512MiB` or `4GiB`, "
       "up to 1024TiB]\n"},
  }));
  CHECK(Refusals(text) == expected);
}

TEST_CASE("Config: sources are refused where they are wrong", "[daemon][unit]") {
  const std::string kafka = "sources:\n s:\n  kafka: { brokers: \"b:1\", topics: t }\n";
  const auto [text, expected] = GENERATE_COPY(table<std::string, std::string>({
      {"sources: { s: {} }\n",
       "1:15 V0105 a source has one of `kafka`, `file`, `tcp` and `http`\n"},
      {"sources: { s: { kafka: {}, file: f } }\n",
       "1:15 V0108 a source has one of `kafka`, `file`, `tcp` and `http`\n"
       "1:24 V0105 a source's `kafka` needs the key `brokers`\n"
       "1:24 V0105 a source's `kafka` needs the key `topics`\n"},
      {"sources: { \"s/1\": { file: \"\" } }\n",
       "1:12 V0120 `s/1` cannot name a source [letters, digits, `_`, `.` and `-`]\n"
       "1:27 V0103 `file` takes text, this is empty\n"},
      {"sources: { s: { kafka: { brokers: \"a:1, b\", topics: [] } } }\n",
       "1:35 V0120 `a:1, b` is not a list of addresses for `brokers` [such as "
       "`kafka-1:9092,kafka-2:9092`]\n"
       "1:53 V0103 the list of `topics` is empty\n"},
      {"sources: { s: { kafka: { brokers: \"a:1\", topics: t, drain: true, start: now,\n"
       " properties: { x: [1] } } } }\n",
       "1:53 V0108 `drain` says what happens at the end, and there is no `stop: end`\n"
       "1:73 V0104 `now` is not a value of `start` [one of earliest, latest, committed]\n"
       "2:19 V0103 the property `x` takes a single value, this is a list\n"},
      {kafka + "  format: jsn\n",
       "4:11 V0104 `jsn` is not a value of `format` [did you mean `json`?]\n"},
      {kafka + "  format: [json, [csv], { avro: {}, protobuf: {} }, {}]\n",
       "4:18 V0103 the elements of `format` are words, this is a list\n"
       "4:25 V0108 a `format` has one of `avro` and `protobuf`\n"
       "4:53 V0105 a `format` has one of `avro` and `protobuf`\n"},
      {kafka + "  event_time: { field: ts, cel: \"a +\" }\n",
       "4:17 V0108 `event_time` has `cel` or `field`, not both\n"
       "4:37 V0201 the expression ends where an expression is expected\n"},
      {kafka + "  event_time: { unit: min }\n",
       "4:23 V0104 `min` is not a value of `unit` [did you mean `ms`?]\n"},
      {kafka + "  watermark: { bounded: 2, monotonic: true }\n",
       "4:25 V0106 `2` is not a duration for `bounded`: the unit is missing [such as `500ms`, "
       "`10s`, `5m`, `1h`, `2d`]\n"
       "4:28 V0108 `watermark` has one of `bounded`, `monotonic` and `punctuated`\n"},
  }));
  CHECK(Refusals(text) == expected);
}

TEST_CASE("Config: outputs are refused where they are wrong", "[daemon][unit]") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"outputs: { a: { file: x } }\n",
       "1:15 V0103 the output `a` takes a list of sinks, this is a mapping\n"},
      {"outputs: { a: [{}, { file: x, stdout: {} }] }\n",
       "1:16 V0105 a sink has one of `kafka`, `file` and `stdout`\n"
       "1:20 V0108 a sink has one of `kafka`, `file` and `stdout`\n"},
      {"outputs: { a: [{ file: x }, { file: { path: x } }] }\n",
       "1:29 V0108 an output has two sinks of the same name [a sink's name is its `name`, else its "
       "kind and target]\n"},
      {"outputs: { a: [{ kafka: { key: k }, delivery: now }] }\n",
       "1:25 V0105 a sink's `kafka` needs the key `topic`\n"
       "1:47 V0104 `now` is not a value of `delivery` [one of committed, immediate]\n"},
  }));
  CHECK(Refusals(text) == expected);
}

TEST_CASE("Config: variables and files are put in", "[daemon][unit]") {
  const Files files(
      "name: x-${env:VIGIL_TEST_SECRET}\n"
      "sources:\n  s:\n    kafka:\n      brokers: b:1\n      topics: [t]\n"
      "      properties:\n        sasl.password: ${file:secret}\n        plain: $${env:X}\n");
  const ConfigResult result = LoadConfig(files.path);
  REQUIRE(result.diagnostics.empty());
  CHECK(result.config.name == "x-hunter2");
  const auto& properties = result.config.sources[0].kafka->properties;
  CHECK(properties.at("sasl.password") == "hunter2");
  CHECK(properties.at("plain") == "${env:X}");
}

TEST_CASE("Config: what cannot be put in is said at its place", "[daemon][unit]") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"name: \"a-${env:VIGIL_TEST_UNSET}\"\n",
       "1:10 V0119 the environment variable `VIGIL_TEST_UNSET` is not set\n"},
      {"schema: ${file:none}\n", "1:9 V0119 the file `none` cannot be read\n"},
      {"schema: ${home}\n",
       "1:9 V0119 `${home}` stands for nothing [`${env:NAME}`, `${file:PATH}`, or `$${` for the "
       "characters `${`]\n"},
      {"schema: ${env:X\n", "1:9 V0119 `${env:X` has no end [close it with `}`]\n"},
  }));
  CHECK(Refusals(text) == expected);
}

TEST_CASE("Config: what was put in is never shown", "[daemon][unit]") {
  const std::string secret = "${env:VIGIL_TEST_SECRET}";
  const std::string text =
      "name: \"" + secret + "!\"\nschema: " + secret + "\nrules: [\"" + secret + "\", \"" + secret +
      "\"]\nshards: " + secret + "\nsources:\n s:\n  kafka:\n   brokers: " + secret +
      "\n   topics: t\n   start: " + secret + "\n  event_time: { cel: \"" + secret +
      " +\" }\n  watermark: { bounded: \"" + secret + "\" }\nstate: { path: s, memory: \"" +
      secret + "\" }\nhttp: { listen: \"" + secret + "\" }\n";
  const Files files(text);
  const ConfigResult result = LoadConfig(files.path);
  CHECK(result.diagnostics.size() == 11);
  for (const rules::Diagnostic& d : result.diagnostics) {
    CHECK_THAT(FormatText(d), !Catch::Contains("hunter2"));
  }
}

TEST_CASE("Config: a file that cannot be read is a diagnostic", "[daemon][unit]") {
  const ConfigResult result = LoadConfig("no/such/vigil.yaml");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].code == "V0001");
  CHECK_FALSE(result.is_read);
}

TEST_CASE("Operations: the reference of the configuration is what the table says",
          "[daemon][unit]") {
  const std::string guide = ReadFile(kGuide);
  size_t begin = guide.find(kReferenceBegin);
  const size_t end = guide.find(kReferenceEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  begin += std::string(kReferenceBegin).size();
  if (std::getenv("VIGIL_UPDATE_EXPECTED") != nullptr) {
    std::ofstream(kGuide, std::ios::binary)
        << guide.substr(0, begin) << ConfigReferenceMarkdown() << guide.substr(end);
    return;
  }
  INFO("run this test with VIGIL_UPDATE_EXPECTED=1 to write it anew");
  CHECK(guide.substr(begin, end - begin) == ConfigReferenceMarkdown());
}

}  // namespace
}  // namespace vigil::daemon
