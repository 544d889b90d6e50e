// `vigil run` against a real broker: the same alerts as a replay, and what it does when brokers,
// topics and events misbehave.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <signal.h>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/integration/daemon_run.h"
#include "tests/support/certificate.h"
#include "tests/support/kafka.h"
#include "tests/support/process.h"
#include "tests/support/schema_registry.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;
using testing::AlertsOf;
using testing::Broker;
using testing::CheckLedger;
using testing::Count;
using testing::Daemon;
using testing::KafkaRecord;
using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::Totals;
using testing::VigilBinary;
using testing::WaitFor;

constexpr int kPartitions = 6;

std::string FindStream(const std::string& stream) {
  const char* shared = std::getenv("VIGIL_SHARED");
  const fs::path extra = shared != nullptr ? fs::path(shared) : fs::path("../shared");
  const fs::path path = extra / "data" / (stream + ".jsonl.zst");
  return fs::exists(path) ? path.string() : "";
}

// A stream's first records in partitions by their key.
struct Slice {
  std::vector<KafkaRecord> records;  // in the stream's order
  std::vector<uint64_t> offsets;     // of each record in its partition
};

std::string FieldOf(const std::string& line, const std::string& name) {
  const std::string head = "\"" + name + "\":";
  size_t begin = line.find(head) + head.size();
  if (line[begin] == '"') ++begin;
  return line.substr(begin, line.find_first_of("\",}", begin) - begin);
}

Slice MakeSlice(const std::string& path, const std::string& key, size_t count) {
  Slice slice;
  std::map<int, uint64_t> next;
  const std::string text = RunProcess({"zstd", "-dc", path}).out;
  std::istringstream in(text);
  for (std::string line; slice.records.size() < count && std::getline(in, line);) {
    KafkaRecord record;
    record.key = FieldOf(line, key);
    record.value = line;
    record.partition = static_cast<int>(std::hash<std::string>()(record.key) % kPartitions);
    slice.offsets.push_back(next[record.partition]++);
    slice.records.push_back(std::move(record));
  }
  return slice;
}

// The slice as `vigil record` would write it.
std::string Recording(const Slice& slice, const std::string& topic) {
  std::string text;
  for (size_t i = 0; i < slice.records.size(); ++i) {
    const KafkaRecord& record = slice.records[i];
    text += record.value.substr(0, record.value.rfind('}')) + ",\"_source\":\"s\",\"_topic\":\"" +
            topic + "\",\"_partition\":" + std::to_string(record.partition) +
            ",\"_offset\":" + std::to_string(slice.offsets[i]) + "}\n";
  }
  return text;
}

TEST_CASE("Run: a stream through six partitions gives the alerts of its replay, in their order",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  struct Stream {
    std::string name, key;
    size_t records;
  };
  const auto stream =
      GENERATE(Stream{"sparkov-cards", "card", 357'580},
               Stream{"handbook-transactions", "customer_id", 200'000},
               // Equal times, and keys that lie across partitions.
               Stream{"linux-auth", "seq", 100'000}, Stream{"amlsim-transfers", "from", 200'000});
  const std::string path = FindStream(stream.name);
  if (path.empty()) {
    std::printf("skipped: no stream %s in $VIGIL_SHARED/data\n", stream.name.c_str());
    return;
  }
  const std::string rules = fs::absolute("tests/corpus/answers/" + stream.name + ".yaml");
  std::string schema = fs::absolute("tests/corpus/answers/" + stream.name + ".schema.yaml");
  if (!fs::exists(schema)) schema = fs::absolute("examples/logins/schema.yaml");
  const std::string topic = broker->CreateTopic(stream.name, kPartitions);
  const Slice slice = MakeSlice(path, stream.key, stream.records);
  REQUIRE(slice.records.size() > 1000);
  broker->Produce(topic, slice.records);

  const TempDir dir;
  const std::string recording = dir.Write("recording.jsonl", Recording(slice, topic));
  const ProcessResult replay =
      RunProcess({VigilBinary(), "replay", "-r", rules, "--schema", schema, "--time-field", "ts_ms",
                  "--positions", "--disorder", "2s", "-o", dir.Path("replay.jsonl"), recording});
  INFO(replay.err);
  REQUIRE(replay.exit_code == 0);
  const std::vector<std::string> expected = AlertsOf(ReadFile(dir.Path("replay.jsonl")));
  REQUIRE(expected.size() > 200);

  for (const int shards : {1, 2}) {
    Daemon daemon("name: " + topic + "-" + std::to_string(shards) + "\nrules: [" + rules +
                  "]\nschema: " + schema + "\nsources:\n  s:\n    kafka: { brokers: \"" +
                  broker->address() + "\", topics: [" + topic +
                  "], stop: end }\n    event_time: { field: ts_ms }\n"
                  "    watermark: { bounded: 2s }\n"
                  "outputs:\n  alerts: [{ file: alerts.jsonl }]\n  late: [{ file: late.jsonl }]\n"
                  "shards: " +
                  std::to_string(shards) + "\n");
    REQUIRE(daemon.process->Wait(120) == 0);
    INFO(daemon.Log());
    const std::vector<std::string> alerts = AlertsOf(daemon.File("alerts.jsonl"));
    CHECK(alerts.size() == expected.size());
    CHECK(alerts == expected);
    CheckLedger(Totals(daemon.Log()), static_cast<int64_t>(slice.records.size()));
    CHECK(Totals(daemon.Log()).at("late") == 0);
    const auto committed =
        broker->Committed(topic + "-" + std::to_string(shards), topic, kPartitions);
    int64_t sum = 0;
    for (const auto& [partition, offset] : committed) sum += offset;
    CHECK(sum == static_cast<int64_t>(slice.records.size()));
  }
}

// Events of one account each 10 ms, a login and a payment in turn; the time of each is `t` on.
struct Small {
  explicit Small(Broker* broker_in, const std::string& name, int partitions_in,
                 const std::string& more_in = "")
      : broker(broker_in),
        topic(broker->CreateTopic(name, partitions_in)),
        job(topic),
        partitions(partitions_in),
        more(more_in) {}

  // `count` pairs for each partition, from time `t` ms on.
  void Pairs(int count, int64_t t) {
    std::vector<KafkaRecord> records;
    for (int i = 0; i < count; ++i) {
      for (int p = 0; p < partitions; ++p) {
        records.push_back(Event(p, "login", t + 20 * i));
        records.push_back(Event(p, "payment", t + 20 * i + 10));
      }
    }
    broker->Produce(topic, records);
    produced += static_cast<int64_t>(records.size());
  }
  void One(int partition, const std::string& type, int64_t t) {
    broker->Produce(topic, {Event(partition, type, t)});
    ++produced;
  }
  static KafkaRecord Event(int partition, const std::string& type, int64_t t) {
    KafkaRecord record;
    record.partition = partition;
    record.key = "a" + std::to_string(partition);
    record.value = "{\"ts\":" + std::to_string(t) + ",\"account\":\"" + record.key +
                   "\",\"type\":\"" + type + "\"}";
    return record;
  }

  std::unique_ptr<Daemon> Start(const std::string& source_more = "",
                                const std::string& outputs = "") {
    dir.Write("rules.yaml", R"(version: 1
rules:
  - rule: pair
    key: account
    pattern:
      - begin: login
        where: type == "login"
      - next: payment
        where: type == "payment"
    alert: { to: [alerts] }
)");
    dir.Write("schema.yaml", "fields: {ts: int, account: string, type: string}\n");
    return std::make_unique<Daemon>(
        "name: " + job + "\nrules: [" + dir.Path("rules.yaml") +
        "]\nschema: " + dir.Path("schema.yaml") + "\nsources:\n  s:\n    kafka: { brokers: \"" +
        (address.empty() ? broker->address() : address) + "\", topics: [" + topic +
        "], properties: { topic.metadata.refresh.interval.ms: 1000" + properties + " }" +
        source_more + " }\n    watermark: { " + "bounded: 100ms, idle_after: " + idle_after + more +
        " }\noutputs:\n" + (outputs.empty() ? "  alerts: [{ file: alerts.jsonl }]\n" : outputs) +
        "  late: [{ file: late.jsonl }]\n  errors: [{ file: errors.jsonl }]\n"
        "  audit: [{ file: audit.jsonl }]\n" +
        top);
  }

  Broker* broker;
  std::string topic;
  std::string job;
  int partitions;
  std::string idle_after = "2s";
  std::string more;
  std::string top;         // further lines of the configuration
  std::string address;     // if not the broker's usual one
  std::string properties;  // further ones of librdkafka
  int64_t produced = 0;
  TempDir dir;
};

bool HasAlerts(const Daemon& daemon, size_t count) {
  return Count(daemon.File("alerts.jsonl"), "\"kind\":\"match\"") >= count;
}

// SIGTERM, a clean end, and where every record went.
std::map<std::string, int64_t> StopAndCount(Daemon* daemon, int64_t read) {
  daemon->process->Signal(SIGTERM);
  const int code = daemon->process->Wait(40);
  INFO(daemon->Log());
  CHECK(code == 0);
  const auto totals = Totals(daemon->Log());
  CheckLedger(totals, read);
  return totals;
}

// Rules edited while events stream through: each pair begins before or ends after some edit.
TEST_CASE("Run: reloads under load miss and double nothing, bad sets change nothing",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "reloaded", 3);
  const auto daemon = small.Start();
  const std::string pair = ReadFile(small.dir.Path("rules.yaml"));
  constexpr int kRounds = 12;
  constexpr int kPairs = 400;
  int refused = 0;
  int activated = 0;
  small.Pairs(1, 1'000'000);
  REQUIRE(WaitFor(60, [&] { return daemon->IsRunning(); }));
  for (int round = 0; round < kRounds; ++round) {
    // A login that stays open over the edit; its payment comes after it.
    const int64_t t = 2'000'000 + round * 100'000;
    for (int p = 0; p < 3; ++p) small.One(p, "login", t);
    small.One(0, "noise", t - 50);
    std::thread load([&] {
      std::vector<KafkaRecord> records;
      for (int i = 0; i < kPairs; ++i) {
        records.push_back(Small::Event(3, "login", t + 20 * i));
        records.push_back(Small::Event(3, "payment", t + 20 * i + 10));
      }
      for (KafkaRecord& record : records) record.partition = 0;
      broker->Produce(small.topic, records);
    });
    const bool is_bad = round % 3 == 2;
    std::string text = pair;
    const size_t at = text.find("    key: account");
    text.insert(at, std::string("    severity: ") + (round % 2 == 0 ? "high" : "low") + "\n");
    // Another rule is replaced each time; some rounds read a field that none read before.
    text += "  - rule: other\n    key: account\n    pattern: [{ begin: b, where: 'type == \"o" +
            std::to_string(round) + "\"" + (round == 4 ? " && ts > 5" : "") + "' }]\n";
    if (is_bad) text += "    no_such_key: 1\n";
    small.dir.Write("rules.new", text);
    fs::rename(small.dir.Path("rules.new"), small.dir.Path("rules.yaml"));
    is_bad ? ++refused : ++activated;
    const bool is_done = WaitFor(30, [&] {
      const std::string log = daemon->Log();
      return Count(log, "rules refused") == static_cast<size_t>(refused) &&
             Count(log, "rules reloaded") == static_cast<size_t>(activated);
    });
    load.join();
    small.produced += 2 * kPairs;
    INFO(daemon->Log());
    REQUIRE(is_done);
    for (int p = 0; p < 3; ++p) small.One(p, "payment", t + 50'000);
  }
  small.Pairs(1, 9'000'000);
  const size_t expected = 3 + kRounds * (3 + kPairs);
  const bool are_all_there = WaitFor(60, [&] { return HasAlerts(*daemon, expected); });
  INFO(daemon->Log());
  CHECK(are_all_there);
  const auto totals = StopAndCount(daemon.get(), small.produced);
  CHECK(totals.at("late") + totals.at("quarantined") == 0);
  const std::vector<std::string> alerts = AlertsOf(daemon->File("alerts.jsonl"));
  CHECK(alerts.size() == expected);
  CHECK(std::set<std::string>(alerts.begin(), alerts.end()).size() == alerts.size());
  const size_t compatible = Count(daemon->Log(), "rule=pair verdict=compatible");
  CHECK(compatible > 2);
  CHECK(compatible + Count(daemon->Log(), "rule=pair verdict=identical") ==
        static_cast<size_t>(activated));
  CHECK(Count(daemon->Log(), "rule=pair verdict=reset") == 0);
  CHECK(Count(daemon->File("audit.jsonl"), "\"what\":\"rules\"") == static_cast<size_t>(activated));
}

TEST_CASE("Run: keys above `memory` are on disk until their next event", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  constexpr int kKeys = 3000;
  Small small(broker, "cold", 1);
  small.idle_after = "5m";
  small.top =
      "http: { listen: \"127.0.0.1:0\" }\nshards: 2\n"
      "state: { path: state, commit_interval: 20ms, memory: 100KiB }\n";
  const auto produce = [&](const std::string& type, int64_t t) {
    std::vector<KafkaRecord> records;
    for (int i = 0; i < kKeys; ++i) {
      KafkaRecord& record = records.emplace_back();
      record.value = "{\"ts\":" + std::to_string(t + i) + ",\"account\":\"k" +
                     std::to_string(i * 7919 % kKeys) + "\",\"type\":\"" + type + "\"}";
    }
    broker->Produce(small.topic, records);
    small.produced += kKeys;
  };
  const auto daemon = small.Start();
  REQUIRE(WaitFor(60, [&] { return daemon->IsRunning(); }));
  const auto metric = [&](const std::string& name) {
    const std::string all =
        RunProcess({"curl", "-s", "-m", "20", "http://" + daemon->Address() + "/metrics"}).out;
    const size_t at = all.find("\n" + name + " ");
    return at == std::string::npos ? 0.0 : std::stod(all.substr(at + name.size() + 2));
  };
  produce("login", 1'000'000);
  // What has not been committed stays until it is, and leaves with the batches after that.
  int64_t t = 2'000'000;
  CHECK(WaitFor(60, [&] {
    small.One(0, "other", t += 1000);
    return metric("vigil_cold_keys") > kKeys / 2;
  }));
  CHECK(metric("vigil_live_keys") == kKeys);
  CHECK(metric("vigil_state_memory_bytes") < 200 << 10);
  produce("payment", t + 1000);
  small.One(0, "other", t + 100'000);
  CHECK(WaitFor(60, [&] { return HasAlerts(*daemon, kKeys); }));
  INFO(daemon->Log());
  StopAndCount(daemon.get(), small.produced);
  CHECK(AlertsOf(daemon->File("alerts.jsonl")).size() == kKeys);
}

TEST_CASE("Run: operators see and act over HTTP, SIGHUP reloads", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "operated", 2);
  small.idle_after = "5m";  // whatever the machine does: what is idle has no lag and holds nobody
  small.top = "http: { listen: \"127.0.0.1:0\", operate_token: act }\nshards: 2\n";
  const auto daemon = small.Start();
  REQUIRE(WaitFor(60, [&] { return daemon->IsRunning(); }));
  const std::string url = "http://" + daemon->Address();
  const auto ask = [&](const std::string& path, bool acts = false) {
    std::vector<std::string> argv = {"curl", "-s", "-m", "20"};
    if (acts) argv.insert(argv.end(), {"-X", "POST", "-H", "Authorization: Bearer act"});
    argv.push_back(url + path);
    return RunProcess(argv).out;
  };
  small.Pairs(20, 1'000'000);
  REQUIRE(WaitFor(30, [&] { return HasAlerts(*daemon, 20); }));
  CHECK(ask("/healthz").find("alive") != std::string::npos);
  // Ready is who has passed a barrier; the lag is known once the broker's statistics have come.
  CHECK(WaitFor(20, [&] { return ask("/readyz").find("ready") != std::string::npos; }));
  const std::string no_lag = "vigil_records_lag{partition=\"s/" + small.topic + "/1\"} 0\n";
  CHECK(WaitFor(20, [&] { return ask("/metrics").find(no_lag) != std::string::npos; }));
  const std::string metrics = ask("/metrics");
  INFO(metrics);
  CHECK(metrics.find("vigil_rule_matches_total{rule=\"pair\"} ") != std::string::npos);
  for (const char* name :
       {"vigil_busy_time_ms_per_second{thread=\"job\"} ",
        "vigil_idle_time_ms_per_second{thread=\"shard-1\"} ",
        "vigil_back_pressured_time_ms_per_second{thread=\"shard-0\"} ",
        "vigil_rule_cost_ms_per_second{rule=\"pair\"} ", "vigil_live_partial_matches ",
        "vigil_source_watermark_lag_ms{source=\"s\"} ", "vigil_rule_swap_seconds_count "}) {
    INFO(name);
    CHECK(WaitFor(20, [&] { return ask("/metrics").find(name) != std::string::npos; }));
  }
  const std::string status = ask("/v1/status");
  INFO(status);
  CHECK(status.find("\"held_by\":{\"partition\":\"s/" + small.topic) != std::string::npos);

  CHECK(ask("/v1/pause", true).find("true") != std::string::npos);
  small.Pairs(20, 2'000'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  CHECK(ask("/v1/status").find("\"read\":80,") != std::string::npos);
  CHECK(ask("/v1/resume", true).find("false") != std::string::npos);
  CHECK(WaitFor(30, [&] { return HasAlerts(*daemon, 60); }));

  // A set that the file watch has taken already is no news to the others.
  const std::string rules = ReadFile(small.dir.Path("rules.yaml"));
  small.dir.Write("rules.yaml", rules + "  - rule: bad\n");
  CHECK(ask("/v1/reload", true).find("\"outcome\":\"refused\"") != std::string::npos);
  small.dir.Write("rules.yaml", rules);
  CHECK(ask("/v1/reload", true).find("\"outcome\":\"unchanged\"") != std::string::npos);
  // A rule that is put runs and is kept; one that is bad changes nothing.
  const auto edit = [&](const std::string& method, const std::string& path,
                        const std::string& body) {
    return RunProcess({"curl", "-s", "-m", "20", "-X", method, "-H", "Authorization: Bearer act",
                       "--data-binary", body, url + path})
        .out;
  };
  const std::string second =
      "rule: second\nkey: account\npattern: [{ begin: p, where: 'type == \"payment\"' }]\n";
  CHECK(edit("PUT", "/v1/rules/second?dry_run", second).find("accepted") != std::string::npos);
  CHECK(edit("PUT", "/v1/rules/second", second).find("activated") != std::string::npos);
  CHECK(ask("/v1/rules").find("\"rule\":\"second\"") != std::string::npos);
  CHECK(ReadFile(small.dir.Path("rules.yaml")).find("  - rule: second\n") != std::string::npos);
  CHECK(edit("PUT", "/v1/rules/second", second + "nope: 1\n")
            .find("\"file\": \"request\", \"line\": 4") != std::string::npos);
  CHECK(edit("DELETE", "/v1/rules/second", "").find("activated") != std::string::npos);
  CHECK(ReadFile(small.dir.Path("rules.yaml")) == rules);
  const size_t looks = Count(daemon->Log(), "rules are as they were");
  std::this_thread::sleep_for(std::chrono::seconds(1));  // the watch is quiet again
  daemon->process->Signal(SIGHUP);
  CHECK(WaitFor(20, [&] { return Count(daemon->Log(), "rules are as they were") > looks; }));
  CHECK(ask("/v1/drain", true).find("draining") != std::string::npos);
  CHECK(daemon->process->Wait(40) == 0);
  CheckLedger(Totals(daemon->Log()), small.produced);
  CHECK(daemon->File("audit.jsonl").find("\"what\":\"rules refused\"") != std::string::npos);
}

TEST_CASE("Run: HTTPS, and a certificate that is renewed", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "encrypted", 1);
  const std::string cert = small.dir.Path("s.crt");
  const std::string key = small.dir.Path("s.key");
  testing::WriteCertificate(cert, key, 1);
  small.top =
      "http: { listen: \"127.0.0.1:0\", tls: { certificate: " + cert + ", key: " + key + " } }\n";
  const auto daemon = small.Start();
  REQUIRE(WaitFor(60, [&] { return daemon->IsRunning(); }));
  const std::string address = daemon->Address();
  const auto ask = [&](const std::string& url) {
    return RunProcess({"curl", "-sv", "-m", "20", "--cacert", cert, url + address + "/healthz"});
  };
  CHECK(ask("https://").out.find("alive") != std::string::npos);
  CHECK(ask("http://").out.find("alive") == std::string::npos);
  // The new one is trusted by who knows it, the former no more.
  testing::WriteCertificate(cert, key, 2);
  CHECK(ask("https://").out.find("alive") == std::string::npos);
  daemon->process->Signal(SIGHUP);
  CHECK(WaitFor(20, [&] { return ask("https://").out.find("alive") != std::string::npos; }));
  daemon->process->Signal(SIGTERM);
  CHECK(daemon->process->Wait(40) == 0);
}

TEST_CASE("Run: a broker that is killed and comes back loses and doubles nothing",
          "[integration][slow]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const std::string alerts = broker->CreateTopic("alerts", 3);
  Small small(broker, "killed", 3);
  small.Pairs(50, 1'000'000);
  const auto daemon = small.Start("", "  alerts: [{ kafka: { topic: " + alerts +
                                          ", key: account } }, { file: alerts.jsonl }]\n");
  REQUIRE(WaitFor(30, [&] { return HasAlerts(*daemon, 120); }));
  broker->Signal("KILL");
  std::this_thread::sleep_for(std::chrono::seconds(3));
  CHECK(daemon->process->Wait(0) == -1);
  broker->Restart();
  small.Pairs(50, 1'001'000);
  small.Pairs(1, 1'010'000);  // lets time pass what came before
  const bool are_all_there = WaitFor(60, [&] { return HasAlerts(*daemon, 300); });
  INFO(daemon->Log());
  CHECK(are_all_there);
  StopAndCount(daemon.get(), small.produced);
  CHECK(Count(daemon->File("alerts.jsonl"), "\"kind\":\"match\"") == 300);
  const std::vector<KafkaRecord> delivered = broker->Consume(alerts);
  CHECK(delivered.size() == 300);
  std::map<std::string, int> ids;
  for (const KafkaRecord& record : delivered) {
    ++ids[record.headers.at("vigil-id")];
    CHECK(record.value.find("\"key\":{\"account\":\"" + record.key + "\"}") != std::string::npos);
    CHECK(record.value.find(record.headers.at("vigil-id")) != std::string::npos);
  }
  CHECK(ids.size() == 300);
  // An outage is no silence: nobody was called idle while the broker was away.
  CHECK(daemon->File("late.jsonl").empty());
}

TEST_CASE("Run: a topic that grows is read from the new partitions' beginnings", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "grown", 6);
  small.idle_after = "5m";  // however slowly records come: those of an idle partition may be late
  small.Pairs(20, 1'000'000);
  const auto daemon = small.Start(", start: earliest");
  REQUIRE(WaitFor(30, [&] { return HasAlerts(*daemon, 6 * 13); }));
  broker->Grow(small.topic, 12);
  small.partitions = 12;
  REQUIRE(WaitFor(30, [&] {
    return Count(daemon->File("audit.jsonl"), "\"what\":\"partition joined\"") == 6;
  }));
  small.Pairs(20, 2'000'000);
  small.Pairs(1, 2'100'000);
  const bool are_all_there = WaitFor(30, [&] { return HasAlerts(*daemon, 6 * 20 + 12 * 20); });
  INFO(daemon->Log());
  CHECK(are_all_there);
  const auto totals = StopAndCount(daemon.get(), small.produced);
  CHECK(totals.at("late") == 0);
}

TEST_CASE("Run: one silent partition holds time back only until it is called idle",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "silent", 2);
  std::vector<KafkaRecord> records;
  for (int i = 0; i < 100; ++i) {
    records.push_back(Small::Event(0, i % 2 == 0 ? "login" : "payment", 1'000'000 + 10 * i));
  }
  broker->Produce(small.topic, records);
  small.produced += 100;
  const auto daemon = small.Start();
  REQUIRE(WaitFor(30, [&] { return daemon->Log().find("partition idle") != std::string::npos; }));
  // Somebody must be awake for time to go on.
  small.One(0, "login", 1'010'000);
  REQUIRE(WaitFor(30, [&] { return HasAlerts(*daemon, 50); }));
  // Back with something that time has passed.
  small.One(1, "login", 1'000'500);
  REQUIRE(WaitFor(30, [&] { return !daemon->File("late.jsonl").empty(); }));
  CHECK(daemon->File("late.jsonl").find("\"_partition\":1") != std::string::npos);
  const auto totals = StopAndCount(daemon.get(), small.produced);
  CHECK(totals.at("late") == 1);
}

TEST_CASE("Run: an event dated two days ahead is set aside, time does not follow it",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "ahead", 1);
  const int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  small.Pairs(10, now - 10'000);
  small.One(0, "login", now + 2 * 86'400'000LL);
  small.Pairs(10, now - 9'000);
  small.One(0, "login", now);
  const auto daemon = small.Start();
  const bool are_all_there = WaitFor(30, [&] { return HasAlerts(*daemon, 20); });
  INFO(daemon->Log());
  CHECK(are_all_there);
  const auto totals = StopAndCount(daemon.get(), small.produced);
  CHECK(totals.at("quarantined") == 1);
  CHECK(totals.at("late") == 0);
  CHECK(daemon->File("errors.jsonl").find("max_future") != std::string::npos);
}

TEST_CASE("Run: start says where it begins, the group where it has been", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "start", 2);
  small.Pairs(5, 1'000'000);
  {
    const auto daemon = small.Start(", stop: end");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 20);
    CHECK(HasAlerts(*daemon, 10));
    CHECK(broker->Committed(small.topic, small.topic, 2) ==
          std::map<int, int64_t>{{0, 10}, {1, 10}});
  }
  small.Pairs(3, 2'000'000);
  {
    const auto daemon = small.Start(", start: committed, stop: end");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 12);
  }
  {
    // Nothing new: it ends at once.
    const auto daemon = small.Start(", start: committed, stop: end");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 0);
  }
  {
    const auto daemon = small.Start(", start: latest, stop: end");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 0);
  }
  {
    const auto daemon =
        small.Start(", start: { timestamp: \"2020-01-01T00:00:00Z\" }, stop: end, drain: false");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 32);
    CHECK(Totals(daemon->Log()).at("waiting") > 0);
  }
}

TEST_CASE("Run: records that were deleted before they were read are lost, and said to be",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "deleted", 2);
  small.Pairs(5, 1'000'000);
  REQUIRE(small.Start(", stop: end")->process->Wait(60) == 0);
  small.Pairs(5, 2'000'000);
  SECTION("before the start") {
    broker->DeleteRecords(small.topic, 0, 14);
    const auto daemon = small.Start(", start: committed, stop: end");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 20, 4);
    CHECK(daemon->Log().find("lost: the records from 10 to 13 were deleted") != std::string::npos);
    CHECK(daemon->Log().find("does not close") == std::string::npos);
  }
  SECTION("all of them, up to where a bounded run stops") {
    broker->DeleteRecords(small.topic, 0, 20);
    broker->DeleteRecords(small.topic, 1, 20);
    const auto daemon = small.Start(", start: committed, stop: end");
    REQUIRE(daemon->process->Wait(60) == 0);
    CheckLedger(Totals(daemon->Log()), 20, 20);
  }
  SECTION("while it ran and did not read") {
    const auto daemon = small.Start(", start: committed");
    REQUIRE(WaitFor(30, [&] {
      return broker->Committed(small.topic, small.topic, 2) ==
             std::map<int, int64_t>{{0, 20}, {1, 20}};
    }));
    daemon->process->Signal(SIGSTOP);
    small.Pairs(5, 3'000'000);
    broker->DeleteRecords(small.topic, 0, 26);
    daemon->process->Signal(SIGCONT);
    REQUIRE(WaitFor(60, [&] {
      return broker->Committed(small.topic, small.topic, 2) ==
             std::map<int, int64_t>{{0, 30}, {1, 30}};
    }));
    daemon->process->Signal(SIGTERM);
    REQUIRE(daemon->process->Wait(60) == 0);
    const auto totals = Totals(daemon->Log());
    INFO(daemon->Log());
    // What had been fetched before is not lost; nothing is missing either way.
    CheckLedger(totals, 40, totals.at("lost"));
    CHECK(totals.at("lost") <= 6);
  }
}

TEST_CASE("Run: patterns of topics, records without a value or that are no JSON", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const std::string first = broker->CreateTopic("pattern-a", 1);
  const std::string second = broker->CreateTopic("pattern-b", 2);
  broker->Produce(first, {Small::Event(0, "login", 1000),
                          {.value = "{\"ts\":1,", .key = "x", .partition = 0, .headers = {}},
                          {.value = "", .key = "tombstone", .partition = 0, .headers = {}},
                          Small::Event(0, "payment", 1010)});
  KafkaRecord other = Small::Event(1, "login", 1020);
  broker->Produce(second, {other, Small::Event(1, "payment", 1030)});
  Small small(broker, "unused", 1);
  small.topic = "\"^pattern-[ab]-\"";
  const auto daemon = small.Start(", stop: end");
  CHECK(daemon->process->Wait(60) == 0);
  INFO(daemon->Log());
  const auto totals = Totals(daemon->Log());
  CheckLedger(totals, 6);
  CHECK(totals.at("quarantined") == 2);
  CHECK(HasAlerts(*daemon, 2));
  const std::string errors = daemon->File("errors.jsonl");
  CHECK(errors.find("tombstone") != std::string::npos);
  CHECK(errors.find("{\\\"ts\\\":1,") != std::string::npos);
  CHECK(errors.find("\"_topic\":\"" + first + "\"") != std::string::npos);
}

TEST_CASE("Run: a connection that is cut is no silence", "[integration][slow]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "cut", 2);
  small.Pairs(20, 1'000'000);
  const auto daemon = small.Start();
  REQUIRE(WaitFor(30, [&] { return HasAlerts(*daemon, 2 * 10); }));
  // The broker's process stands still: connections stay open, nothing answers. Longer than
  // `idle_after` and what the client takes to notice, together.
  broker->Signal("STOP");
  std::this_thread::sleep_for(std::chrono::seconds(12));
  broker->Signal("CONT");
  small.Pairs(20, 1'000'400);
  small.Pairs(1, 1'010'000);
  const bool are_all_there = WaitFor(60, [&] { return HasAlerts(*daemon, 2 * 40); });
  INFO(daemon->Log());
  CHECK(are_all_there);
  const auto totals = StopAndCount(daemon.get(), small.produced);
  CHECK(totals.at("late") == 0);
}

TEST_CASE("Run: records of an aborted transaction are not there, of a committed one they are",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "transactions", 1);
  broker->ProduceInTransaction(
      small.topic, {Small::Event(0, "login", 1000), Small::Event(0, "payment", 1010)}, false);
  broker->ProduceInTransaction(
      small.topic, {Small::Event(0, "login", 2000), Small::Event(0, "payment", 2010)}, true);
  const auto daemon = small.Start(", stop: end");
  REQUIRE(daemon->process->Wait(60) == 0);
  CheckLedger(Totals(daemon->Log()), 2);
  CHECK(Count(daemon->File("alerts.jsonl"), "\"kind\":\"match\"") == 1);
  CHECK(daemon->File("alerts.jsonl").find("\"at\":2010") != std::string::npos);
  // The end is behind the transactions' control records.
  CHECK(broker->Committed(small.job, small.topic, 1) == std::map<int, int64_t>{{0, 6}});
}

TEST_CASE("Run: conditions read a record's key, headers and time; record writes them for replays",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const std::string topic = broker->CreateTopic("meta", 1);
  broker->ProduceOne(topic, {.value = "{\"ts\":1000,\"n\":1}",
                             .key = "k1",
                             .partition = 0,
                             .headers = {{"channel", "web"}, {"v", "2"}}});
  broker->ProduceOne(topic, {.value = "{\"ts\":2000,\"n\":2}",
                             .key = "k2",
                             .partition = 0,
                             .headers = {{"channel", "web"}}});
  broker->ProduceOne(
      topic, {.value = "[1]", .key = "k1", .partition = 0, .headers = {{"channel", "web"}}});
  broker->ProduceOne(topic, {.value = "{\"ts\":3000,\"n\":3}",
                             .key = "k1",
                             .partition = 0,
                             .headers = {{"channel", "app"}}});
  const TempDir dir;
  const std::string rules = dir.Write("rules.yaml", R"(version: 1
rules:
  - rule: web
    key: n
    pattern:
      - begin: one
        where: >
          kafka.key == "k1" && kafka.headers["channel"] == "web" && kafka.offset == 0 &&
          kafka.topic.startsWith("meta") && kafka.partition == 0 &&
          kafka.timestamp > timestamp("2020-01-01T00:00:00Z")
)");
  dir.Write("schema.yaml", "fields: {ts: int, n: int}\n");
  const std::string config = "rules: [" + rules + "]\nschema: " + dir.Path("schema.yaml") +
                             "\nsources:\n  s:\n    kafka: { brokers: \"" + broker->address() +
                             "\", topics: [" + topic +
                             "], stop: end }\noutputs:\n  alerts: [{ file: alerts.jsonl }]\n";
  Daemon daemon(config);
  REQUIRE(daemon.process->Wait(60) == 0);
  const std::vector<std::string> alerts = AlertsOf(daemon.File("alerts.jsonl"));
  INFO(daemon.Log());
  CHECK(alerts.size() == 1);
  CHECK(Totals(daemon.Log()).at("quarantined") == 1);

  const ProcessResult record =
      RunProcess({VigilBinary(), "record", "-c", daemon.dir.Path("vigil.yaml"), "--kafka-field",
                  "-o", dir.Path("recorded.jsonl")});
  CHECK(record.exit_code == 0);
  CHECK(record.err == "4 records\n");
  const std::string recorded = ReadFile(dir.Path("recorded.jsonl"));
  INFO(recorded);
  CHECK(recorded.find("{\"ts\":2000,\"n\":2,\"_source\":\"s\",\"_topic\":\"" + topic +
                      "\",\"_partition\":0,\"_offset\":1,\"kafka\":{\"key\":\"k2\"") !=
        std::string::npos);
  CHECK(recorded.find("\"_undecodable\":\"WzFd\"") != std::string::npos);
  const ProcessResult replay =
      RunProcess({VigilBinary(), "replay", "-c", daemon.dir.Path("vigil.yaml"), "--positions",
                  "--stats", dir.Path("stats.json"), "-o", "-", dir.Path("recorded.jsonl")});
  INFO(replay.err);
  REQUIRE(replay.exit_code == 0);
  CHECK(AlertsOf(replay.out) == alerts);
  CHECK(ReadFile(dir.Path("stats.json"))
            .find("\"read\":4,\"processed\":3,\"late\":0,"
                  "\"quarantined\":1") != std::string::npos);
}

TEST_CASE("Run: a sink that stands still stops reading, in bounded memory", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "stalled", 2);
  small.Pairs(20'000, 1'000'000);
  const auto daemon =
      small.Start("", "  alerts:\n    - kafka: { topic: nowhere-at-all }\n      buffer: 1MiB\n");
  REQUIRE(WaitFor(30, [&] { return daemon->Log().find("reads 2") != std::string::npos; }));
  std::this_thread::sleep_for(std::chrono::seconds(4));
  const std::string status =
      ReadFile("/proc/" + std::to_string(daemon->process->pid()) + "/status");
  const size_t at = status.find("VmHWM:");
  REQUIRE(at != std::string::npos);
  CHECK(std::stoll(status.substr(at + 6)) < 300'000);  // KiB
  const auto committed = broker->Committed(small.job, small.topic, 2);
  int64_t sum = 0;
  for (const auto& [partition, offset] : committed) sum += offset;
  CHECK(sum < small.produced);
}

TEST_CASE("Run: a registry that is down delays the records that need it, no others",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "registry", 2);
  KafkaRecord framed;
  framed.value = std::string("\0\0\0\0\7payload", 12);
  broker->ProduceInTransaction(small.topic, {framed}, true);
  small.partitions = 1;
  broker->Produce(small.topic, {Small::Event(1, "login", 1000), Small::Event(1, "payment", 1010)});
  // Nobody listens at port 1.
  small.more =
      " }\n    format: [{ avro: { registry: \"http://127.0.0.1:1\" } }, json]\n"
      "    event_time: { unit: ms";
  const auto daemon = small.Start();
  REQUIRE(WaitFor(30, [&] { return daemon->Log().find("waits for") != std::string::npos; }));
  CHECK(daemon->Log().find("waits for schema 7") != std::string::npos);
  CHECK(daemon->Log().find("source=s partition=s/" + small.topic + "/0\n") != std::string::npos);
  REQUIRE(WaitFor(30, [&] {
    const auto committed = broker->Committed(small.job, small.topic, 2);
    return committed == std::map<int, int64_t>{{1, 2}};
  }));
  const auto totals = StopAndCount(daemon.get(), 2);
  CHECK(totals.at("waiting") == 2);
  CHECK(daemon->File("errors.jsonl").empty());
}

// A record in Confluent's framing, of the schema in the next test.
KafkaRecord Framed(uint8_t id, int64_t ts, const std::string& type) {
  const auto number = [](int64_t n) {
    std::string out;
    for (auto left = static_cast<uint64_t>(n) << 1; true; left >>= 7) {
      out.push_back(static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
      if (left <= 0x7f) return out;
    }
  };
  KafkaRecord record;
  record.value = std::string(4, '\0') + static_cast<char>(id) + number(ts) + number(2) + "a0" +
                 number(static_cast<int64_t>(type.size())) + type;
  return record;
}

TEST_CASE("Run: a registry that is down at the start and again while it runs costs no record",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "registry-down", 1);
  const uint16_t port = testing::FakeRegistry().port();  // gone again
  const std::string schema = R"({"type":"record","name":"E","fields":[{"name":"ts","type":"long"},
      {"name":"account","type":"string"},{"name":"type","type":"string"}]})";
  broker->ProduceInTransaction(small.topic, {Framed(7, 1000, "login"), Framed(7, 1010, "payment")},
                               true);
  small.more = " }\n    format: [{ avro: { registry: \"http://127.0.0.1:" + std::to_string(port) +
               "\" } }]\n    event_time: { unit: ms";
  const auto daemon = small.Start();
  REQUIRE(
      WaitFor(30, [&] { return daemon->Log().find("waits for schema 7") != std::string::npos; }));
  {
    testing::FakeRegistry registry(port);
    registry.SetSchema(7, "AVRO", schema);
    broker->ProduceInTransaction(small.topic, {Framed(7, 1500, "other")}, true);
    CHECK(WaitFor(60, [&] { return HasAlerts(*daemon, 1); }));
  }
  broker->ProduceInTransaction(small.topic, {Framed(8, 2000, "login"), Framed(8, 2010, "payment")},
                               true);
  REQUIRE(
      WaitFor(30, [&] { return daemon->Log().find("waits for schema 8") != std::string::npos; }));
  testing::FakeRegistry registry(port);
  registry.SetSchema(8, "AVRO", schema);
  broker->ProduceInTransaction(small.topic, {Framed(8, 3000, "other")}, true);
  CHECK(WaitFor(60, [&] { return HasAlerts(*daemon, 2); }));
  const auto totals = StopAndCount(daemon.get(), 6);
  CHECK(totals.at("waiting") == 1);
  CHECK(daemon->File("errors.jsonl").empty());
  CHECK(daemon->File("late.jsonl").empty());
}

TEST_CASE("Run: a broker that wants TLS and a password, for reading and for writing",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "secure", 2);
  const std::string alerts = broker->CreateTopic("secure-alerts", 1);
  small.address = broker->secure_address();
  const auto use = [&](const std::string& password, const std::string& certificate) {
    small.properties = ", security.protocol: sasl_ssl, sasl.mechanisms: PLAIN, sasl.username: " +
                       ("vigil, sasl.password: " + password) + ", ssl.ca.location: " + certificate;
  };
  small.Pairs(5, 1000);
  use("secret", broker->certificate());
  const std::string outputs = "  alerts: [{ kafka: { topic: " + alerts + " } }]\n";
  const auto daemon = small.Start(", stop: end", outputs);
  const int code = daemon->process->Wait(60);
  INFO(daemon->Log());
  REQUIRE(code == 0);
  CheckLedger(Totals(daemon->Log()), small.produced);
  CHECK(broker->Consume(alerts).size() == 10);

  // What is wrong is said, and tried again until somebody mends it.
  const auto is_told = [&](const std::string& what) {
    const auto refused = small.Start("", outputs);
    CHECK(WaitFor(60, [&] { return refused->Log().find(what) != std::string::npos; }));
    INFO(refused->Log());
    CHECK(refused->Log().find("secret") == std::string::npos);
    refused->process->Signal(SIGTERM);
    CHECK(refused->process->Wait(40) >= 0);
  };
  use("wrong-secret", broker->certificate());
  is_told("Authentication failed");
  const std::string other = small.dir.Path("other.crt");
  testing::WriteCertificate(other, small.dir.Path("other.key"), 7);
  use("secret", other);
  is_told("certificate verify failed");
}

TEST_CASE("Run: a bounded run of a topic that is not there is an error", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "unused", 1);
  small.topic = "no-such-topic";
  const auto daemon = small.Start(", stop: end");
  CHECK(daemon->process->Wait(30) == 3);
  CHECK(daemon->Log().find("no-such-topic") != std::string::npos);
}

TEST_CASE("Run: what is wrong with configuration and rules is said at once, all of it",
          "[integration]") {
  const TempDir dir;
  const std::string rules = dir.Write("rules.yaml",
                                      "version: 1\nrules:\n  - rule: a\n    key: x\n"
                                      "    pattern: [{ begin: one, where: x == }]\n");
  const std::string head = "rules: [" + rules + "]\nsources:\n  s:\n    kafka: { brokers: ";
  struct Case {
    std::string config;
    int exit_code;
    std::vector<std::string> texts;
  };
  const std::vector<Case> cases = {
      {head + "\"127.0.0.1:1\", topics: [t], start: now }\n", 2, {"`now`", "rules.yaml:5"}},
      {head + "\"127.0.0.1:1\", topics: [t] }\n", 1, {"rules.yaml:5"}},
      {head + "\"127.0.0.1:1\", topics: [t] }\n    id: \"[tx]\"\n"
              "    watermark: { punctuated: string(x) }\n",
       2,
       {"`id` is", "`punctuated` is", "rules.yaml:5"}},
  };
  for (const Case& c : cases) {
    const ProcessResult run =
        RunProcess({VigilBinary(), "run", "-c", dir.Write("vigil.yaml", c.config)});
    INFO(c.config << run.err);
    CHECK(run.exit_code == c.exit_code);
    for (const std::string& text : c.texts) CHECK(run.err.find(text) != std::string::npos);
  }
}

TEST_CASE("Run: a second signal ends it at once", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Small small(broker, "signals", 1);
  small.Pairs(5, 1'000'000);
  small.One(0, "login", 2'000'000);
  // A topic that is not there: its alerts can never be delivered.
  const auto daemon =
      small.Start("", "  alerts: [{ kafka: { topic: nowhere-at-all } }, { file: alerts.jsonl }]\n");
  REQUIRE(WaitFor(30, [&] { return HasAlerts(*daemon, 5); }));
  daemon->process->Signal(SIGTERM);
  CHECK(daemon->process->Wait(2) == -1);
  daemon->process->Signal(SIGTERM);
  CHECK(daemon->process->Wait(5) == 128 + SIGTERM);
}

}  // namespace
}  // namespace vigil
