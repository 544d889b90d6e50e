// A live job of a test's own: sources, clocks, operators and sinks that do what they are told.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "cep/runtime/live_job.h"

namespace vigil::cep::testing {

class ManualClock : public Clock {
 public:
  int64_t SteadyMs() const override { return now; }
  int64_t WallMs() const override { return wall; }
  // Shards read it to see what takes their time.
  std::atomic<int64_t> now = 0;
  std::atomic<int64_t> wall = 1'000'000;
};

struct Input {
  int64_t ts;
  std::string key;  // empty: a record that cannot be decoded
};

class FakeLive : public LiveSource {
 public:
  explicit FakeLive(std::string name) : name_(std::move(name)) {}

  size_t AddPartition(bool at_start = true) {
    ids_.push_back({name_, "t", static_cast<uint32_t>(ids_.size()),
                    name_ + "/t/" + std::to_string(ids_.size())});
    queues_.emplace_back();
    live_.push_back({.partition = &ids_.back(), .at_start = at_start, .is_connected = true});
    Update(live_.size() - 1);
    return live_.size() - 1;
  }
  void Push(size_t partition, std::vector<Input> inputs) {
    for (Input& input : inputs) queues_[partition].push_back(std::move(input));
    Update(partition);
  }
  void End(size_t partition) {
    ends_.insert(partition);
    Update(partition);
  }
  LivePartition& live(size_t partition) { return live_[partition]; }

  const Clock* clock = nullptr;
  bool answers = true;

  Status Start(Wakeup*) override { return absl::OkStatus(); }
  Status Serve() override {
    for (LivePartition& live : live_) {
      if (live.is_connected && answers) live.answered_ms = clock->SteadyMs();
    }
    return absl::OkStatus();
  }
  bool has_started() const override { return true; }
  bool has_ended() const override { return !live_.empty() && ends_.size() == live_.size(); }
  const std::vector<LivePartition>& partitions() const override { return live_; }
  size_t Read(size_t partition, size_t max, Batch* batch) override {
    size_t count = 0;
    for (; count < max && !queues_[partition].empty(); ++count) {
      const Input& input = queues_[partition].front();
      const uint64_t offset = live_[partition].next_offset++;
      if (input.key.empty()) {
        batch->rejected.push_back({&ids_[partition], offset, batch->rows, "bad", ""});
      } else {
        batch->ts[batch->rows] = input.ts;
        keys_.push_back(input.key);
        batch->columns[layout_slot].Set(batch->rows, Value::String(keys_.back()));
        batch->offsets[batch->rows] = offset;
        batch->partitions[batch->rows] = &ids_[partition];
        batch->raw[batch->rows] = keys_.back();
        ++batch->rows;
      }
      queues_[partition].pop_front();
    }
    Update(partition);
    return count;
  }
  const std::vector<int64_t>& append_times() const override { return append_times_; }
  void DecodeAgain(const Batch& from, const uint32_t* rows, size_t count, Batch* to) override {
    for (size_t i = 0; i < count; ++i) {
      if (from.raw[rows[i]] == refused_again) {
        to->rejected.push_back(
            {from.partitions[rows[i]], from.offsets[rows[i]], to->rows, "bad now", ""});
        continue;
      }
      to->ts[to->rows] = from.ts[rows[i]];
      const auto slot = static_cast<size_t>(to->layout->Find("key"));
      to->columns[slot].Set(to->rows, Value::String(from.raw[rows[i]]));
      to->offsets[to->rows] = from.offsets[rows[i]];
      to->partitions[to->rows] = from.partitions[rows[i]];
      to->raw[to->rows] = from.raw[rows[i]];
      ++to->rows;
    }
  }
  std::string refused_again;
  size_t layout_slot = 0;  // of `key`
  void Publish(const std::vector<uint64_t>&) override {}

 private:
  void Update(size_t partition) {
    live_[partition].has_rows = !queues_[partition].empty();
    live_[partition].is_at_end = queues_[partition].empty();
    live_[partition].has_ended = ends_.count(partition) > 0 && queues_[partition].empty();
  }

  std::string name_;
  std::deque<Partition> ids_;
  std::deque<std::deque<Input>> queues_;
  std::vector<LivePartition> live_;
  std::set<size_t> ends_;
  std::deque<std::string> keys_;
  std::vector<int64_t> append_times_;
};

// A record for every row that the operator sees.
class EchoOperator : public Operator {
 public:
  explicit EchoOperator(size_t key_slot = 0, std::string head = "")
      : key_slot_(key_slot), head_(std::move(head)) {}
  void ProcessRows(const OrderedBlock& rows, MatchSink* out) override {
    for (uint32_t r = 0; r < rows.rows; ++r) {
      if (rows.key_hashes[0][r] == kNoKey) continue;
      Match match;
      match.instant = rows.ts[r];
      match.at = rows.ts[r];
      const std::string key = head_ + std::string(rows.columns[key_slot_].strings()[r]);
      match.key = key;
      out->OnMatch(match);
    }
  }
  void AdvanceTime(int64_t, MatchSink*) override {}

 private:
  size_t key_slot_;
  std::string head_;
};

class EchoSink : public RecordSink {
 public:
  void OnMatch(const Match& match) override {
    Record record;
    record.instant = match.instant;
    record.has_rule = true;
    record.key = std::string(match.key);
    record.id = HashBytes128(record.key + std::to_string(match.at));
    record.head = record.key + "@" + std::to_string(match.at);
    records_.push_back(std::move(record));
  }
  bool WantsRuleError(uint32_t, std::string_view) override { return false; }
  void OnRuleError(const RuleError&) override {}
  std::vector<Record> Take() override { return std::exchange(records_, {}); }

 private:
  std::vector<Record> records_;
};

class PlainRejects : public RejectRenderer {
 public:
  Record RenderLate(const Batch& batch, uint32_t row, int64_t) override {
    Record record;
    record.kind = RecordKind::kLate;
    record.head = "late@" + std::to_string(batch.ts[row]);
    return record;
  }
  Record RenderRejected(const Rejected& rejected, int64_t) override {
    Record record;
    record.kind = RecordKind::kError;
    record.head = "bad#" + std::to_string(rejected.offset) + " " + rejected.reason;
    return record;
  }
};

struct Setup {
  LiveJobOptions options;
  PartitionTimeOptions time{.bound_ms = 0, .idle_after_ms = 1000, .max_ahead_ms = 10'000};
  bool drains = true;
};

// A job that a test drives round by round.
class Driver {
 public:
  explicit Driver(std::vector<FakeLive*> sources, Setup setup = {}) {
    auto layout = std::make_shared<Layout>();
    layout->Add("key", Type(TypeKind::kString));
    setup.options.layout = layout;
    setup.options.key_exprs = {{0}};
    setup.options.rule_keys = {{0}};
    std::vector<LiveInput> inputs;
    for (FakeLive* source : sources) {
      source->clock = &clock;
      inputs.push_back(
          {std::unique_ptr<LiveSource>(source), setup.time, 60'000, setup.drains, "s"});
    }
    LiveJobCallbacks callbacks;
    callbacks.output = [this](std::vector<Record> records) {
      for (const Record& record : records) out.push_back(record.head);
      return absl::OkStatus();
    };
    callbacks.on_commit = [this](const CommitPoint& point, std::vector<ShardChanges>) {
      points.push_back(point);
      out_at.push_back(out.size());
      return absl::OkStatus();
    };
    callbacks.has_room = [this] { return has_room; };
    callbacks.on_time_event = [this](const TimeEvent& event, const Partition&) {
      events.push_back(event);
    };
    job = std::make_unique<LiveJob>(
        std::move(setup.options), std::move(inputs),
        [] { return std::make_unique<EchoOperator>(); },
        [] { return std::make_unique<EchoSink>(); }, &rejects, std::move(callbacks), &clock,
        &wakeup);
    REQUIRE(job->Start().ok());
  }

  // Rounds for `ms`, every 10 ms.
  void RunFor(int64_t ms) {
    for (int64_t end = clock.now + ms; clock.now < end && !job->is_done(); clock.now += 10) {
      for (bool more = true; more && !job->is_done();) REQUIRE(job->Step(&more).ok());
    }
  }

  ManualClock clock;
  Wakeup wakeup;
  PlainRejects rejects;
  std::vector<std::string> out;
  std::vector<CommitPoint> points;
  std::vector<size_t> out_at;  // by point: so much of `out` came before it
  std::vector<TimeEvent> events;
  bool has_room = true;
  std::unique_ptr<LiveJob> job;
};

}  // namespace vigil::cep::testing
