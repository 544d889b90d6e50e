// Rules reloaded while a fast stream is read: no event is missed or doubled, and a rule that no
// edit touches gives the alerts of a replay. How long the job stood still is printed.
//
// VIGIL_RELOADS (10) and VIGIL_RELOAD_RATE (20,000 events a second) make it longer; `make
// reload-load` runs it with 50 and 200,000.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <thread>

#include <catch2/catch.hpp>
#include <librdkafka/rdkafka.h>

#include "tests/integration/daemon_run.h"
#include "tests/support/kafka.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;
using testing::AlertsOf;
using testing::Broker;
using testing::Count;
using testing::Daemon;
using testing::LinesOf;
using testing::WaitFor;
using Steady = std::chrono::steady_clock;

constexpr int kPartitions = 4;
constexpr int64_t kAccounts = 10'007;
constexpr int64_t kFirstTs = 1'700'000'000'000;

int64_t Setting(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

// Every hundredth account logs in and pays in turn, all others do nothing of interest.
std::string Event(int64_t i, int64_t ts) {
  const int64_t account = i % kAccounts;
  const char* type = account % 100 != 0 ? "none" : i / kAccounts % 2 == 0 ? "login" : "payment";
  return "{\"ts\":" + std::to_string(ts) + ",\"account\":" + std::to_string(account) +
         ",\"type\":\"" + type + "\",\"amount\":" + std::to_string(i % 977) + "}";
}

// Produces events at a rate until it is stopped, and records what it has produced, with positions.
class Load {
 public:
  Load(const std::string& address, std::string topic, int64_t rate, const std::string& recording)
      : topic_(std::move(topic)), rate_(rate), recording_(recording) {
    char why[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] :
         {std::pair<const char*, const char*>{"bootstrap.servers", address.c_str()},
          {"enable.idempotence", "true"},
          {"linger.ms", "20"},
          {"queue.buffering.max.messages", "500000"}}) {
      REQUIRE(rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK);
    }
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    thread_ = std::thread([this] { Run(); });
  }
  ~Load() {
    Stop();
    rd_kafka_destroy(client_);
  }
  // Ends the stream with an event in each partition that lets time pass all others.
  void Stop() {
    if (!thread_.joinable()) return;
    is_stopping_ = true;
    thread_.join();
    for (int p = 0; p < kPartitions; ++p) {
      Produce(p, "{\"ts\":" + std::to_string(kFirstTs + 86'400'000) +
                     ",\"account\":-1,\"type\":\"none\",\"amount\":0}");
    }
    recording_.close();
    CHECK(rd_kafka_flush(client_, 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  int64_t produced() const { return produced_; }
  double seconds() const { return seconds_; }

 private:
  void Run() {
    const auto start = Steady::now();
    for (int64_t i = 0; !is_stopping_;) {
      const double elapsed = std::chrono::duration<double>(Steady::now() - start).count();
      seconds_ = elapsed;
      const auto due = static_cast<int64_t>(elapsed * static_cast<double>(rate_));
      for (; i < due; ++i) {
        Produce(static_cast<int>(i % kAccounts % kPartitions),
                Event(i, kFirstTs + i * 1000 / rate_));
      }
      rd_kafka_poll(client_, 5);
    }
  }
  void Produce(int partition, const std::string& value) {
    while (rd_kafka_producev(client_, RD_KAFKA_V_TOPIC(topic_.c_str()),
                             RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(client_, 10);
    }
    recording_ << std::string_view(value).substr(0, value.size() - 1)
               << ",\"_source\":\"s\",\"_topic\":\"" << topic_ << "\",\"_partition\":" << partition
               << ",\"_offset\":" << next_offset_[partition]++ << "}\n";
    ++produced_;
  }

  const std::string topic_;
  const int64_t rate_;
  std::ofstream recording_;
  rd_kafka_t* client_ = nullptr;
  int64_t next_offset_[kPartitions] = {};
  std::atomic<int64_t> produced_ = 0;
  std::atomic<double> seconds_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

constexpr char kPair[] = R"(version: 1
rules:
  - rule: pair
    key: account
    pattern:
      - begin: login
        where: type == "login"
      - followed_by: payment
        where: type == "payment"
    within: 1h
)";

// The rule that is left alone, and others that each edit replaces; now and then one of them reads a
// field that none has read before, so that what waits is decoded again.
std::string RulesOf(int64_t round) {
  const std::string n = std::to_string(round);
  std::string text = kPair;
  text += "  - rule: other\n    key: account\n    pattern: [{ begin: b, where: 'type == \"t" + n +
          "\"" + (round % 5 == 4 ? " && has(event.x" + n + ")" : "") + "' }]\n";
  if (round % 3 == 2) text += "    no_such_key: 1\n";
  return text;
}

// Of the rule sets that were taken, those with this in their line of the audit.
std::vector<double> PausesMs(const std::string& audit, const std::string& with) {
  const std::string kName = "\"pause_us\":\"";
  std::vector<double> pauses;
  for (const std::string& line : LinesOf(audit)) {
    const size_t at = line.find(kName);
    if (at == std::string::npos || line.find(with) == std::string::npos) continue;
    pauses.push_back(std::atof(line.c_str() + at + kName.size()) / 1e3);
  }
  std::sort(pauses.begin(), pauses.end());
  return pauses;
}

void Print(const char* what, const std::vector<double>& pauses) {
  if (pauses.empty()) return;
  const auto quantile = [&pauses](double q) {
    return pauses[static_cast<size_t>(q * static_cast<double>(pauses.size() - 1) + 0.5)];
  };
  std::printf("  %s: %zu, stood still %.1f ms at the median, %.1f ms at p99\n", what, pauses.size(),
              quantile(0.5), quantile(0.99));
}

// Those of one rule, sorted.
std::vector<std::string> AlertsOfPair(const std::string& text) {
  std::vector<std::string> alerts = AlertsOf(text);
  alerts.erase(std::remove_if(alerts.begin(), alerts.end(),
                              [](const std::string& alert) {
                                return alert.find(" pair ") == std::string::npos;
                              }),
               alerts.end());
  std::sort(alerts.begin(), alerts.end());
  return alerts;
}

TEST_CASE("Reload: under load nothing is missed or doubled", "[integration][slow]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const int64_t reloads = Setting("VIGIL_RELOADS", 10);
  const int64_t rate = Setting("VIGIL_RELOAD_RATE", 20'000);
  const std::string topic = broker->CreateTopic("loaded", kPartitions);
  const testing::TempDir dir;
  const std::string rules = dir.Write("rules.yaml", RulesOf(0));
  std::string fields = "ts: int, account: int, type: string, amount: int";
  for (int64_t round = 0; round <= reloads; ++round)
    fields += ", x" + std::to_string(round) + ": int";
  const std::string schema = dir.Write("schema.yaml", "fields: {" + fields + "}\n");
  Daemon daemon("name: " + topic + "\nrules: [" + rules + "]\nschema: " + schema +
                "\nsources:\n  s:\n    kafka: { brokers: \"" + broker->address() + "\", topics: [" +
                topic +
                "] }\n    watermark: { bounded: 200ms }\n"
                "outputs:\n  alerts: [{ file: alerts.jsonl }]\n  audit: [{ file: audit.jsonl }]\n"
                "shards: 2\n");
  REQUIRE(WaitFor(60, [&] { return daemon.IsRunning(); }));
  Load load(broker->address(), topic, rate, dir.Path("recording.jsonl"));
  size_t refused = 0;
  size_t activated = 0;
  for (int64_t round = 1; round <= reloads; ++round) {
    dir.Write("rules.new", RulesOf(round));
    fs::rename(dir.Path("rules.new"), rules);
    ++(round % 3 == 2 ? refused : activated);
    const bool is_done = WaitFor(60, [&] {
      const std::string log = daemon.Log();
      return Count(log, "rules refused") == refused && Count(log, "rules reloaded") == activated;
    });
    INFO(daemon.Log());
    REQUIRE(is_done);
  }
  load.Stop();

  const std::string pair = dir.Write("pair.yaml", kPair);
  const testing::ProcessResult replay = testing::RunProcess(
      {testing::VigilBinary(), "replay", "-r", pair, "--schema", schema, "--positions",
       "--disorder", "200ms", "-o", dir.Path("replay.jsonl"), dir.Path("recording.jsonl")});
  INFO(replay.err);
  REQUIRE(replay.exit_code == 0);
  const std::vector<std::string> expected =
      AlertsOfPair(testing::ReadFile(dir.Path("replay.jsonl")));
  CHECK(expected.size() > 50);
  WaitFor(300, [&] {
    return Count(daemon.File("alerts.jsonl"), "\"rule\":\"pair\"") >= expected.size();
  });
  daemon.process->Signal(SIGTERM);
  CHECK(daemon.process->Wait(60) == 0);
  const std::string log = daemon.Log();
  INFO(log);
  const auto totals = testing::Totals(log);
  testing::CheckLedger(totals, load.produced());
  CHECK(totals.at("late") + totals.at("quarantined") == 0);
  CHECK(AlertsOfPair(daemon.File("alerts.jsonl")) == expected);
  CHECK(Count(log, "rule=pair verdict=identical") == activated);
  const std::string audit = daemon.File("audit.jsonl");
  REQUIRE(PausesMs(audit, "").size() == activated);
  double loads[1] = {};
  getloadavg(loads, 1);
  std::printf("%lld events, %.0f/s; %zu rule sets taken, %zu refused; load of the machine %.1f\n",
              static_cast<long long>(load.produced()),
              static_cast<double>(load.produced()) / load.seconds(), activated, refused, loads[0]);
  Print("all", PausesMs(audit, ""));
  Print("waiting rows kept", PausesMs(audit, "\"kept\""));
  Print("waiting rows decoded again", PausesMs(audit, "\"decoded again\""));
}

}  // namespace
}  // namespace vigil
