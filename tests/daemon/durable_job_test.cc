// The end of a durable job. What it does in whole: tests/sim, tests/integration/state_test.cc.
#include "daemon/durable_job.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/daemon/durable_fixture.h"

namespace vigil::daemon {
namespace {

using namespace testing;

// Found by tests/sim: the sinks went before the last commit was written, which then knew of none
// and dropped what they had not delivered.
TEST_CASE("DurableJob: a commit that is under way at the end keeps what sinks have not delivered",
          "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  Target target;
  {
    Config config;
    config.name = "job";
    config.state.emplace();
    config.state->checkpoint_every_ms = 0;
    DurableJobOptions options;
    options.open_store = [&] { return state::OpenMemoryStore(disk); };
    options.kill_point = [](state::KillPoint) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return absl::OkStatus();
    };
    Wakeup wakeup;
    SystemClock clock;
    alerts::Delivery delivery(
        nullptr, [] {}, [](const std::string&, const Status&) {});
    auto job =
        *DurableJob::Open(config, std::move(options), &delivery, &wakeup, &QuietLog(), &clock);
    SinkConfig sink;
    sink.name = "sink";
    job->AddSink("alerts", sink, nullptr, std::make_unique<ExactTarget>(&target));
    REQUIRE(Until([&] { return job->MayCommit(); }));
    {
      const std::lock_guard lock(target.mutex);
      target.fail = 1000;
    }
    job->Start([] {});
    for (const uint64_t read : {1, 2, 3}) {
      job->state()->Add(RecordOf("alerts", "alert " + std::to_string(read)));
      REQUIRE(job->Submit(PointAt(read, static_cast<int64_t>(read)), {}).ok());
    }
  }
  const auto log = *state::CommitLog::Open(state::OpenMemoryStore(disk));
  CHECK(log->head().number == 3);
  CHECK(log->head().cursors.size() == 1);
  CHECK(log->ReadOutbox(log->head().outbox_begin, 1 << 20)->size() == 3);
}

}  // namespace
}  // namespace vigil::daemon
