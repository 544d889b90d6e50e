#include "alerts/sink_queue.h"

#include <algorithm>
#include <utility>

namespace vigil::alerts {
namespace {

constexpr std::chrono::milliseconds kIdleAfter{1'000};

}  // namespace

SinkQueue::SinkQueue(SinkQueueOptions options, std::unique_ptr<Sink> sink,
                     std::function<void()> on_room,
                     std::function<void(const std::string& name, const Status&)> on_failure)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      on_room_(std::move(on_room)),
      on_failure_(std::move(on_failure)),
      thread_([this] { Work(); }) {}

SinkQueue::~SinkQueue() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  is_giving_up_ = true;
  changed_.notify_all();
  thread_.join();
}

void SinkQueue::Push(Outgoing record) {
  const size_t bytes = BytesOf(record);
  {
    const std::lock_guard lock(mutex_);
    if (options_.when_full == WhenFull::kDrop && queued_bytes_ + bytes > options_.bytes_max) {
      ++counters_.dropped;
      return;
    }
    ++counters_.accepted;
    queued_bytes_ += bytes;
    queue_.push_back(std::move(record));
  }
  changed_.notify_all();
}

bool SinkQueue::HasRoom() const {
  if (options_.when_full == WhenFull::kDrop) return true;
  const std::lock_guard lock(mutex_);
  return queued_bytes_ < options_.bytes_max;
}

bool SinkQueue::Drain(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return queue_.empty() && !is_writing_; });
}

uint64_t SinkQueue::DoneBefore(uint64_t next) const {
  const std::lock_guard lock(mutex_);
  if (is_writing_) return writing_from_;
  return queue_.empty() ? next : queue_.front().sequence;
}

SinkCounters SinkQueue::counters() const {
  const std::lock_guard lock(mutex_);
  SinkCounters counters = counters_;
  counters.queued_bytes = queued_bytes_;
  return counters;
}

// Waits for records; none when the queue is closing.
std::vector<Outgoing> SinkQueue::NextBatch() {
  std::vector<Outgoing> batch;
  std::unique_lock lock(mutex_);
  while (queue_.empty() && !is_closing_) {
    if (changed_.wait_for(lock, kIdleAfter) == std::cv_status::no_timeout) continue;
    lock.unlock();
    sink_->Idle().IgnoreError();  // what is wrong shows at the next write
    lock.lock();
  }
  if (is_closing_) return batch;
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < kBatchRecords && bytes < kBatchBytes) {
    bytes += BytesOf(queue_.front());
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  is_writing_ = true;
  writing_from_ = batch.front().sequence;
  return batch;
}

void SinkQueue::Work() {
  while (true) {
    std::vector<Outgoing> batch = NextBatch();
    if (batch.empty()) return;
    Deliver(std::move(batch));
  }
}

void SinkQueue::Deliver(std::vector<Outgoing> batch) {
  size_t bytes = 0;
  for (const Outgoing& record : batch) bytes += BytesOf(record);
  std::chrono::milliseconds backoff = options_.backoff_min;
  bool has_failed = false;
  while (!is_giving_up_) {
    const Status status = sink_->Write(&batch, is_giving_up_);
    if (status.ok()) {
      if (has_failed && on_failure_) on_failure_(options_.name, status);
      break;
    }
    if (is_giving_up_) break;
    has_failed = true;
    if (on_failure_) on_failure_(options_.name, status);
    std::unique_lock lock(mutex_);
    ++counters_.failures;
    changed_.wait_for(lock, backoff, [this] { return is_closing_; });
    backoff = std::min(2 * backoff, options_.backoff_max);
  }
  const auto delivered = static_cast<uint64_t>(std::count_if(
      batch.begin(), batch.end(), [](const Outgoing& record) { return record.is_delivered; }));
  const uint64_t refused = sink_->refused();
  bool has_room_again = false;
  {
    const std::lock_guard lock(mutex_);
    const bool was_full = queued_bytes_ >= options_.bytes_max;
    queued_bytes_ -= bytes;
    has_room_again = was_full && queued_bytes_ < options_.bytes_max;
    counters_.delivered += delivered;
    counters_.refused = refused;
  }
  if (has_room_again && on_room_) on_room_();
  {
    const std::lock_guard lock(mutex_);
    is_writing_ = false;
  }
  changed_.notify_all();
}

}  // namespace vigil::alerts
