// A topic of Kafka as a sink that has each record exactly once for readers of committed records.
//
// Records go in transactions of a producer whose transactional.id is the sink's name. The cursor
// goes with them: as the offset that the group of the same name commits for partition 0 of the
// sink's own topic, with the boot's id as metadata, and the word `skip` behind it where the cursor
// says so. A message has the headers `vigil-id`, `vigil-boot` and `vigil-seq`. Every error but a
// fencing closes the producer: what became of its transaction, the next Open() finds out by the
// cursor. Source: KIP-98, KIP-447; with librdkafka 2.0.2 the cursor can only be read once the
// predecessor's transaction is ended, which init_transactions() does. Tests:
// tests/integration/state_test.cc, against a real broker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/sink.h"
#include "io/kafka_client.h"

namespace vigil::alerts {

struct ExactKafkaSinkOptions {
  std::string name;  // JOB/OUTPUT/NAME
  std::string brokers;
  std::string topic;
  io::KafkaProperties properties;  // win over our defaults
  // syslog's levels; called by several threads.
  std::function<void(int level, const std::string& text)> log;
};

// Thread safety: one thread drives it.
class ExactKafkaSink : public TransactionalSink, private io::KafkaEvents {
 public:
  // Errors: INVALID_ARGUMENT for a property that librdkafka refuses. Brokers need not be there.
  static StatusOr<std::unique_ptr<ExactKafkaSink>> Create(ExactKafkaSinkOptions options);
  ~ExactKafkaSink() override;

  StatusOr<std::optional<TargetCursor>> Open(const std::atomic<bool>& is_giving_up) override;
  Status Deliver(std::vector<Outgoing>* records, const TargetCursor& after,
                 const std::atomic<bool>& is_giving_up) override;
  StatusOr<std::optional<TargetCursor>> FindLast(const std::atomic<bool>& is_giving_up) override;
  StatusOr<std::set<std::string>> FindIds(const std::function<bool(const TargetCursor& at)>& wanted,
                                          const std::atomic<bool>& is_giving_up) override;

 private:
  explicit ExactKafkaSink(ExactKafkaSinkOptions options) : options_(std::move(options)) {}
  void OnLog(int level, std::string_view text) override;
  void OnError(rd_kafka_resp_err_t error, std::string_view text) override;
  void OnDelivery(const rd_kafka_message_t& message) override;

  Status OpenClients();
  StatusOr<std::optional<TargetCursor>> ReadCursor();
  Status Produce(Outgoing* record, const std::atomic<bool>& is_giving_up);
  Status ProduceAll(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up);
  Status SendCursor(const TargetCursor& after, const std::atomic<bool>& is_giving_up);
  // Repeats a call of the transactional producer while it may be; `what` names it.
  Status Retry(const char* what, const std::atomic<bool>& is_giving_up,
               const std::function<rd_kafka_error_t*()>& call);
  Status Close(Status status);
  // Calls `use` with the last `count` committed records of each partition, of each in order.
  Status ReadTopic(int64_t count, const std::atomic<bool>& is_giving_up,
                   const std::function<void(const rd_kafka_message_t&)>& use);

  const ExactKafkaSinkOptions options_;
  io::KafkaPtr<rd_kafka_t> producer_;
  io::KafkaPtr<rd_kafka_t> consumer_;  // of the sink's group, for its cursor
  size_t under_way_ = 0;               // messages without a delivery report
  bool has_refusals_ = false;          // of this Deliver()
  Status failure_;                     // of a message of this Deliver()
  bool is_fenced_ = false;
};

}  // namespace vigil::alerts
