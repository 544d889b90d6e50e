// `vigil run` with state against a real broker, killed again and again: committed alerts are, byte
// for byte and in order, those of a run that nothing happened to.
//
// VIGIL_CRASH_KILLS says how often (10); VIGIL_CRASH_SEED repeats a run.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <signal.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/kafka.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

using testing::BackgroundProcess;
using testing::Broker;
using testing::KafkaRecord;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

constexpr int kPartitions = 6;
constexpr int kAccounts = 40;

int NumberOfEnvironment(const char* name, int fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::atoi(value);
}

// Records of all partitions; times of each are a little out of order, and now and then late.
class Stream {
 public:
  explicit Stream(uint32_t seed) : random_(seed), time_(kPartitions, 1'000'000) {}

  std::vector<KafkaRecord> Next(int count) {
    static const char* const kTypes[] = {"login", "payment", "transfer"};
    std::vector<KafkaRecord> records;
    for (int i = 0; i < count; ++i) {
      KafkaRecord record;
      record.partition = Up(kPartitions);
      int64_t& time = time_[static_cast<size_t>(record.partition)];
      // Partitions keep together, or the fastest would wait for the slowest.
      const int64_t slowest = *std::min_element(time_.begin(), time_.end());
      if (time < slowest + 500) time += Up(8);
      const int64_t ts = time - (Up(50) == 0 ? 400 : Up(150));
      record.key = "a" + std::to_string(Up(kAccounts));
      record.value = "{\"ts\":" + std::to_string(ts) + ",\"account\":\"" + record.key +
                     "\",\"type\":\"" + kTypes[Up(3)] + "\",\"n\":" + std::to_string(++number_) +
                     ",\"amount\":" + std::to_string(Up(1000)) + "}";
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  int Up(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  std::mt19937 random_;
  std::vector<int64_t> time_;
  int number_ = 0;
};

// One job with topics and a folder of its own.
struct Job {
  Job(Broker* broker, const std::string& name_in, const std::string& source_topic)
      : name(name_in + "-" + source_topic),
        alpha(broker->CreateTopic(name_in + "-alpha", 3)),
        beta(broker->CreateTopic(name_in + "-beta", 1)),
        address(broker->address()),
        topic(source_topic) {
    dir.Write("schema.yaml",
              "fields: {ts: int, account: string, type: string, n: int, amount: int}\n");
    dir.Write("rules.yaml", R"(version: 1
rules:
  - rule: large
    key: account
    pattern: [{ begin: one, where: amount > 900 }]
    alert: { to: [alpha, plain], summary: "${one.amount} of ${one.account}" }
  - rule: takeover
    key: account
    within: 2s
    pattern:
      - begin: login
        where: type == "login"
      - followed_by: payment
        where: type == "payment" && amount > login.amount
    alert: { to: [alpha, beta] }
    on_timeout: { to: [plain] }
  - rule: burst
    key: account
    after_match: skip_past_last_event
    pattern:
      - begin: many
        where: type == "transfer"
        times: 3
    alert: { to: [beta, plain] }
)");
  }

  std::unique_ptr<BackgroundProcess> Start(bool is_bounded, int shards) {
    dir.Write(
        "vigil.yaml",
        "name: " + name +
            "\nrules: [rules.yaml]\nschema: schema.yaml\nsources:\n"
            "  s:\n    kafka: { brokers: \"" +
            address + "\", topics: [" + topic + "]" + (is_bounded ? ", stop: end" : "") +
            " }\n    watermark: { bounded: 200ms }\n"
            "outputs:\n  alpha: [{ kafka: { topic: " +
            alpha +
            ", key: account } }]\n"
            "  beta: [{ kafka: { topic: " +
            beta +
            " } }]\n  plain: [{ file: plain.jsonl }]\n"
            "state: { path: state, commit_interval: 50ms, checkpoints: { every: 2s, keep: 2 }" +
            // Every other time keys leave memory.
            (starts % 2 == 1 ? ", memory: 16KiB" : "") +
            " }\n"
            "shards: " +
            std::to_string(shards) + "\n");
    ++starts;
    return std::make_unique<BackgroundProcess>(
        std::vector<std::string>{VigilBinary(), "run", "-c", dir.Path("vigil.yaml")},
        dir.Path("out"), LogPath());
  }
  std::string LogPath() const { return dir.Path("log" + std::to_string(starts)); }
  std::string Log() const { return ReadFile(LogPath()); }
  // Only runs that lost nothing: what all of them raised, and where it ended up.
  void RunToEnd(int shards) {
    const auto process = Start(true, shards);
    const int code = process->Wait(120);
    INFO(Log());
    REQUIRE(code == 0);
  }

  std::string name, alpha, beta, address, topic;
  TempDir dir;
  int starts = 0;
};

std::vector<std::string> Messages(Broker* broker, const std::string& topic) {
  std::vector<std::string> messages;
  for (const KafkaRecord& record : broker->Consume(topic)) {
    messages.push_back(std::to_string(record.partition) + " " + record.key + " " +
                       record.headers.at("vigil-id") + " " + record.value);
  }
  return messages;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void CheckEqual(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  CHECK(std::set<std::string>(found.begin(), found.end()).size() == found.size());
  CHECK(found.size() == expected.size());
  const auto end = std::min(found.size(), expected.size());
  for (size_t i = 0; i < end; ++i) {
    if (found[i] == expected[i]) continue;
    INFO("record " << i);
    CHECK(found[i] == expected[i]);
    return;
  }
}

TEST_CASE("Crash: killed at any moment, alerts are those of a run that was not", "[crash]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const int kills = NumberOfEnvironment("VIGIL_CRASH_KILLS", 10);
  const auto seed = static_cast<uint32_t>(
      NumberOfEnvironment("VIGIL_CRASH_SEED", static_cast<int>(std::random_device()() >> 1)));
  std::printf("VIGIL_CRASH_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const auto up = [&random](int below) {
    return std::uniform_int_distribution<int>(0, below - 1)(random);
  };
  const std::string topic = broker->CreateTopic("crash", kPartitions);
  Job job(broker, "killed", topic);
  Stream stream(seed);
  std::atomic<bool> is_over = false;
  std::thread producer([&] {
    while (!is_over) {
      broker->Produce(topic, stream.Next(600));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  static const char* const kPoints[] = {"before_commit", "chunks_written", "after_commit",
                                        "cleaning", "cleaned"};
  std::map<std::string, int> killed;
  for (int i = 0; i < kills; ++i) {
    const bool at_point = up(2) == 0;
    std::string where = "any moment";
    if (at_point) {
      where = kPoints[up(5)];
      const int count = 1 + up(where.rfind("clean", 0) == 0 ? 5 : 25);
      setenv("VIGIL_KILL_POINT", (where + ":" + std::to_string(count)).c_str(), 1);
    }
    const auto process = job.Start(false, 1 + up(3));
    unsetenv("VIGIL_KILL_POINT");
    int code = at_point ? process->Wait(6) : -1;
    if (!at_point) std::this_thread::sleep_for(std::chrono::milliseconds(300 + up(2500)));
    if (code == -1) {
      process->Signal(SIGKILL);
      code = process->Wait(10);
      where = "any moment";
    }
    ++killed[where];
    if (code != 128 + SIGKILL) {
      is_over = true;
      producer.join();
      FAIL("run " << i << " ended with " << code << "\n" << job.Log());
    }
  }
  is_over = true;
  producer.join();
  job.RunToEnd(2);
  for (const auto& [where, times] : killed) std::printf("killed at %s: %d\n", where.c_str(), times);

  Job calm(broker, "calm", topic);
  calm.RunToEnd(1);
  const std::vector<std::string> expected = Messages(broker, calm.alpha);
  CHECK(expected.size() > 100);
  INFO(job.Log());
  CheckEqual(Messages(broker, job.alpha), expected);
  CheckEqual(Messages(broker, job.beta), Messages(broker, calm.beta));
  CheckEqual(Lines(ReadFile(job.dir.Path("plain.jsonl"))),
             Lines(ReadFile(calm.dir.Path("plain.jsonl"))));
  const auto totals = [](const std::string& log) { return log.substr(log.find(" info done ")); };
  CHECK(totals(job.Log()).substr(0, totals(job.Log()).find('\n')) ==
        totals(calm.Log()).substr(0, totals(calm.Log()).find('\n')));
}

}  // namespace
}  // namespace vigil
