// A topic of Kafka as a sink, through an idempotent producer.
//
// A record is one message: the line, the key it was given, and the headers `vigil-id` (the alert's
// id; not of records that have none), `vigil-boot` and `vigil-seq`, which name the run that sent it
// and its place in the run's stream. The broker drops what a retry of the producer's would double;
// a producer that fails for good is replaced, and what it had not acknowledged is sent again.
// Tests: tests/integration/run_test.cc, against a real broker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/sink.h"
#include "io/kafka_client.h"

namespace vigil::alerts {

struct KafkaSinkOptions {
  std::string brokers;
  std::string topic;
  io::KafkaProperties properties;  // win over our defaults; `partitioner` is one of them
  std::string boot;                // names this run
  // syslog's levels; called by several threads.
  std::function<void(int level, const std::string& text)> log;
};

class KafkaSink : public Sink, private io::KafkaEvents {
 public:
  // Errors: INVALID_ARGUMENT for a property that librdkafka refuses. Brokers need not be there.
  static StatusOr<std::unique_ptr<KafkaSink>> Create(KafkaSinkOptions options);
  ~KafkaSink() override;

  Status Write(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up) override;
  Status Idle() override;
  uint64_t refused() const override { return refused_; }

 private:
  explicit KafkaSink(KafkaSinkOptions options) : options_(std::move(options)) {}
  void OnLog(int level, std::string_view text) override;
  void OnError(rd_kafka_resp_err_t error, std::string_view text) override;
  void OnDelivery(const rd_kafka_message_t& message) override;
  Status OpenProducer();
  Status Produce(Outgoing* record, const std::atomic<bool>& is_giving_up);
  void GiveUp();

  const KafkaSinkOptions options_;
  io::KafkaPtr<rd_kafka_t> producer_;
  size_t under_way_ = 0;  // messages without a delivery report
  Status failure_;        // of a message of this Write()
  bool is_fatal_ = false;
  uint64_t refused_ = 0;
};

}  // namespace vigil::alerts
