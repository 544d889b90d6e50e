// librdkafka's handles, owned; and how a client is made of properties.
//
// The C API of librdkafka 2.0.2 (Debian 12). What it can and cannot do against brokers is in
// docs/operations.md, "Run".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <librdkafka/rdkafka.h>

#include "cep/base/status.h"

namespace vigil::io {

struct KafkaDeleter {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_conf_t* p) const { rd_kafka_conf_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const {
    rd_kafka_topic_partition_list_destroy(p);
  }
  void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
  void operator()(rd_kafka_error_t* p) const { rd_kafka_error_destroy(p); }
};
template <typename T>
using KafkaPtr = std::unique_ptr<T, KafkaDeleter>;

using KafkaProperties = std::map<std::string, std::string>;

// What a client says of itself and of its connection; called on a thread of librdkafka's for logs,
// on the one that polls the client for all else. The implementation must be thread safe for
// OnLog().
class KafkaEvents {
 public:
  virtual ~KafkaEvents() = default;
  virtual void OnLog(int syslog_level, std::string_view text) = 0;
  virtual void OnError(rd_kafka_resp_err_t error, std::string_view text) = 0;
  virtual void OnStatistics(std::string_view /*json*/) {}
  virtual void OnDelivery(const rd_kafka_message_t& /*message*/) {}
};

// A client of `type`. `events` is borrowed and outlives it.
//   defaults   are set first; `properties` win over them
//   forced     are set last; a property that contradicts one of them is refused
// Errors: INVALID_ARGUMENT naming the property that librdkafka refuses, and why.
StatusOr<KafkaPtr<rd_kafka_t>> MakeKafkaClient(rd_kafka_type_t type,
                                               const KafkaProperties& defaults,
                                               const KafkaProperties& properties,
                                               const KafkaProperties& forced, KafkaEvents* events);

// Whether the property says how to get to the brokers (encryption, who one is); all else is a
// producer's or a consumer's own.
bool IsKafkaAccess(std::string_view property);

// What librdkafka says of an error: "Local: Broker transport failure".
Status KafkaStatus(rd_kafka_resp_err_t error, std::string_view what);

}  // namespace vigil::io
