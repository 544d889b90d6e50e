// A sink behind a bounded queue, with a thread of its own: a slow sink slows down only what it
// must.
//
// Whatever the sink fails with is tried again with a back-off, for ever. A queue that has reached
// its limit in bytes does what its policy says: kBlock tells HasRoom() false, upon which the job
// reads no more; kDrop drops new records and counts them.
// Tests: tests/alerts/sink_queue_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "alerts/sink.h"

namespace vigil::alerts {

enum class WhenFull : uint8_t { kBlock, kDrop };

struct SinkQueueOptions {
  std::string name;  // as logs and metrics call it
  size_t bytes_max = size_t{16} << 20;
  WhenFull when_full = WhenFull::kBlock;
  // How long a failed write waits before it is tried again: doubled from the first to the last.
  std::chrono::milliseconds backoff_min{100};
  std::chrono::milliseconds backoff_max{5'000};
};

struct SinkCounters {
  uint64_t accepted = 0;
  uint64_t delivered = 0;
  uint64_t dropped = 0;  // kDrop
  uint64_t refused = 0;  // by the target
  uint64_t failures = 0;
  uint64_t queued_bytes = 0;
};

// Thread safety: all may be called by any thread.
class SinkQueue {
 public:
  // `on_room` is called when there is room again; `on_failure` with what the sink failed with, and
  // with OK once it works again. Both on the sink's thread; may be empty.
  SinkQueue(SinkQueueOptions options, std::unique_ptr<Sink> sink, std::function<void()> on_room,
            std::function<void(const std::string& name, const Status&)> on_failure);
  // What has not been delivered by then is given up.
  ~SinkQueue();

  // Never waits. The limit may be passed by what one batch brings.
  void Push(Outgoing record);
  bool HasRoom() const;
  // Waits until everything is delivered, at most until `deadline`; returns whether it is.
  bool Drain(std::chrono::steady_clock::time_point deadline);
  // All records with lower sequences have been delivered, dropped or refused. `next`: what it is
  // when nothing waits.
  uint64_t DoneBefore(uint64_t next) const;

  SinkCounters counters() const;
  const std::string& name() const { return options_.name; }

 private:
  // Records given to the sink at once.
  static constexpr size_t kBatchRecords = 10'000;
  static constexpr size_t kBatchBytes = size_t{4} << 20;

  void Work();
  std::vector<Outgoing> NextBatch();
  void Deliver(std::vector<Outgoing> batch);
  static size_t BytesOf(const Outgoing& record) {
    return sizeof(Outgoing) + record.line.size() + record.id.size() + record.key.size();
  }

  const SinkQueueOptions options_;
  const std::unique_ptr<Sink> sink_;
  const std::function<void()> on_room_;
  const std::function<void(const std::string&, const Status&)> on_failure_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Outgoing> queue_;  // guarded by mutex_, as all below
  size_t queued_bytes_ = 0;     // with what the sink is writing
  bool is_writing_ = false;
  uint64_t writing_from_ = 0;  // the first sequence of what it is writing
  bool is_closing_ = false;
  SinkCounters counters_;
  std::atomic<bool> is_giving_up_ = false;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace vigil::alerts
