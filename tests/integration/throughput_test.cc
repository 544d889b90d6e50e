// How fast `vigil run` reads a topic, beside a bare consumer that only counts. Hidden: it measures.
//
//   VIGIL_BINARY=build/vigil build/tests/vigil_tests_integration "[bench]"
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <catch2/catch.hpp>
#include <librdkafka/rdkafka.h>

#include "tests/support/kafka.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kPartitions = 6;
constexpr int64_t kRecords = 1'200'000;

double SecondsSince(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Counts all records of a topic, in batches, with the settings that the daemon uses.
int64_t CountAll(const std::string& address, const std::string& topic) {
  char why[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::vector<std::pair<const char*, std::string>> settings = {
      {"bootstrap.servers", address},       {"group.id", "bare"},
      {"enable.auto.commit", "false"},      {"fetch.wait.max.ms", "100"},
      {"queued.min.messages", "100000"},    {"queued.max.messages.kbytes", "65536"},
      {"isolation.level", "read_committed"}};
  for (const auto& [name, value] : settings) {
    rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why);
  }
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(kPartitions);
  for (int p = 0; p < kPartitions; ++p) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(client, list);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(client);
  std::vector<rd_kafka_message_t*> messages(1000);
  int64_t count = 0;
  while (count < kRecords) {
    const ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, messages.data(), messages.size());
    for (ssize_t i = 0; i < n; ++i) {
      count += messages[static_cast<size_t>(i)]->err == RD_KAFKA_RESP_ERR_NO_ERROR ? 1 : 0;
      rd_kafka_message_destroy(messages[static_cast<size_t>(i)]);
    }
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
  return count;
}

TEST_CASE("Run: at least half the rate of a bare consumer", "[.][bench]") {
  testing::Broker* broker = testing::Broker::Get();
  if (broker == nullptr) return;
  const std::string topic = broker->CreateTopic("rate", kPartitions);
  std::vector<testing::KafkaRecord> records;
  for (int64_t i = 0; i < kRecords; ++i) {
    testing::KafkaRecord record;
    record.partition = static_cast<int>(i % kPartitions);
    record.key = "A" + std::to_string(i % 60'000);
    record.value = "{\"ts\":" + std::to_string(1'700'000'000'000 + i) + ",\"account\":\"" +
                   record.key + "\",\"type\":\"" + (i % 4 == 0 ? "login" : "transaction") +
                   "\",\"amount\":" + std::to_string(i % 1000) + ".5,\"merchant\":\"m-" +
                   std::to_string(i % 700) +
                   "\",\"country\":\"FR\",\"channel\":\"web\",\"device\":\"d-123456789\","
                   "\"ip\":\"10.0.0.1\",\"new_location\":false}";
    records.push_back(std::move(record));
    if (records.size() == 100'000) {
      broker->Produce(topic, records);
      records.clear();
    }
  }
  if (!records.empty()) broker->Produce(topic, records);
  const testing::TempDir dir;
  dir.Write("schema.yaml",
            "fields: {ts: int, account: string, type: string, amount: double, country: string}\n");
  dir.Write("rules.yaml", R"(version: 1
rules:
  - rule: takeover
    key: account
    pattern:
      - begin: login
        where: type == "login"
      - next: payment
        where: type == "transaction" && amount > 990.0
    within: 10m
)");
  for (int round = 0; round < 3; ++round) {
    auto start = Steady::now();
    double cpu = CpuSeconds(RUSAGE_SELF);
    REQUIRE(CountAll(broker->address(), topic) == kRecords);
    const double bare_s = SecondsSince(start);
    std::printf("bare consumer  %9.0f records/s, %.2f us of CPU a record\n", kRecords / bare_s,
                (CpuSeconds(RUSAGE_SELF) - cpu) * 1e6 / kRecords);
    struct Way {
      int shards;
      bool has_state;
    };
    for (const Way& way : {Way{1, false}, Way{2, false}, Way{1, true}, Way{2, true}}) {
      const std::string state = "state" + std::to_string(round) + "-" + std::to_string(way.shards);
      const std::string config =
          dir.Write("vigil.yaml",
                    "name: rate\nrules: [rules.yaml]\nschema: schema.yaml\nsources:\n"
                    "  s: { kafka: { brokers: \"" +
                        broker->address() + "\", topics: [" + topic +
                        "], stop: end }, watermark: { bounded: 2s } }\noutputs:\n"
                        "  alerts: [{ file: alerts.jsonl }]\n" +
                        (way.has_state ? "state: { path: " + state + " }\n" : "") +
                        "shards: " + std::to_string(way.shards) + "\n");
      start = Steady::now();
      cpu = CpuSeconds(RUSAGE_CHILDREN);
      const testing::ProcessResult run =
          testing::RunProcess({testing::VigilBinary(), "run", "-c", config});
      INFO(run.err);
      REQUIRE(run.exit_code == 0);
      const double run_s = SecondsSince(start);
      std::printf("run, %d shards%s  %9.0f records/s, %.2f us of CPU a record\n", way.shards,
                  way.has_state ? ", state" : "       ", kRecords / run_s,
                  (CpuSeconds(RUSAGE_CHILDREN) - cpu) * 1e6 / kRecords);
      if (way.shards == 1 && !way.has_state) CHECK(run_s < 2 * bare_s);
    }
  }
}

}  // namespace
}  // namespace vigil
