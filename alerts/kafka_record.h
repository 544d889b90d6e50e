// A record on its way to a Kafka topic, for both kinds of sinks.
#pragma once

#include <string>

#include "alerts/sink.h"
#include "io/kafka_client.h"

namespace vigil::alerts {

// The record itself is what the broker will never take.
bool IsRefusedForGood(rd_kafka_resp_err_t error);

// Hands the record to the producer, with its headers `vigil-id`, `vigil-boot` and `vigil-seq`
// (those that are empty are left out) and itself as what the delivery report names; its line is
// copied. Returns what librdkafka says; nothing was taken after an error.
rd_kafka_resp_err_t ProduceRecord(rd_kafka_t* producer, const std::string& topic,
                                  const std::string& boot, Outgoing* record);

}  // namespace vigil::alerts
