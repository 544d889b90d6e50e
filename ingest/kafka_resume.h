// Whether Kafka's partitions still hold what a former run read of them.
//
// A topic can have been deleted and made anew under its name, or records deleted before they were
// read: going on from an offset would then lose events or read others in their place, silently.
// Tests: tests/integration/state_test.cc, against a real broker.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "cep/runtime/live_source.h"
#include "io/kafka_client.h"

namespace vigil::ingest {

// Of its timestamp, key and value.
Hash128 FingerprintOf(const rd_kafka_message_t& message);

struct KafkaResumeOptions {
  std::string source;  // its name, for messages
  io::KafkaProperties defaults;
  io::KafkaProperties properties;
  io::KafkaProperties forced;
  int request_ms = 5'000;
  bool accepts_loss = false;
  std::function<bool()> is_stopping;
  std::function<void(const std::string& text)> warn;
};

// Compares each of `partitions`, which exist, with what is there; where something is lost and that
// is accepted, `from` becomes the oldest offset, and `replaced` says whether it is another
// partition under the same name. Waits for brokers. FAILED_PRECONDITION naming all that is lost,
// UNAVAILABLE if brokers do not answer.
Status CheckResume(rd_kafka_t* client, const KafkaResumeOptions& options,
                   std::vector<cep::ResumeFrom>* partitions, std::vector<bool>* replaced);

}  // namespace vigil::ingest
