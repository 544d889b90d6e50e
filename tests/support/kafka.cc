#include "tests/support/kafka.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "tests/support/certificate.h"

namespace vigil::testing {
namespace {

constexpr const char* kScript = "tests/support/kafka/broker.sh";
constexpr int kNoBroker = 77;  // the script's exit code
constexpr int kWaitMs = 30'000;

// A client for the admin API.
struct Client {
  explicit Client(const std::string& address) {
    char why[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", address.c_str(), why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", "tests", why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    queue = rd_kafka_queue_new(handle);
  }
  ~Client() {
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(handle);
  }
  rd_kafka_t* handle;
  rd_kafka_queue_t* queue;
};

void Check(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what);
}

void CheckTopicEvent(rd_kafka_event_t* event, bool is_growth) {
  Check(event != nullptr, "no answer of the broker");
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      is_growth
          ? rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event),
                                                    &count)
          : rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  Check(rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR && count == 1 &&
            rd_kafka_topic_result_error(results[0]) == RD_KAFKA_RESP_ERR_NO_ERROR,
        rd_kafka_event_error_string(event));
  rd_kafka_event_destroy(event);
}

std::string Kcat(const std::vector<std::string>& args, const std::string& input = "") {
  std::vector<std::string> argv = {"kcat"};
  argv.insert(argv.end(), args.begin(), args.end());
  const ProcessResult result = RunProcess(argv, input);
  Check(result.exit_code == 0, "kcat: " + result.err);
  return result.out;
}

}  // namespace

Broker* Broker::Get() {
  static const std::unique_ptr<Broker> broker = [] {
    std::unique_ptr<Broker> made(new Broker());
    if (!made->Up()) made.reset();
    return made;
  }();
  return broker.get();
}

bool Broker::Up() {
  if (RunProcess({"kcat", "-V"}).exit_code != 0) {
    std::printf("skipped: no Kafka broker: kcat is not installed\n");
    return false;
  }
  WriteCertificate(certificate(), dir_.Path("broker.key"), 1);
  const std::string pem =
      dir_.Write("broker.pem", ReadFile(dir_.Path("broker.key")) + ReadFile(certificate()));
  const ProcessResult up = RunProcess({kScript, "up", dir_.Path("broker"), pem});
  if (up.exit_code == kNoBroker) {
    std::printf("skipped: %s", up.err.c_str());
    return false;
  }
  Check(up.exit_code == 0, "broker.sh up: " + up.err);
  std::istringstream said(up.out);
  said >> address_ >> secure_port_ >> proxy_port_ >> proxied_port_;
  Check(!said.fail(), "broker.sh up said: " + up.out);
  return true;
}

std::unique_ptr<TcpProxy> Broker::MakeNetwork() const {
  return std::make_unique<TcpProxy>(proxy_port_, proxied_port_);
}

Broker::~Broker() {
  if (!address_.empty()) RunProcess({kScript, "down", dir_.Path("broker")});
}

std::string Broker::CreateTopic(const std::string& name, int partitions) {
  static std::atomic<int> count = 0;
  const std::string topic = name + "-" + std::to_string(++count);
  MakeTopic(topic, partitions);
  return topic;
}

void Broker::Recreate(const std::string& topic, int partitions) {
  {
    const Client client(address_);
    rd_kafka_DeleteTopic_t* wanted = rd_kafka_DeleteTopic_new(topic.c_str());
    rd_kafka_DeleteTopics(client.handle, &wanted, 1, nullptr, client.queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(client.queue, kWaitMs);
    Check(event != nullptr, "topic is not deleted");
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(wanted);
  }
  // Until then making it anew may find the old one.
  for (int i = 0; i < 300; ++i) {
    if (Kcat({"-b", address_, "-L"}).find("topic \"" + topic + "\"") == std::string::npos) break;
  }
  MakeTopic(topic, partitions);
}

void Broker::DeleteRecords(const std::string& topic, int partition, int64_t offset) {
  const Client client(address_);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_DeleteRecords_t* wanted = rd_kafka_DeleteRecords_new(list);
  rd_kafka_DeleteRecords(client.handle, &wanted, 1, nullptr, client.queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(client.queue, kWaitMs);
  Check(event != nullptr && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR,
        "records are not deleted");
  rd_kafka_event_destroy(event);
  rd_kafka_DeleteRecords_destroy(wanted);
  rd_kafka_topic_partition_list_destroy(list);
}

void Broker::MakeTopic(const std::string& topic, int partitions) {
  const Client client(address_);
  char why[256];
  rd_kafka_NewTopic_t* wanted =
      rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, why, sizeof why);
  rd_kafka_CreateTopics(client.handle, &wanted, 1, nullptr, client.queue);
  CheckTopicEvent(rd_kafka_queue_poll(client.queue, kWaitMs), false);
  rd_kafka_NewTopic_destroy(wanted);
  // The broker may answer before its own metadata knows the topic.
  for (int i = 0; i < 300; ++i) {
    const std::string listed = Kcat({"-b", address_, "-L", "-t", topic});
    if (listed.find("with " + std::to_string(partitions) + " partitions") != std::string::npos) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void Broker::Grow(const std::string& topic, int partitions) {
  const Client client(address_);
  char why[256];
  rd_kafka_NewPartitions_t* wanted =
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<size_t>(partitions), why, sizeof why);
  rd_kafka_CreatePartitions(client.handle, &wanted, 1, nullptr, client.queue);
  CheckTopicEvent(rd_kafka_queue_poll(client.queue, kWaitMs), true);
  rd_kafka_NewPartitions_destroy(wanted);
}

void Broker::Produce(const std::string& topic, const std::vector<KafkaRecord>& records) {
  std::map<int, std::string> lines;
  for (const KafkaRecord& record : records) {
    lines[record.partition] += record.key + "\x01" + record.value + "\n";
  }
  for (const auto& [partition, text] : lines) {
    Kcat({"-P", "-b", address_, "-t", topic, "-p", std::to_string(partition), "-K", "\x01", "-Z",
          "-X", "enable.idempotence=true"},
         text);
  }
}

void Broker::ProduceOne(const std::string& topic, const KafkaRecord& record) {
  std::vector<std::string> args = {
      "-P", "-b", address_, "-t", topic, "-p", std::to_string(record.partition), "-K", "\x01"};
  for (const auto& [name, value] : record.headers) {
    args.insert(args.end(), {"-H", name + "=" + value});
  }
  Kcat(args, record.key + "\x01" + record.value + "\n");
}

void Broker::ProduceInTransaction(const std::string& topic, const std::vector<KafkaRecord>& records,
                                  bool commits) {
  char why[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", address_.c_str(), why, sizeof why);
  rd_kafka_conf_set(conf, "transactional.id", ("tests-" + topic).c_str(), why, sizeof why);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  const auto check = [](rd_kafka_error_t* error) {
    const std::string text = error == nullptr ? "" : rd_kafka_error_string(error);
    if (error != nullptr) rd_kafka_error_destroy(error);
    Check(text.empty(), text);
  };
  check(rd_kafka_init_transactions(client, kWaitMs));
  check(rd_kafka_begin_transaction(client));
  for (const KafkaRecord& record : records) {
    rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic.c_str()),
                      RD_KAFKA_V_PARTITION(record.partition),
                      RD_KAFKA_V_VALUE(const_cast<char*>(record.value.data()), record.value.size()),
                      RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  }
  rd_kafka_flush(client, kWaitMs);
  check(commits ? rd_kafka_commit_transaction(client, kWaitMs)
                : rd_kafka_abort_transaction(client, kWaitMs));
  rd_kafka_destroy(client);
}

std::vector<KafkaRecord> Broker::Consume(const std::string& topic) {
  const std::string out =
      Kcat({"-C", "-b", address_, "-t", topic, "-o", "beginning", "-e", "-q", "-X",
            "isolation.level=read_committed", "-f", "%p\x01%o\x01%k\x01%h\x01%s\x02"});
  std::map<std::pair<int, int64_t>, KafkaRecord> found;
  for (size_t at = 0; at < out.size();) {
    const size_t end = out.find('\x02', at);
    std::istringstream fields(out.substr(at, end - at));
    at = end + 1;
    KafkaRecord record;
    std::string partition, offset, headers;
    std::getline(fields, partition, '\x01');
    std::getline(fields, offset, '\x01');
    std::getline(fields, record.key, '\x01');
    std::getline(fields, headers, '\x01');
    std::getline(fields, record.value, '\x02');
    record.partition = std::stoi(partition);
    std::istringstream list(headers);
    for (std::string header; std::getline(list, header, ',');) {
      const size_t equals = header.find('=');
      record.headers[header.substr(0, equals)] = header.substr(equals + 1);
    }
    found.emplace(std::make_pair(record.partition, std::stoll(offset)), std::move(record));
  }
  std::vector<KafkaRecord> records;
  for (auto& [position, record] : found) records.push_back(std::move(record));
  return records;
}

std::map<int, int64_t> Broker::Committed(const std::string& group, const std::string& topic,
                                         int partitions) {
  char why[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", address_.c_str(), why, sizeof why);
  rd_kafka_conf_set(conf, "group.id", group.c_str(), why, sizeof why);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions);
  for (int p = 0; p < partitions; ++p) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), p);
  }
  const rd_kafka_resp_err_t error = rd_kafka_committed(client, list, kWaitMs);
  std::map<int, int64_t> offsets;
  for (int i = 0; i < list->cnt; ++i) {
    if (list->elems[i].offset >= 0) offsets[list->elems[i].partition] = list->elems[i].offset;
  }
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
  Check(error == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_err2str(error));
  return offsets;
}

void Broker::Signal(const std::string& name) {
  const ProcessResult result = RunProcess({kScript, "kill", dir_.Path("broker"), name});
  Check(result.exit_code == 0, result.err);
}

void Broker::Restart() {
  const ProcessResult result = RunProcess({kScript, "start", dir_.Path("broker")});
  Check(result.exit_code == 0, result.err);
}

}  // namespace vigil::testing
