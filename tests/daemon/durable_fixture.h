// A state over a store of the test's own, sinks that can be made to fail, and commit points.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/durable_state.h"
#include "daemon/outbox_record.h"
#include "daemon/outbox_sink.h"
#include "state/memory_store.h"

namespace vigil::daemon::testing {

// Waits up to 10 s.
inline bool Until(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

inline Log& QuietLog() {
  static Log log(LogFormat::kText, spdlog::level::off);
  return log;
}

inline const cep::Partition& ThePartition() {
  static const cep::Partition partition{"s", "t", 0, "s/t/0"};
  return partition;
}

// `read` records of one partition, all processed.
inline std::shared_ptr<const cep::CommitPoint> PointAt(uint64_t read, int64_t watermark) {
  auto point = std::make_shared<cep::CommitPoint>();
  point->watermark = watermark;
  cep::PartitionPoint partition;
  partition.partition = &ThePartition();
  partition.next_offset = partition.waiting_from = read;
  partition.watermark = watermark;
  partition.ledger.read = partition.ledger.processed = read;
  point->partitions.push_back(std::move(partition));
  return point;
}

inline state::OutboxRecord RecordOf(const std::string& output, const std::string& line) {
  return {output, HashBytes128(line), EncodeOutboxBody({{"k", line}}, line)};
}

// A state whose sinks are those that the test adds to `sinks`.
struct OpenState {
  explicit OpenState(std::unique_ptr<state::Store> store, StateConfig config = {},
                     std::function<Status(state::KillPoint)> kill_point = {}) {
    DurableStateOptions options;
    options.log.kill_point = std::move(kill_point);
    options.config = std::move(config);
    options.config.checkpoint_every_ms = 0;
    options.log.max_outbox_bytes = max_outbox_bytes;
    options.places = [this] {
      std::vector<SinkPlace> places;
      for (const auto& sink : sinks) places.push_back(sink->place());
      return places;
    };
    options.on_commit = [this] { ++commits; };
    StatusOr<std::unique_ptr<DurableState>> opened =
        DurableState::Open(std::move(store), std::move(options), &QuietLog(), &clock);
    status = opened.status();
    if (status.ok()) state = *std::move(opened);
  }
  ~OpenState() {
    for (const auto& sink : sinks) sink->GiveUp();
    sinks.clear();
  }

  // One commit with these lines for output `out`.
  Status Commit(uint64_t read, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) state->Add(RecordOf("out", line));
    RETURN_IF_ERROR(state->Submit(PointAt(read, static_cast<int64_t>(read) * 10), {}));
    return state->Flush();
  }

  uint64_t max_outbox_bytes = uint64_t{1} << 30;
  SystemClock clock;
  std::atomic<int> commits = 0;
  Status status;
  std::unique_ptr<DurableState> state;
  std::vector<std::unique_ptr<OutboxSink>> sinks;
};

// What a target holds: lives longer than the sinks that write to it.
struct Target {
  std::mutex mutex;
  std::vector<std::string> lines;                      // guarded by mutex, as all below
  std::optional<alerts::TargetCursor> cursor;          // of a transactional one
  std::map<std::string, alerts::TargetCursor> places;  // behind each record, by its id
  int fail = 0;                                        // so many calls fail
  bool fails_after = false;                            // they fail although they have happened
  bool is_fenced = false;
  std::string refuses;  // a line that it will never take
  std::vector<std::string> Lines() {
    const std::lock_guard lock(mutex);
    return lines;
  }
};

class PlainTarget : public alerts::Sink {
 public:
  explicit PlainTarget(Target* target) : target_(target) {}
  Status Write(std::vector<alerts::Outgoing>* records, const std::atomic<bool>&) override {
    const std::lock_guard lock(target_->mutex);
    if (target_->fail > 0 && target_->fail-- > 0) return absl::UnavailableError("down");
    for (alerts::Outgoing& record : *records) {
      if (record.is_delivered) continue;
      target_->lines.push_back(record.line);
      record.is_delivered = true;
    }
    return absl::OkStatus();
  }

 private:
  Target* target_;
};

class ExactTarget : public alerts::TransactionalSink {
 public:
  explicit ExactTarget(Target* target) : target_(target) {}
  StatusOr<std::optional<alerts::TargetCursor>> Open(const std::atomic<bool>&) override {
    const std::lock_guard lock(target_->mutex);
    if (target_->fail > 0 && target_->fail-- > 0) return absl::UnavailableError("down");
    if (target_->is_fenced) return absl::AbortedError("fenced");
    return target_->cursor;
  }
  Status Deliver(std::vector<alerts::Outgoing>* records, const alerts::TargetCursor& after,
                 const std::atomic<bool>&) override {
    const std::lock_guard lock(target_->mutex);
    if (target_->is_fenced) return absl::AbortedError("fenced");
    const bool fails = target_->fail > 0 && target_->fail-- > 0;
    if (fails && !target_->fails_after) return absl::UnavailableError("down");
    if (records != nullptr) {
      for (alerts::Outgoing& record : *records) {
        if (record.line != target_->refuses || !record.refusal.empty()) continue;
        record.refusal = "too large";
        return absl::InvalidArgumentError("refused");
      }
      for (alerts::Outgoing& record : *records) {
        if (!record.refusal.empty()) continue;
        target_->lines.push_back(record.line);
        target_->places[record.id] = {std::stoull(record.boot, nullptr, 16), record.sequence + 1};
        record.is_delivered = true;
      }
    }
    target_->cursor = after;
    return fails ? absl::UnavailableError("the outcome is unknown") : absl::OkStatus();
  }
  StatusOr<std::optional<alerts::TargetCursor>> FindLast(const std::atomic<bool>&) override {
    return std::optional<alerts::TargetCursor>();
  }
  StatusOr<std::set<std::string>> FindIds(
      const std::function<bool(const alerts::TargetCursor& at)>& wanted,
      const std::atomic<bool>&) override {
    const std::lock_guard lock(target_->mutex);
    std::set<std::string> ids;
    for (const auto& [id, at] : target_->places) {
      if (wanted(at)) ids.insert(id);
    }
    return ids;
  }

 private:
  Target* target_;
};

}  // namespace vigil::daemon::testing
