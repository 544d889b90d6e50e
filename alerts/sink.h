// A sink: where an output's records finally go. It may be slow, fail and recover.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "cep/base/status.h"

namespace vigil::alerts {

// A record on its way to one sink.
struct Outgoing {
  std::string line;  // JSON, without a line end
  std::string id;    // 32 hexadecimal digits; empty for records that have none
  std::string key;   // of a Kafka message; counts only with has_key
  bool has_key = false;
  bool is_delivered = false;  // set by the sink
  uint64_t sequence = 0;      // in the stream of all records of this run
};

// Thread safety: one thread drives it, SinkQueue's.
class Sink {
 public:
  virtual ~Sink() = default;

  // Delivers the records that are not delivered yet, in order, and marks those that are; waits as
  // long as that takes, or until `is_giving_up`.
  // Errors: what stands in the way; the call may be repeated with the same records.
  virtual Status Write(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up) = 0;
  // Nothing came for a while.
  virtual Status Idle() { return absl::OkStatus(); }
  // Records that the target refused for good, and which are lost to it.
  virtual uint64_t refused() const { return 0; }
};

}  // namespace vigil::alerts
