// One life of a simulated job, from its start to its crash or end: the real LiveJob, state, outbox
// and sinks, wired as LiveEngine wires them, over a world's sources.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "alerts/delivery.h"
#include "alerts/rejects.h"
#include "alerts/router.h"
#include "daemon/durable_job.h"
#include "daemon/running_rules.h"
#include "rules/load.h"
#include "rules/schema_file.h"
#include "tests/daemon/durable_fixture.h"
#include "tests/sim/disk.h"
#include "tests/sim/model.h"
#include "tests/sim/source.h"

namespace vigil::sim {

// What a test moves; the state's threads read it.
class SimClock : public Clock {
 public:
  int64_t SteadyMs() const override { return now_ms; }
  int64_t WallMs() const override { return kEpochMs + now_ms; }
  std::atomic<int64_t> now_ms = 0;
};

inline constexpr const char* kOutputs[] = {"alerts", "late", "errors"};
using Targets = std::map<std::string, daemon::testing::Target>;  // by output

struct LifePlan {
  uint32_t shards = 1;
  // The N-th time the state comes to this point, it stops there for good.
  state::KillPoint kill_point = state::KillPoint::kBeforeCommit;
  int kill_after = 0;  // N; 0: it never does
  bool is_last = false;
  // Of state that stays in memory; none: all.
  std::optional<uint64_t> memory_bytes;
};

// Counts units that come back.
class CountingReader : public cep::UnitReader {
 public:
  CountingReader(std::shared_ptr<const cep::UnitReader> reader, std::atomic<uint64_t>* reads)
      : reader_(std::move(reader)), reads_(*reads) {}
  cep::UnitHandle HandleOf(const cep::UnitName& name) const override {
    return reader_->HandleOf(name);
  }
  bool HasBarrier(uint64_t barrier) const override { return reader_->HasBarrier(barrier); }
  Status Read(std::span<const cep::UnitHandle> units,
              const std::function<Status(const cep::RestoredUnit&)>& take) const override {
    reads_ += units.size();
    return reader_->Read(units, take);
  }

 private:
  std::shared_ptr<const cep::UnitReader> reader_;
  std::atomic<uint64_t>& reads_;
};

inline std::shared_ptr<const rules::RuleSet> SimRules() {
  static const std::shared_ptr<const rules::RuleSet> kLoaded = [] {
    const auto schema = rules::LoadSchemaText("schema.yaml", kSchema);
    REQUIRE(schema.schema != nullptr);
    const rules::LoadResult loaded = rules::LoadRuleTexts({{"rules.yaml", kRules}}, schema.schema);
    for (const auto& d : loaded.diagnostics) UNSCOPED_INFO(rules::FormatText(d));
    REQUIRE(loaded.rules != nullptr);
    return loaded.rules;
  }();
  return kLoaded;
}

class Life {
 public:
  // All are borrowed.
  Life(const World& world, const LifePlan& plan, SimDisk* disk, Targets* targets, SimClock* clock)
      : clock_(clock) {
    daemon::Config config = MakeConfig(world);
    config.state->memory_bytes = plan.memory_bytes;
    running_ = *daemon::FollowRules(nullptr, SimRules());
    delivery_ = std::make_unique<alerts::Delivery>(
        running_->context, [] {}, [](const std::string&, const Status&) {});
    daemon::DurableJobOptions durable;
    durable.open_store = [disk] { return disk->Open(); };
    durable.kill_point = [this, plan](state::KillPoint point) -> Status {
      if (point != plan.kill_point || plan.kill_after == 0) return absl::OkStatus();
      if (++reached_ < plan.kill_after) return absl::OkStatus();
      was_killed_ = true;
      return absl::AbortedError("killed");
    };
    auto opened = daemon::DurableJob::Open(config, std::move(durable), delivery_.get(), &wakeup_,
                                           &daemon::testing::QuietLog(), clock);
    if (!opened.ok()) FAIL(opened.status().ToString());
    durable_ = *std::move(opened);
    const daemon::StoredRules stored = durable_->Fit(*running_->rules);
    running_ = *daemon::FollowRules(nullptr, SimRules(), &stored);
    router_ = std::make_unique<alerts::Router>(running_->context, durable_.get());
    rejects_ = std::make_unique<alerts::Rejects>(running_->context);
    for (const char* output : kOutputs) {
      daemon::SinkConfig sink;
      sink.name = "sim";
      durable_->AddSink(output, sink, nullptr,
                        std::make_unique<daemon::testing::ExactTarget>(&(*targets)[output]));
    }
    MakeJob(world, plan);
  }
  ~Life() {
    job_.reset();
    durable_.reset();
  }

  // One round. False once it has ended or failed.
  bool Step() {
    bool more = false;
    const bool is_fine = job_->Step(&more).ok() && durable_->status().ok();
    // The sinks' threads have to find their places first.
    if (!durable_->MayCommit()) LetOthersRun();
    return is_fine && !job_->is_done();
  }
  // The job has nothing to do that the clock alone brings about.
  void LetOthersRun() { wakeup_.Wait(1); }
  // Waits for the commit that is under way.
  void Settle() { durable_->state()->Flush().IgnoreError(); }
  bool has_failed() const { return !durable_->status().ok(); }
  bool is_done() const { return job_->is_done(); }
  bool was_killed() const { return was_killed_; }
  uint64_t came_back() const { return came_back_; }  // units, into memory
  Status status() const { return durable_->status(); }
  // As upon a signal.
  void StopCleanly() {
    job_->Stop();
    job_->Run([] {}).IgnoreError();  // a disk that fails now is a crash
  }
  bool Drain() {
    return durable_->Drain(std::chrono::steady_clock::now() + std::chrono::seconds(30));
  }

 private:
  static daemon::Config MakeConfig(const World& world) {
    daemon::Config config;
    config.name = "sim";
    config.state.emplace();
    config.state->commit_interval_ms = 20;
    // None is made, but the journal is kept whole, as if one had been.
    config.state->checkpoint_every_ms = int64_t{1} << 40;
    for (const SimSource& source : world.sources) {
      config.sources.emplace_back().name = source.name;
    }
    return config;
  }
  void MakeJob(const World& world, const LifePlan& plan) {
    cep::LiveJobOptions options;
    options.shards = plan.shards;
    options.layout = running_->rules->layout;
    options.key_exprs = running_->key_exprs;
    options.rule_keys = running_->rule_keys;
    auto resume = durable_->Resume(*running_);
    if (!resume.ok()) FAIL(resume.status().ToString());
    options.resume = *std::move(resume);
    options.make_packer = durable_->MakePackers();
    if (auto reader = durable_->MakeReader()) {
      options.unit_reader = std::make_shared<CountingReader>(std::move(reader), &came_back_);
      options.state_bytes = *plan.memory_bytes;
    }
    std::vector<cep::LiveInput> inputs;
    const ingest::CodecOptions codec{.layout = running_->rules->layout,
                                     .schema = running_->rules->schema};
    for (const SimSource& source : world.sources) {
      inputs.push_back(
          {.source = std::make_unique<SimLive>(world, source, codec, clock_, plan.is_last),
           .time = source.time,
           .max_future_ms = source.max_future_ms,
           .drains = true,
           .name = source.name});
    }
    cep::LiveJobCallbacks callbacks;
    callbacks.output = [this](const std::vector<cep::Record>& records) {
      return router_->Write(records);
    };
    callbacks.on_commit = [this](const cep::CommitPoint&, std::vector<cep::ShardChanges> changes) {
      return durable_->Submit(job_->status(), std::move(changes));
    };
    callbacks.on_barrier = [this] { durable_->Cut(); };
    callbacks.has_room = [this] { return durable_->HasRoom(); };
    callbacks.is_commit_due = [this](int64_t since_ms) { return durable_->IsCommitDue(since_ms); };
    callbacks.may_commit = [this] { return durable_->MayCommit(); };
    callbacks.on_time_event = [](const cep::TimeEvent&, const cep::Partition&) {};
    const int64_t resumed_at = options.resume ? options.resume->watermark : cep::kMinTime;
    const auto make_operator = [remake = running_->Remake(), resumed_at] {
      std::unique_ptr<cep::Operator> made = remake(nullptr);
      auto* op = static_cast<patterns::RunningOperator*>(made.get());
      op->KeepChanges();
      if (resumed_at != cep::kMinTime) op->ResumeAt(resumed_at);
      return made;
    };
    job_ = std::make_unique<cep::LiveJob>(std::move(options), std::move(inputs), make_operator,
                                          running_->MakeBuilders(), rejects_.get(),
                                          std::move(callbacks), clock_, &wakeup_);
    const Status started = job_->Start();
    if (!started.ok()) FAIL(started.ToString());
    durable_->Start([this] { job_->AskForBarrier(); });
  }

  SimClock* clock_;
  std::atomic<int> reached_ = 0;
  std::atomic<bool> was_killed_ = false;
  std::atomic<uint64_t> came_back_ = 0;
  Wakeup wakeup_;
  std::shared_ptr<const daemon::RunningRules> running_;
  std::unique_ptr<alerts::Delivery> delivery_;
  std::unique_ptr<daemon::DurableJob> durable_;
  std::unique_ptr<alerts::Router> router_;
  std::unique_ptr<alerts::Rejects> rejects_;
  std::unique_ptr<cep::LiveJob> job_;
};

}  // namespace vigil::sim
