// `vigil run` with state against a real broker: where it goes on, and what it refuses.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <signal.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/integration/daemon_run.h"
#include "tests/support/kafka.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;
using testing::BackgroundProcess;
using testing::Broker;
using testing::Count;
using testing::KafkaRecord;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;
using testing::WaitFor;

// Events `n` of one partition, each of which is an alert.
struct Job {
  explicit Job(Broker* broker_in, const std::string& name_in)
      : broker(broker_in), topic(broker->CreateTopic(name_in, 1)), name(topic) {
    alerts = broker->CreateTopic(name_in + "-alerts", 1);
    brokers = broker->address();
    dir.Write("schema.yaml", "fields: {ts: int, n: int, text: string}\n");
    dir.Write("rules.yaml",
              "version: 1\nrules:\n  - rule: any\n    key: n\n"
              "    pattern: [{ begin: one, where: n >= 0 }]\n");
    sinks = "kafka: { topic: " + alerts + ", key: n }";
  }

  void Produce(int count, const std::string& more = "") {
    std::vector<KafkaRecord> records;
    for (int i = 0; i < count; ++i, ++produced) {
      KafkaRecord record;
      record.value = "{\"ts\":" + std::to_string(1'000'000 + 10 * produced) +
                     ",\"n\":" + std::to_string(produced) + more + "}";
      records.push_back(std::move(record));
    }
    broker->Produce(topic, records);
  }

  std::unique_ptr<BackgroundProcess> Start(const std::string& source_more = ", stop: end",
                                           const std::vector<std::string>& options = {}) {
    dir.Write("vigil.yaml", "name: " + name +
                                "\nrules: [rules.yaml]\nschema: schema.yaml\nsources:\n"
                                "  s:\n    kafka: { brokers: \"" +
                                brokers + "\", topics: [" + topic + "]" + source_more +
                                " }\n    watermark: { bounded: 100ms }\noutputs:\n  alerts: [{ " +
                                sinks +
                                " }]\n  errors: [{ file: errors.jsonl }]\n"
                                "state: { path: " +
                                state + ", commit_interval: 50ms }\n");
    std::vector<std::string> argv = {VigilBinary(), "run", "-c", dir.Path("vigil.yaml")};
    argv.insert(argv.end(), options.begin(), options.end());
    log = dir.Path("log" + std::to_string(++starts));
    return std::make_unique<BackgroundProcess>(argv, dir.Path("out"), log);
  }
  std::string Log() const { return ReadFile(log); }
  int Run(const std::string& source_more = ", stop: end",
          const std::vector<std::string>& options = {}) {
    return Start(source_more, options)->Wait(60);
  }
  // The numbers of the events whose alerts are there, in order.
  std::string Delivered() const {
    std::string numbers;
    for (const KafkaRecord& record : broker->Consume(alerts)) {
      numbers += (numbers.empty() ? "" : " ") + record.key;
    }
    return numbers;
  }

  Broker* broker;
  std::string topic, name, alerts, brokers, sinks, log;
  std::string state = "state";
  TempDir dir;
  int produced = 0;
  int starts = 0;
};

TEST_CASE("State: runs go on where the last one stopped, however it ended", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "goes-on");
  job.Produce(3);
  INFO(job.dir.Path(""));
  // Time stays where it stood, and 20 ms are less than the bound.
  REQUIRE(job.Run(", stop: end, drain: false") == 0);
  CHECK(job.Delivered().empty());
  CHECK(Count(job.Log(), "read=3 processed=0 late=0 quarantined=0 waiting=3") == 1);
  job.Produce(12);
  REQUIRE(job.Run(", stop: end, drain: false") == 0);
  CHECK(Count(job.Log(), "read=15 processed=4 late=0 quarantined=0 waiting=11") == 1);
  CHECK(job.Delivered() == "0 1 2 3");
  REQUIRE(job.Run() == 0);
  CHECK(job.Delivered() == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14");
  CHECK(Count(job.Log(), "read=15 processed=15") == 1);
  // Nothing new after the end of time; then something, which is not late.
  REQUIRE(job.Run() == 0);
  CHECK(Count(job.Log(), "goes on from a drained state") == 1);
  job.Produce(1);
  REQUIRE(job.Run() == 0);
  CHECK(job.Delivered() == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
  CHECK(broker->Committed(job.name, job.topic, 1) == std::map<int, int64_t>{{0, 16}});
}

TEST_CASE("State: a second daemon is refused, and a zombie's alerts never show", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "alone");
  job.Produce(20);
  const auto first = job.Start("");
  REQUIRE(WaitFor(30, [&] { return Count(job.Delivered(), " ") == 8; }));
  CHECK(job.Run() == 3);
  CHECK(Count(job.Log(), "is in use by process " + std::to_string(first->pid())) == 1);
  // The same job with a state of its own: it takes over the sink's id, and the first one ends.
  Job other(broker, "alone-too");
  other.name = job.name;
  other.alerts = job.alerts;
  other.sinks = job.sinks;
  other.Produce(20);
  CHECK(other.Run(", stop: end") == 3);
  CHECK(Count(other.Log(), "of a start that the state does not know") >= 1);
  job.Produce(20);
  CHECK(first->Wait(30) == 3);
  CHECK(Count(job.Delivered(), " ") == 8);
}

TEST_CASE("State: a disk that does not answer ends the job, which goes on later", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "hangs");
  job.state = "state, commit_timeout: 500ms";
  job.Produce(5);
  setenv("VIGIL_KILL_POINT", "before_commit:1:hang", 1);
  const auto stuck = job.Start("");
  unsetenv("VIGIL_KILL_POINT");
  CHECK(stuck->Wait(60) == 3);
  INFO(job.Log());
  CHECK(Count(job.Log(), "was not written within") >= 1);
  CHECK(job.Delivered().empty());
  REQUIRE(job.Run() == 0);
  CHECK(job.Delivered() == "0 1 2 3 4");
}

TEST_CASE("State: a topic that was made anew, or lost records, is refused until that is accepted",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "anew");
  job.Produce(20);
  REQUIRE(job.Run(", stop: end, drain: false") == 0);
  broker->Recreate(job.topic, 1);
  job.Produce(30);
  CHECK(job.Run() == 3);
  INFO(job.Log());
  CHECK(Count(job.Log(),
              "s/" + job.topic + "/0: it is not the partition that was read up to offset 20") >= 1);
  const std::string before = job.Delivered();
  CHECK(job.Run(", stop: end", {"--accept-loss"}) == 0);
  CHECK(Count(job.Log(), "read=50 processed=39 late=0 quarantined=0 waiting=0 lost=11") == 1);
  CHECK(job.Delivered().rfind(before, 0) == 0);

  Job cut(broker, "cut");
  cut.Produce(20);
  REQUIRE(cut.Run(", stop: end, drain: false") == 0);
  broker->DeleteRecords(cut.topic, 0, 15);
  CHECK(cut.Run() == 3);
  CHECK(Count(cut.Log(), "records from offset 9 to 14 were deleted") >= 1);
  CHECK(cut.Run(", stop: end", {"--accept-loss"}) == 0);
  CHECK(Count(cut.Log(), "read=20 processed=14 late=0 quarantined=0 waiting=0 lost=6") == 1);
}

TEST_CASE("State: a sink that is ahead of an older state is refused until it is said what to do",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "older");
  job.Produce(20);
  REQUIRE(job.Run(", stop: end, drain: false") == 0);
  fs::copy(job.dir.Path("state"), job.dir.Path("older"), fs::copy_options::recursive);
  job.Produce(20);
  REQUIRE(job.Run(", stop: end, drain: false") == 0);
  const std::string before = job.Delivered();
  job.state = "older";
  CHECK(job.Run() == 3);
  CHECK(Count(job.Log(), "--after-rollback=redeliver") >= 1);
  CHECK(job.Delivered() == before);
  fs::copy(job.dir.Path("older"), job.dir.Path("skipping"), fs::copy_options::recursive);
  job.state = "skipping";
  CHECK(job.Run(", stop: end", {"--after-rollback", "skip-delivered"}) == 0);
  std::string all = "0";
  for (int i = 1; i < job.produced; ++i) all += " " + std::to_string(i);
  CHECK(job.Delivered() == all);
  job.state = "older";
  CHECK(job.Run(", stop: end", {"--after-rollback", "redeliver"}) == 0);
  CHECK(Count(job.Delivered(), " ") == Count(all, " ") + 31);
}

TEST_CASE("State: a broker that is cut off, or dies, loses and doubles nothing", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "cut-off");
  job.Produce(50);
  const auto daemon = job.Start("");
  REQUIRE(WaitFor(30, [&] { return Count(job.Delivered(), " ") == 38; }));
  job.Produce(50);
  broker->Signal("STOP");
  std::this_thread::sleep_for(std::chrono::seconds(3));
  broker->Signal("CONT");
  job.Produce(50);
  broker->Signal("KILL");
  broker->Restart();
  job.Produce(50);
  const bool is_all_there = WaitFor(60, [&] { return Count(job.Delivered(), " ") >= 188; });
  INFO(job.Log());
  CHECK(is_all_there);
  daemon->Signal(SIGTERM);
  CHECK(daemon->Wait(40) == 0);
  REQUIRE(job.Run() == 0);
  std::string expected = "0";
  for (int i = 1; i < job.produced; ++i) expected += " " + std::to_string(i);
  CHECK(job.Delivered() == expected);
}

// For VIGIL_CUT_SECONDS, 10 unless said: `make cut` says 60, beyond the time-outs of clients and
// transactions.
TEST_CASE("State: a network that is cut and mended loses and doubles nothing", "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const char* said = std::getenv("VIGIL_CUT_SECONDS");
  const int cut_s = said == nullptr ? 10 : std::atoi(said);
  const auto network = broker->MakeNetwork();
  Job job(broker, "network");
  job.brokers = broker->network_address();
  job.Produce(50);
  const auto daemon = job.Start("");
  REQUIRE(WaitFor(30, [&] { return Count(job.Delivered(), " ") == 38; }));
  // Something is under way in both directions when it happens, and goes on behind it.
  job.Produce(500);
  network->Cut();
  job.Produce(50);
  const std::string before = job.Delivered();
  for (int second = 0; second < cut_s; ++second) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    if (second % 10 == 0) job.Produce(10);
    REQUIRE(daemon->Wait(0) == -1);
  }
  // What was under way may have come through, nothing else.
  CHECK(Count(job.Delivered(), " ") < 550);
  network->Mend();
  job.Produce(50);
  const auto expected = [&](int waiting) {
    std::string numbers = "0";
    for (int i = 1; i < job.produced - waiting; ++i) numbers += " " + std::to_string(i);
    return numbers;
  };
  const bool is_all_there = WaitFor(120, [&] { return job.Delivered() == expected(11); });
  INFO(job.Log());
  CHECK(is_all_there);
  // Nobody was called idle, which would have made the rest late.
  CHECK(job.Log().find("partition idle") == std::string::npos);
  daemon->Signal(SIGTERM);
  CHECK(daemon->Wait(40) == 0);
  const std::map<std::string, int64_t> totals = testing::Totals(job.Log());
  testing::CheckLedger(totals, job.produced);
  CHECK(totals.at("late") == 0);
  CHECK(totals.at("waiting") == 11);
  REQUIRE(job.Run() == 0);
  CHECK(job.Delivered() == expected(0));
}

TEST_CASE("State: what a broker refuses for good goes to `errors`, the rest goes on",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  Job job(broker, "refused");
  job.sinks =
      "kafka: { topic: " + job.alerts + ", key: n, properties: { message.max.bytes: 2000 } }";
  job.Produce(2);
  job.Produce(1, ",\"text\":\"" + std::string(3000, 'x') + "\"");
  job.Produce(2);
  REQUIRE(job.Run() == 0);
  INFO(job.Log());
  CHECK(job.Delivered() == "0 1 3 4");
  const std::string errors = ReadFile(job.dir.Path("errors.jsonl"));
  CHECK(Count(errors, "\"kind\":\"error\"") == 1);
  CHECK(Count(errors, "/alerts/") == 1);
}

}  // namespace
}  // namespace vigil
