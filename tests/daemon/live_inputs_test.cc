// `vigil run` over what is not Kafka: the alerts of a replay, ledgers that close, what is refused.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <signal.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/ingest/avro_support.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

namespace fs = std::filesystem;
using testing::BackgroundProcess;
using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

constexpr const char* kRules = R"(version: 1
rules:
  - rule: two-in-a-row
    key: k
    pattern: [{ begin: first, where: n == 1 }, { next: second, where: n == 2 }]
    within: 10s
    alert: { summary: "${k}" }
)";
constexpr const char* kSchema = "fields: { ts: int, k: string, n: int }\n";

bool WaitFor(double seconds, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

size_t CountLines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The number behind `name=` in the daemon's closing line; -1 if there is none.
int64_t Total(const std::string& log, const std::string& name) {
  const size_t line = log.find(" info done ");
  const size_t at = line == std::string::npos ? line : log.find(" " + name + "=", line);
  return at == std::string::npos ? -1 : std::stoll(log.substr(at + name.size() + 2));
}

void CheckLedger(const std::string& log, int64_t read) {
  INFO(log);
  CHECK(Total(log, "read") == read);
  CHECK(Total(log, "processed") + Total(log, "late") + Total(log, "quarantined") +
            Total(log, "waiting") ==
        read);
  CHECK(Total(log, "lost") == 0);
}

// A folder with rules, a schema and a configuration whose source is given, and its daemon.
class Job {
 public:
  explicit Job(const std::string& source) {
    dir.Write("rules.yaml", kRules);
    dir.Write("schema.yaml", kSchema);
    config = dir.Write("vigil.yaml",
                       "rules: rules.yaml\nschema: schema.yaml\nsources:\n  s:\n    " + source + R"(
outputs:
  alerts: [{ file: alerts.jsonl }]
  errors: [{ file: errors.jsonl }]
)");
  }
  void Start() {
    process = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{VigilBinary(), "run", "-c", config}, dir.Path("out"),
        dir.Path("log"));
  }
  std::string File(const std::string& name) const { return ReadFile(dir.Path(name)); }
  void Append(const std::string& name, const std::string& text) const {
    std::ofstream(dir.Path(name), std::ios::app | std::ios::binary) << text;
  }
  bool WaitForAlerts(size_t count) const {
    return WaitFor(20, [&] { return CountLines(File("alerts.jsonl")) >= count; });
  }
  // Its log, once it has ended.
  std::string Stop() {
    process->Signal(SIGTERM);
    CHECK(process->Wait(20) == 0);
    return File("log");
  }

  TempDir dir;
  std::string config;
  std::unique_ptr<BackgroundProcess> process;
};

std::string Event(int64_t ts, const std::string& key, int n) {
  return "{\"ts\":" + std::to_string(ts) + ",\"k\":\"" + key + "\",\"n\":" + std::to_string(n) +
         "}\n";
}

// Pairs that match, one a second, from `second` on.
std::string Pairs(int second, int count) {
  std::string text;
  for (int i = second; i < second + count; ++i) {
    const std::string key = "k" + std::to_string(i);
    text += Event(1000 * i, key, 1) + Event(1000 * i + 1, key, 2);
  }
  return text;
}

// `rule at key` of each alert.
std::vector<std::string> AlertsOf(const std::string& text) {
  simdjson::dom::parser parser;
  std::vector<std::string> alerts;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const simdjson::padded_string padded(line);
    const simdjson::dom::element alert = parser.parse(padded);
    alerts.push_back(std::string(std::string_view(alert["rule"])) + " " +
                     std::to_string(int64_t(alert["at"])) + " " +
                     std::string(std::string_view(alert["key"]["k"])));
  }
  return alerts;
}

TEST_CASE("Run: a file that grows and is rotated gives the alerts of a replay", "[daemon]") {
  Job job("file: events.log");
  job.Append("events.log", Pairs(0, 100));
  job.Start();
  REQUIRE(job.WaitForAlerts(99));
  // One pair lies across the rotation.
  job.Append("events.log", Event(100'000, "across", 1));
  fs::rename(job.dir.Path("events.log"), job.dir.Path("events.1"));
  job.Append("events.log", Event(100'001, "across", 2) + "{broken\n" + Pairs(101, 100));
  REQUIRE(job.WaitForAlerts(200));
  const std::string log = job.Stop();
  CheckLedger(log, 403);
  CHECK(Total(log, "quarantined") == 1);
  CHECK(job.File("errors.jsonl").find("events.log/0") != std::string::npos);

  const std::string both =
      job.dir.Write("both.jsonl", job.File("events.1") + job.File("events.log"));
  const ProcessResult replay =
      RunProcess({VigilBinary(), "replay", "-r", job.dir.Path("rules.yaml"), "--schema",
                  job.dir.Path("schema.yaml"), "-o", job.dir.Path("replayed.jsonl"), both});
  INFO(replay.err);
  REQUIRE(replay.exit_code == 0);
  std::string replayed;
  std::istringstream in(job.File("replayed.jsonl"));
  for (std::string line; std::getline(in, line);) {
    if (line.find("\"kind\":\"match\"") != std::string::npos) replayed += line + "\n";
  }
  std::vector<std::string> expected = AlertsOf(replayed);
  // The last event's own time is not passed by any other; it waits.
  REQUIRE(expected.size() == 201);
  expected.pop_back();
  CHECK(AlertsOf(job.File("alerts.jsonl")) == expected);
}

TEST_CASE("Run: files are read to their end with `stop: end`, each a partition", "[daemon]") {
  Job job(
      "file: { path: ['*.jsonl', more/x.jsonl.gz], stop: end }\n    watermark: { bounded: 1s }");
  fs::create_directory(job.dir.Path("more"));
  job.Append("a.jsonl", Pairs(0, 500));
  job.Append("b.jsonl", Pairs(200, 500));
  job.Append("more/x.jsonl", Pairs(400, 500));
  RunProcess({"gzip", job.dir.Path("more/x.jsonl")});
  job.Start();
  REQUIRE(job.process->Wait(30) == 0);
  CheckLedger(job.File("log"), 3000);
  CHECK(Total(job.File("log"), "late") == 0);
  // Keys that come in two files at the same times match by the order of partitions.
  CHECK(CountLines(job.File("alerts.jsonl")) >= 900);
}

TEST_CASE("Run: length-delimited Protobuf and CSV files", "[daemon]") {
  SECTION("CSV, by its name") {
    Job job("file: { path: events.csv, stop: end }");
    job.Append("events.csv", "k,n,ts\na,1,1000\na,2,1001\na,2\n");
    job.Start();
    REQUIRE(job.process->Wait(30) == 0);
    CheckLedger(job.File("log"), 3);
    CHECK(AlertsOf(job.File("alerts.jsonl")) == std::vector<std::string>{"two-in-a-row 1001 a"});
  }
  SECTION("Protobuf") {
    Job job(
        "{ file: { path: events.bin, stop: end }, format: { protobuf: { descriptors: e.desc } } }");
    job.dir.Write("e.proto",
                  "syntax = \"proto3\";\nmessage E { int64 ts = 1; string k = 2; int64 n = 3; }\n");
    REQUIRE(RunProcess({"protoc", "-I", job.dir.Path(""), "--descriptor_set_out",
                        job.dir.Path("e.desc"), job.dir.Path("e.proto")})
                .exit_code == 0);
    const auto record = [](int ts, int n) {
      std::string m = "\x08";
      m += static_cast<char>(ts);
      m += std::string("\x12\x01") + "a\x18" + static_cast<char>(n);
      return static_cast<char>(m.size()) + m;
    };
    job.Append("events.bin", record(10, 1) + record(11, 2) + "\x03\xFF\xFF\xFF" + record(12, 1));
    job.Start();
    REQUIRE(job.process->Wait(30) == 0);
    CheckLedger(job.File("log"), 4);
    CHECK(Total(job.File("log"), "quarantined") == 1);
    CHECK(AlertsOf(job.File("alerts.jsonl")) == std::vector<std::string>{"two-in-a-row 11 a"});
  }
}

TEST_CASE("Run: time, watermark and id may be expressions, as in a replay", "[daemon]") {
  Job job(R"({ file: { path: events.jsonl, stop: end }, event_time: { cel: sec * 1000 },
       watermark: { punctuated: n == 9 }, id: tx })");
  job.dir.Write("schema.yaml", "fields: { sec: int, k: string, n: int, tx: int }\n");
  job.Append("events.jsonl", R"({"sec":2,"k":"a","n":2,"tx":8}
{"sec":1,"k":"a","n":1,"tx":7}
{"k":"a","n":1}
{"sec":3,"k":"m","n":9}
{"sec":2,"k":"a","n":1}
)");
  job.Start();
  REQUIRE(job.process->Wait(30) == 0);
  CheckLedger(job.File("log"), 5);
  CHECK(Total(job.File("log"), "late") == 1);
  CHECK(Total(job.File("log"), "quarantined") == 1);
  const std::string alerts = job.File("alerts.jsonl");
  CHECK(AlertsOf(alerts) == std::vector<std::string>{"two-in-a-row 2000 a"});
  CHECK(alerts.find(R"("ids":{"first":[7],"second":[8]})") != std::string::npos);
  const ProcessResult replay = RunProcess({VigilBinary(), "replay", "-c", job.config, "-o",
                                           job.dir.Path("replayed"), job.dir.Path("events.jsonl")});
  INFO(replay.err);
  REQUIRE(replay.exit_code == 0);
  const std::string id = alerts.substr(0, 40);
  CHECK(job.File("replayed").find(id) != std::string::npos);
}

TEST_CASE("Run: a reload keeps what a source says of its events, and rows that wait", "[daemon]") {
  Job job(R"({ file: events.csv, event_time: { cel: sec * 1000 }, watermark: { bounded: 5s },
       id: tx })");
  job.dir.Write("schema.yaml", "fields: { sec: int, k: string, n: int, tx: int, more: int }\n");
  job.Append("events.csv", "k,n,sec,tx,more\na,1,1,101,7\na,2,2,102,8\n");
  job.Start();
  REQUIRE(WaitFor(20, [&] { return job.File("log").find("reads it") != std::string::npos; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  // Reads a field that nothing has read so far: the rows that wait are decoded again.
  std::string rules = kRules;
  rules.replace(rules.find("n == 1"), 6, "more == 7");
  job.dir.Write("rules.yaml", rules);
  REQUIRE(WaitFor(20, [&] { return job.File("log").find("rules reloaded") != std::string::npos; }));
  job.Append("events.csv", "z,1,100,103,1\nbad,1\nz,1,,104,1\n");
  REQUIRE(job.WaitForAlerts(1));
  const std::string log = job.Stop();
  CheckLedger(log, 5);
  CHECK(Total(log, "quarantined") == 2);
  const std::string alerts = job.File("alerts.jsonl");
  CHECK(AlertsOf(alerts) == std::vector<std::string>{"two-in-a-row 2000 a"});
  CHECK(alerts.find(R"("ids":{"first":[101],"second":[102]})") != std::string::npos);
}

// The answer to GET `path` of the job's own HTTP address.
std::string Get(const Job& job, const std::string& path) {
  const std::string log = job.File("log");
  const size_t at = log.find("listening address=");
  if (at == std::string::npos) return "";
  const size_t begin = at + std::string("listening address=").size();
  const std::string address = log.substr(begin, log.find_first_of(" \n", begin) - begin);
  return RunProcess({"curl", "-s", "--max-time", "20", "http://" + address + path}).out;
}

TEST_CASE("Run: a former version of a rule finishes what it began, over restarts and kills",
          "[daemon]") {
  const std::string first = R"(version: 1
rules:
  - rule: pair
    key: k
    pattern: [{ begin: first, where: n == 1 }, { followed_by: second, where: n == 2 }]
    within: 10s
    on_change: drain
)";
  const std::string next = R"(version: 1
rules:
  - rule: pair
    key: k
    pattern: [{ begin: one, where: n == 1 }, { followed_by: two, where: n == 3 }]
    within: 10s
    on_change: drain
)";
  const auto of = [](int keys, int64_t ts, int n) {
    std::string text;
    for (int i = 0; i < keys; ++i) text += Event(ts + i, "k" + std::to_string(i), n);
    return text;
  };
  const auto has = [](const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
  };
  std::vector<std::string> alerts;
  for (const int shards : {1, 2, 7}) {
    INFO(shards);
    Job job(
        "file: events.jsonl\nstate: { path: state }\nhttp: { listen: '127.0.0.1:0' }\nshards: " +
        std::to_string(shards));
    job.dir.Write("rules.yaml", first);
    job.Append("events.jsonl", Event(900, "done", 1) + of(20, 1000, 1) + Event(1500, "done", 2) +
                                   Event(2000, "tick", 0));
    job.Start();
    REQUIRE(job.WaitForAlerts(1));
    job.dir.Write("rules.yaml", next);
    REQUIRE(WaitFor(20, [&] { return has(job.File("log"), "rules reloaded"); }));
    CHECK(has(job.File("log"), "verdict=drain"));
    const auto rules = [&] { return Get(job, "/v1/rules"); };
    CHECK(WaitFor(20, [&] { return has(rules(), "\"partial_matches\":20}]"); }));
    CHECK(has(Get(job, "/metrics"), "vigil_rule_draining_partial_matches{rule=\"pair\",rule_set="));
    // The former version takes the second events of some keys; no first ones, with which the new
    // version begins.
    job.Append("events.jsonl", of(10, 3000, 2) + of(20, 3500, 1) + Event(3600, "tick", 0));
    REQUIRE(job.WaitForAlerts(11));
    job.process->Signal(SIGKILL);
    job.process->Wait(20);
    job.Start();
    REQUIRE(WaitFor(20, [&] { return has(job.File("log"), "finishes what it began"); }));
    job.Append("events.jsonl", of(15, 4000, 2) + Event(4400, "tick", 0));
    REQUIRE(job.WaitForAlerts(16));
    CHECK(has(rules(), "\"partial_matches\":5}]"));
    job.Stop();
    job.Start();
    REQUIRE(WaitFor(20, [&] { return has(job.File("log"), "finishes what it began"); }));
    job.Append("events.jsonl", of(20, 4500, 2) + of(20, 5000, 3) + Event(30000, "tick", 0));
    const bool are_all_there = job.WaitForAlerts(41);
    INFO(job.File("log"));
    REQUIRE(are_all_there);
    REQUIRE(WaitFor(20, [&] { return has(job.File("log"), "has finished what it began"); }));
    CHECK(WaitFor(20, [&] { return has(rules(), "\"draining\":[]"); }));
    CHECK_FALSE(has(job.Stop(), "dropped"));
    alerts.push_back(job.File("alerts.jsonl"));
    CHECK(CountLines(alerts.back()) == 41);
  }
  CHECK(alerts[0] == alerts[1]);
  CHECK(alerts[0] == alerts[2]);
  // By the version that raised them: 21 and 20.
  std::map<std::string, int> by_version;
  std::istringstream lines(alerts[0]);
  for (std::string line; std::getline(lines, line);) {
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(line);
    const simdjson::dom::element alert = parser.parse(padded);
    const bool is_former = has(line, "\"events\":{\"first\"");
    ++by_version[std::string(std::string_view(alert["rule_set"])) + (is_former ? " first" : "")];
  }
  REQUIRE(by_version.size() == 2);
  for (const auto& [version, count] : by_version) {
    CHECK(count == (has(version, " first") ? 21 : 20));
  }
}

TEST_CASE("Run: Avro container files are read once, and a later run goes on with new ones",
          "[daemon]") {
  const auto write = [](const Job& job, const std::string& name, int second, int pairs) {
    std::string content;
    for (int i = second; i < second + pairs; ++i) {
      for (const int n : {1, 2}) {
        content += ingest::AvroLong(1000 * i + n) + ingest::AvroText("k" + std::to_string(i)) +
                   ingest::AvroLong(n);
      }
    }
    const std::string sync(16, 's');
    const std::string schema = R"({"type": "record", "name": "E", "fields": [
      {"name": "ts", "type": "long"}, {"name": "k", "type": "string"},
      {"name": "n", "type": "int"}]})";
    job.dir.Write(name, ingest::AvroHeader(schema, "zstandard", sync) +
                            ingest::AvroLong(2 * pairs) + ingest::AvroText(ingest::Zstd(content)) +
                            sync);
  };
  const auto keys_of = [](const std::string& alerts) {
    const std::vector<std::string> all = AlertsOf(alerts);
    return std::set<std::string>(all.begin(), all.end()).size();
  };
  Job job("{ file: { path: '*.avro', stop: never } }\nstate: { path: state }");
  write(job, "1.avro", 0, 20);
  job.Start();
  REQUIRE(job.WaitForAlerts(19));
  job.process->Signal(SIGKILL);
  job.process->Wait(20);
  write(job, "2.avro", 20, 30);
  job.Start();
  // The last event of all waits for time to pass it.
  REQUIRE(job.WaitForAlerts(49));
  const std::string log = job.Stop();
  CheckLedger(log, 100);
  CHECK(Total(log, "late") == 0);
  const std::string alerts = job.File("alerts.jsonl");
  CHECK(keys_of(alerts) == CountLines(alerts));
  CHECK(alerts.find("s/2.avro/0/") != std::string::npos);

  // Files that do not grow are a bounded run.
  Job bounded("{ file: { path: ['1.avro', '2.avro'] } }");
  write(bounded, "1.avro", 0, 20);
  write(bounded, "2.avro", 20, 30);
  bounded.Start();
  CHECK(bounded.process->Wait(20) == 0);
  CHECK(CountLines(bounded.File("alerts.jsonl")) == 50);
}

TEST_CASE("Run: what a file cannot be is refused before anything is read", "[daemon]") {
  const auto [source, exit_code, reason] = GENERATE(table<std::string, int, std::string>({
      {"{ file: events.avro, format: json }", 2, "events.avro: an Avro container file brings"},
      {"file: { path: [events.avro, more.jsonl] }", 2, "events.avro: an Avro container file"},
      {"file: { path: none.avro }", 3, "there is no file none.avro"},
      {"{ file: e.jsonl, event_time: kafka }", 2, "`event_time: kafka` is for a source"},
      {"file: { path: e.jsonl, drain: false }", 2, "there is no `stop: end`"},
      {"file: { path: missing.jsonl, stop: end }", 3, "there is no file missing.jsonl"},
      {"file: { path: damaged.gz }", 3, "damaged.gz"},
      {"tcp: { listen: '0.0.0.0:0' }", 2, "can be reached by other machines"},
      {"http: { listen: '0.0.0.0:0' }", 2, "can be reached by other machines"},
      {"{ tcp: { listen: '127.0.0.1:0' }, file: x }", 2, "a source has one of"},
  }));
  Job job(source);
  job.Append("damaged.gz", "\x1f\x8bnothing");
  job.Start();
  CHECK(job.process->Wait(20) == exit_code);
  INFO(job.File("log"));
  CHECK(job.File("log").find(reason) != std::string::npos);
}

// The port in the log's line that says where a source listens; 0 if there is none.
int PortOf(const Job& job) {
  const std::string log = job.File("log");
  const size_t at = log.find("listens on 127.0.0.1:");
  return at == std::string::npos ? 0 : std::stoi(log.substr(at + 21));
}

ProcessResult Post(const Job& job, const std::string& body, std::vector<std::string> more = {}) {
  std::vector<std::string> argv = {
      "curl",
      "-s",
      "--max-time",
      "20",
      "--data-binary",
      "@-",
      "http://127.0.0.1:" + std::to_string(PortOf(job)) + "/v1/events"};
  argv.insert(argv.end(), more.begin(), more.end());
  return RunProcess(argv, body);
}

TEST_CASE("Run: posted events are answered once their alerts are out", "[daemon]") {
  Job job("{ http: { listen: '127.0.0.1:0', token: secret }, watermark: { bounded: 0s } }");
  job.Start();
  REQUIRE(WaitFor(20, [&] { return PortOf(job) > 0; }));
  CHECK(Post(job, Pairs(0, 10)).out.find("a token is needed") != std::string::npos);
  const std::vector<std::string> token = {"-H", "Authorization: Bearer secret"};
  CHECK(Post(job, Pairs(0, 10), token).out ==
        "{\"read\":20,\"accepted\":20,\"late\":0,\"quarantined\":0}\n");
  // The last event waits for time to pass it.
  CHECK(CountLines(job.File("alerts.jsonl")) == 9);
  CHECK(Post(job, "bad\n" + Event(5, "late", 1) + Pairs(10, 1), token).out ==
        "{\"read\":4,\"accepted\":2,\"late\":1,\"quarantined\":1}\n");
  CHECK(CountLines(job.File("alerts.jsonl")) == 10);
  CheckLedger(job.Stop(), 24);
}

TEST_CASE("Run: lines over a connection", "[daemon]") {
  Job job("{ tcp: { listen: '127.0.0.1:0', record: 1KiB } }");
  job.Start();
  REQUIRE(WaitFor(20, [&] { return PortOf(job) > 0; }));
  const auto send = [&](const std::string& text) {
    job.dir.Write("sent", text);
    return RunProcess({"bash", "-c",
                       "cat " + job.dir.Path("sent") + " > /dev/tcp/127.0.0.1/" +
                           std::to_string(PortOf(job))})
        .exit_code;
  };
  CHECK(send(Pairs(0, 1000)) == 0);
  CHECK(job.WaitForAlerts(999));
  CHECK(send(std::string(5000, 'x') + "\n" + Pairs(1000, 10)) == 0);
  CHECK(job.WaitForAlerts(1009));
  CheckLedger(job.Stop(), 2021);
  CHECK(job.File("errors.jsonl").find("longer than allowed") != std::string::npos);
}

// `alert key` of each line, how often it is there.
std::map<std::string, int> KeysOf(const std::string& alerts) {
  std::map<std::string, int> keys;
  for (const std::string& alert : AlertsOf(alerts)) ++keys[alert.substr(alert.rfind(' ') + 1)];
  return keys;
}

constexpr const char* kEachRule = R"(version: 1
rules:
  - { rule: each, key: k, pattern: [{ begin: it, where: n == 1 }] }
)";

TEST_CASE("Run: what was answered is there once, whenever the daemon is killed", "[daemon][slow]") {
  const std::string format = GENERATE("json", "csv");
  const int shards = format == "csv" ? 2 : 1;
  Job job(
      "{ http: { listen: '127.0.0.1:0' }, format: " + format +
      ", watermark: { bounded: 5s } }\nstate: { path: state, commit_interval: 20ms }\nshards: " +
      std::to_string(shards));
  job.dir.Write("rules.yaml", kEachRule);
  std::set<std::string> answered;
  int64_t ts = 1'000'000;
  int posted = 0;
  const auto body_of = [&](int events, std::vector<std::string>* keys) {
    std::string body = format == "csv" ? "n,k,ts\n" : "";
    for (int i = 0; i < events; ++i) {
      const std::string key = "k" + std::to_string(posted++);
      keys->push_back(key);
      // Most of them are still waiting when they are answered, some out of order.
      const int64_t at = ts + (i % 3 == 1 ? -40 : i);
      body += format == "csv" ? "1," + key + "," + std::to_string(at) + "\n" : Event(at, key, 1);
    }
    ts += 100;
    return body;
  };
  const auto post = [&](int events) {
    std::vector<std::string> keys;
    const std::string answer = Post(job, body_of(events, &keys)).out;
    if (answer.find("\"accepted\":" + std::to_string(events) + ",") == std::string::npos) {
      return false;
    }
    answered.insert(keys.begin(), keys.end());
    return true;
  };
  for (int kill = 0; kill < 4; ++kill) {
    job.Start();
    REQUIRE(WaitFor(20, [&] { return PortOf(job) > 0; }));
    for (int i = 0; i < 3; ++i) CHECK(post(20));
    // Killed at any moment of the next ones.
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + 37 * kill));
      job.process->Signal(SIGKILL);
    });
    while (post(20)) {
    }
    killer.join();
    job.process->Wait(20);
  }
  job.Start();
  REQUIRE(WaitFor(20, [&] { return PortOf(job) > 0; }));
  // They wait on the disk, and are used as they were judged.
  ts += 3'600'000;
  CHECK(post(1));
  CHECK(answered.size() > 4 * 60);
  REQUIRE(
      WaitFor(20, [&] { return KeysOf(job.File("alerts.jsonl")).size() + 1 >= answered.size(); }));
  const std::string log = job.Stop();
  const std::map<std::string, int> keys = KeysOf(job.File("alerts.jsonl"));
  for (const auto& [key, count] : keys) {
    INFO(key);
    CHECK(count == 1);
  }
  size_t missing = 0;
  for (const std::string& key : answered) missing += 1 - keys.count(key);
  CHECK(missing == 1);  // the last one waits
  INFO(log);
  CHECK(Total(log, "read") >= static_cast<int64_t>(answered.size()));
  CHECK(Total(log, "read") == Total(log, "processed") + 1);
  CHECK(Total(log, "waiting") == 1);
  CHECK(Total(log, "lost") == 0);
}

TEST_CASE("Run: lines that wait outlive a kill and an edit of the rules", "[daemon]") {
  Job job(
      "{ tcp: { listen: '127.0.0.1:0' }, event_time: processing, watermark: { bounded: 1h } }\n"
      "state: { path: state, commit_interval: 20ms }");
  job.dir.Write("rules.yaml", kEachRule);
  const auto send = [&](int first, int count) {
    std::string text;
    for (int i = first; i < first + count; ++i) text += Event(0, "k" + std::to_string(i), 1);
    job.dir.Write("sent", text);
    CHECK(RunProcess({"bash", "-c",
                      "cat " + job.dir.Path("sent") + " > /dev/tcp/127.0.0.1/" +
                          std::to_string(PortOf(job))})
              .exit_code == 0);
  };
  const auto is_kept = [&](int rows) {
    const std::string stand =
        RunProcess({VigilBinary(), "state", "inspect", job.dir.Path("state")}).out;
    return stand.find("waiting " + std::to_string(rows) + "\n") != std::string::npos;
  };
  for (int run = 0; run < 3; ++run) {
    job.Start();
    REQUIRE(WaitFor(20, [&] { return PortOf(job) > 0; }));
    send(500 * run, 500);
    REQUIRE(WaitFor(20, [&] { return is_kept(500 * (run + 1)); }));
    job.process->Signal(SIGKILL);
    job.process->Wait(20);
  }
  // Other rules read another field of them; and time passes them all.
  std::string rules = kEachRule;
  rules.replace(rules.find("n == 1"), 6, "ts == 0");
  job.dir.Write("rules.yaml", rules);
  std::string config = job.File("vigil.yaml");
  config.replace(config.find("bounded: 1h"), 11, "bounded: 0s");
  job.dir.Write("vigil.yaml", config);
  job.Start();
  REQUIRE(WaitFor(20, [&] { return PortOf(job) > 0; }));
  send(1500, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  send(1501, 1);
  REQUIRE(job.WaitForAlerts(1501));
  const std::string log = job.Stop();
  const std::map<std::string, int> keys = KeysOf(job.File("alerts.jsonl"));
  CHECK(keys.size() == 1501);
  CHECK(CountLines(job.File("alerts.jsonl")) == 1501);
  CheckLedger(log, 1502);
}

}  // namespace
}  // namespace vigil::daemon
