// Alerts of `vigil run` come out of `vigil replay --from-checkpoint` again, byte for byte: over the
// configuration's own sources and over a recording, from every checkpoint that was kept, on any
// number of shards, although partitions fell silent, came back and joined, and rules changed.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <signal.h>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/integration/daemon_run.h"
#include "tests/support/kafka.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;
using testing::Broker;
using testing::Count;
using testing::Daemon;
using testing::KafkaRecord;
using testing::LinesOf;
using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;
using testing::WaitFor;

constexpr const char* kSchema = "fields: {ts: int, k: string, x: int, y: int, w: string}\n";

// What follows `up` and `quiet`, with one condition edited, and a rule that reads a field, and has
// a key, that none had before.
constexpr const char* kRules = R"(version: 1
rules:
  - rule: up
    key: k
    within: 20s
    pattern:
      - { begin: one, where: 'x == 1' }
      - { followed_by: two, where: 'x > one.x + 2' }
    alert: { summary: "${k}", fields: { x: two.x }, evidence: used }
    on_timeout: { to: [alerts] }
  - rule: quiet
    key: k
    within: 5s
    pattern:
      - { begin: any, where: 'x == 5' }
      - { not_followed_by: more, where: 'x == 0' }
)";

std::string EditedRules() {
  std::string rules = kRules;
  rules.replace(rules.find("one.x + 2"), 9, "one.x + 3");
  return rules + R"(  - rule: writer
    key: w
    within: 9s
    pattern:
      - { begin: a, where: 'y == 3' }
      - { followed_by: b, where: 'y > a.y' }
)";
}

// Events of one partition, from `ts` on over 40 s, some of them late.
std::vector<std::string> Events(std::mt19937* random, int64_t ts, int count) {
  std::vector<std::string> lines;
  const auto up = [random](int below) {
    return std::to_string(std::uniform_int_distribution<int>(0, below - 1)(*random));
  };
  for (int i = 0; i < count; ++i) {
    const int64_t at = ts + i * 40'000 / count - std::stoi(up(i % 20 == 0 ? 5'000 : 900));
    lines.push_back("{\"ts\":" + std::to_string(at) + ",\"k\":\"k" + up(12) + "\",\"x\":" + up(6) +
                    ",\"y\":" + up(5) + ",\"w\":\"w" + up(5) + "\"}");
  }
  return lines;
}

void Append(const std::string& path, const std::vector<std::string>& lines) {
  std::ofstream file(path, std::ios::app);
  for (const std::string& line : lines) file << line << "\n";
}

ProcessResult Replay(const TempDir& dir, const std::vector<std::string>& options) {
  std::vector<std::string> argv = {VigilBinary(), "replay", "-c", dir.Path("vigil.yaml")};
  argv.insert(argv.end(), options.begin(), options.end());
  return RunProcess(argv);
}

std::vector<std::string> AlertLines(const std::string& text) {
  std::vector<std::string> lines = LinesOf(text);
  const auto is_other = [](const std::string& line) {
    return line.find("\"output\":\"alerts\"") == std::string::npos;
  };
  lines.erase(std::remove_if(lines.begin(), lines.end(), is_other), lines.end());
  return lines;
}

std::string IdOf(const std::string& line) {
  simdjson::dom::parser parser;
  return std::string(std::string_view(parser.parse(simdjson::padded_string(line))["id"]));
}

// How many alerts had been raised at a state's last commit: it has no other sinks.
size_t RaisedBefore(const std::string& state) {
  const ProcessResult listed = RunProcess({VigilBinary(), "state", "list", "--json", state});
  INFO(listed.err);
  REQUIRE(listed.exit_code == 0);
  simdjson::dom::parser parser;
  const simdjson::padded_string line(LinesOf(listed.out).front());
  return static_cast<size_t>(uint64_t(parser.parse(line)["head"]["outbox"]["end"]));
}

// The live run's alerts after the state's commit are the first that the replay gives; what follows
// fell due when the input had ended.
void CheckReproduced(const TempDir& dir, const std::string& state,
                     const std::vector<std::string>& live,
                     const std::vector<std::string>& options) {
  const size_t before = RaisedBefore(state);
  REQUIRE(before <= live.size());
  for (const char* shards : {"1", "3"}) {
    INFO(state << " on " << shards << " shards, " << before << " of " << live.size() << " before");
    std::vector<std::string> all = {"--from-checkpoint", state, "--shards", shards, "-o", "-"};
    all.insert(all.end(), options.begin(), options.end());
    const ProcessResult replayed = Replay(dir, all);
    INFO(replayed.err);
    REQUIRE(replayed.exit_code == 0);
    std::vector<std::string> alerts = AlertLines(replayed.out);
    REQUIRE(alerts.size() >= live.size() - before);
    alerts.resize(live.size() - before);
    for (size_t i = 0; i < alerts.size(); ++i) {
      INFO(i);
      REQUIRE(alerts[i] == live[before + i]);
    }
  }
}

TEST_CASE("Reproduce: files, whatever happened since the checkpoint", "[integration]") {
  const auto seed = static_cast<uint32_t>(std::random_device()());
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Daemon daemon(R"(name: files
rules: [rules.yaml]
schema: schema.yaml
sources:
  s:
    file: { path: "in-*.jsonl" }
    watermark: { bounded: 1s, idle_after: 400ms }
outputs:
  alerts: [{ file: alerts.jsonl }]
  errors: [{ file: { path: errors.jsonl }, delivery: immediate }]
state: { path: state, commit_interval: 10ms, checkpoints: { every: 1ms, keep: 1000 } }
)",
                [](const TempDir& dir) {
                  dir.Write("schema.yaml", kSchema);
                  dir.Write("rules.yaml", kRules);
                  dir.Write("in-a.jsonl", "");
                  dir.Write("in-b.jsonl", "");
                });
  const TempDir& dir = daemon.dir;
  const std::string a = dir.Path("in-a.jsonl");
  const std::string b = dir.Path("in-b.jsonl");
  const auto logged = [&daemon](const std::string& text, size_t times) {
    return WaitFor(30, [&] { return Count(daemon.Log(), text) >= times; });
  };
  const auto alerts = [&daemon] { return LinesOf(daemon.File("alerts.jsonl")).size(); };
  const auto comes_on = [&](const std::function<void()>& change) {
    const size_t before = alerts();
    change();
    return WaitFor(30, [&] { return alerts() > before + 10; });
  };
  constexpr int64_t kPart = 600'000;  // from one part to the next
  int64_t ts = 1'700'000'000'000;
  REQUIRE(WaitFor(30, [&] { return daemon.IsRunning(); }));
  CHECK(comes_on([&] {
    Append(a, Events(&random, ts, 400));
    Append(b, Events(&random, ts, 400));
  }));
  // One is silent, the other goes on, then it comes back with events of long ago among others.
  ts += kPart;
  for (int i = 0; i < 8 && Count(daemon.Log(), "partition idle") == 0; ++i) {
    Append(a, Events(&random, ts + i * 20'000, 200));
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
  CHECK(logged("partition idle", 1));
  ts += kPart;
  CHECK(comes_on([&] {
    Append(b, Events(&random, ts - kPart - kPart / 2, 50));
    Append(b, Events(&random, ts, 300));
    Append(a, Events(&random, ts, 300));
  }));
  CHECK(logged("partition returned", 1));
  dir.Write("rules.yaml", EditedRules());
  CHECK(logged("rules reloaded", 1));
  ts += kPart;
  CHECK(comes_on([&] {
    Append(a, Events(&random, ts, 300));
    Append(dir.Path("in-c.jsonl"), Events(&random, ts - 20'000, 300));
    Append(b, Events(&random, ts, 300));
  }));
  CHECK(logged("partition joined", 1));
  const auto all_come_on = [&] {
    ts += kPart;
    CHECK(comes_on([&] {
      for (const std::string& file : {a, b, dir.Path("in-c.jsonl")}) {
        Append(file, Events(&random, ts, 300));
      }
    }));
  };
  // An event ahead of the clock, which would make all that follow late.
  Append(a, {R"({"ts":32503680000000,"k":"k1","x":1})"});
  CHECK(WaitFor(30, [&] { return Count(daemon.File("errors.jsonl"), "ahead of the clock") == 1; }));
  all_come_on();
  // Other rules after a restart, which is a change as well.
  daemon.process->Signal(SIGTERM);
  REQUIRE(daemon.process->Wait(30) == 0);
  dir.Write("rules.yaml", kRules);
  daemon.Start();
  REQUIRE(WaitFor(30, [&] { return daemon.IsRunning(); }));
  all_come_on();
  daemon.process->Signal(SIGTERM);
  REQUIRE(daemon.process->Wait(30) == 0);

  const std::vector<std::string> live = LinesOf(daemon.File("alerts.jsonl"));
  std::vector<std::string> checkpoints;
  for (const auto& entry : fs::directory_iterator(dir.Path("state/checkpoints"))) {
    checkpoints.push_back(entry.path().string());
  }
  std::sort(checkpoints.begin(), checkpoints.end());
  REQUIRE(checkpoints.size() >= 8);
  const size_t step = std::max<size_t>(1, checkpoints.size() / 12);
  for (size_t i = 0; i < checkpoints.size(); i += step) {
    CheckReproduced(dir, checkpoints[i], live, {});
  }
  // The state itself is as it was, and one alert is all that is asked for.
  const std::string before = ReadFile(dir.Path("state/db/CURRENT"));
  const std::string& last = live.back();
  const ProcessResult one =
      Replay(dir, {"--from-checkpoint", checkpoints.front(), "--until-alert", IdOf(last)});
  INFO(one.err);
  CHECK(one.exit_code == 0);
  CHECK(one.out == last + "\n");
  CHECK(ReadFile(dir.Path("state/db/CURRENT")) == before);
  const std::string unknown(32, 'a');
  const ProcessResult none =
      Replay(dir, {"--from-checkpoint", checkpoints.front(), "--until-alert", unknown});
  CHECK(none.exit_code == 1);
  CHECK(none.out.empty());
  CHECK_THAT(none.err, Catch::Contains("error: the input has ended without alert " + unknown));
  // Other rules than those that ran are refused, by their versions.
  const ProcessResult other = Replay(dir, {"--from-checkpoint", checkpoints.front(), "-r",
                                           dir.Write("other.yaml", EditedRules())});
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err, Catch::Contains("error: the rules are of version ") &&
                            Catch::Contains("; without -r the stored ones are used"));
  // What waited is gone.
  dir.Write("in-a.jsonl", "{\"ts\":1}\n");
  const ProcessResult gone = Replay(dir, {"--from-checkpoint", checkpoints.back()});
  CHECK(gone.exit_code == 2);
  CHECK_THAT(gone.err, Catch::Contains("in-a.jsonl") && Catch::Contains("--accept-loss"));
}

TEST_CASE("Reproduce: Kafka, and a recording of it", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const std::string topic = broker->CreateTopic("reproduce", 3);
  std::mt19937 random(7);
  TempDir dir;
  dir.Write("schema.yaml", kSchema);
  dir.Write("rules.yaml", kRules);
  dir.Write("vigil.yaml", "name: " + topic +
                              "\nrules: [rules.yaml]\nschema: schema.yaml\nsources:\n"
                              "  s:\n    kafka: { brokers: \"" +
                              broker->address() + "\", topics: [" + topic +
                              "], stop: end, drain: false }\n"
                              "    watermark: { bounded: 2s }\n"
                              "outputs: { alerts: [{ file: alerts.jsonl }] }\n"
                              "state: { path: state, commit_interval: 10ms }\n");
  int partitions = 3;
  const auto produce = [&](int64_t ts) {
    for (int p = 0; p < partitions; ++p) {
      std::vector<KafkaRecord> records;
      for (const std::string& line : Events(&random, ts + 700 * p, 300)) {
        KafkaRecord record;
        record.value = line;
        record.partition = p;
        records.push_back(std::move(record));
      }
      broker->Produce(topic, records);
    }
  };
  const auto run = [&] {
    const ProcessResult ran = RunProcess({VigilBinary(), "run", "-c", dir.Path("vigil.yaml")});
    INFO(ran.err);
    REQUIRE(ran.exit_code == 0);
  };
  produce(1'700'000'000'000);
  run();
  fs::copy(dir.Path("state"), dir.Path("first"), fs::copy_options::recursive);
  broker->Grow(topic, partitions = 4);
  produce(1'700'000'040'000);
  run();
  produce(1'700'000'080'000);
  run();
  const std::vector<std::string> live = LinesOf(ReadFile(dir.Path("alerts.jsonl")));
  const std::string recording = dir.Path("recording.jsonl");
  REQUIRE(
      RunProcess({VigilBinary(), "record", "-c", dir.Path("vigil.yaml"), "--end", "-o", recording})
          .exit_code == 0);
  const std::string first = dir.Path("first");
  REQUIRE(RaisedBefore(first) > 10);
  REQUIRE(RaisedBefore(first) + 100 < live.size());
  const std::string state = dir.Path("state");
  CheckReproduced(dir, first, live, {"--journal", state});
  CheckReproduced(dir, first, live, {"--journal", state, "--positions", recording});
  const ProcessResult one =
      Replay(dir, {"--from-checkpoint", first, "--journal", state, "--until-alert",
                   IdOf(live.back()), "--positions", recording});
  INFO(one.err);
  CHECK(one.exit_code == 0);
  CHECK(one.out == live.back() + "\n");
  // Without the journal nobody knows how the further partition came in.
  const ProcessResult unknown = Replay(dir, {"--from-checkpoint", first, "--positions", recording});
  CHECK(unknown.exit_code == 3);
  CHECK_THAT(unknown.err, Catch::Contains("error: s/" + topic + "/3 is not in the checkpoint"));

  // A recording that begins too late.
  std::vector<std::string> lines = LinesOf(ReadFile(recording));
  std::string tail;
  for (size_t i = lines.size() - 100; i < lines.size(); ++i) tail += lines[i] + "\n";
  const ProcessResult late = Replay(dir, {"--from-checkpoint", first, "--journal", state,
                                          "--positions", dir.Write("late.jsonl", tail)});
  CHECK(late.exit_code == 3);
  CHECK_THAT(late.err, Catch::Contains("s/" + topic + "/") &&
                           Catch::Contains("--accept-loss goes on without"));
  // A topic of the same name that is another one.
  broker->Recreate(topic, 4);
  produce(1'700'000'000'000);
  const ProcessResult other = Replay(dir, {"--from-checkpoint", first});
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err, Catch::Contains("--accept-loss"));
}

}  // namespace
}  // namespace vigil
