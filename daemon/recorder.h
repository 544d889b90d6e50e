// Kafka topics to a file: what `vigil record` does.
//
// A record becomes one line: its JSON object with `_source`, `_topic`, `_partition` and `_offset`
// behind its fields, as `vigil replay --positions` reads them. One that is no event becomes an
// object with its bytes in `_undecodable` (base 64), so that a replay counts it as quarantined,
// too. Within a partition lines are in order; of the partitions the one whose newest record is
// oldest goes first.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "alerts/line_sink.h"
#include "cep/base/clock.h"
#include "cep/base/status.h"
#include "cep/base/wakeup.h"
#include "cep/event/batch.h"
#include "cep/runtime/live_source.h"
#include "daemon/config.h"
#include "daemon/live_sources.h"

namespace vigil::daemon {

struct RecorderOptions {
  std::string source;            // one of the configuration's; empty: all
  bool stops_at_end = false;     // as if every source had `stop: end`
  bool has_kafka_field = false;  // lines also have the field `kafka`, as conditions read it
};

// Thread safety: one thread runs it; Stop() may be called by any.
class Recorder {
 public:
  // `log` and `sink` are borrowed.
  // Errors: NOT_FOUND for a source that is not there, INVALID_ARGUMENT for properties.
  static StatusOr<std::unique_ptr<Recorder>> Create(Config config, const RecorderOptions& options,
                                                    SourceLog* log, alerts::LineSink* sink);

  // Until all sources have ended or Stop() was called.
  Status Run();
  void Stop() {
    is_stopping_ = true;
    wakeup_.Notify();
  }
  uint64_t records() const { return records_; }

 private:
  Recorder(const RecorderOptions& options, alerts::LineSink* sink)
      : options_(options), sink_(sink) {}
  StatusOr<bool> ReadSome(size_t source);
  void AppendRow(const cep::Batch& batch, uint32_t row, std::string* out) const;
  void AppendRejected(const cep::Rejected& rejected, std::string* out) const;

  const RecorderOptions options_;
  alerts::LineSink* sink_;
  SystemClock clock_;
  Wakeup wakeup_;
  std::vector<cep::LiveInput> inputs_;
  std::vector<std::vector<int64_t>> newest_s_;  // per source and partition: of its newest record
  std::unique_ptr<cep::Batch> batch_;
  uint64_t records_ = 0;
  std::atomic<bool> is_stopping_ = false;
};

}  // namespace vigil::daemon
