// Commits behind a live job: what a full or broken disk does, and that nothing leaves before it is
// durable.
#include "daemon/durable_state.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "state/chunk.h"
#include "state/rocksdb_store.h"
#include "tests/daemon/durable_fixture.h"
#include "tests/state/faulty_env.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

using namespace testing;
using state::testing::Fault;
using vigil::testing::TempDir;

TEST_CASE("DurableState: positions, watermark, journal and rules come back as they were committed",
          "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  {
    OpenState open(state::OpenMemoryStore(disk));
    open.state->Start();
    open.state->SetRuleSet({"v1", "rules"});
    auto point = std::make_shared<cep::CommitPoint>(*PointAt(10, 500));
    point->newest_ts = 600;
    cep::PartitionPoint& partition = point->partitions[0];
    partition.waiting = {7, 9};
    partition.is_idle = true;
    partition.last = {true, 9, {1, 2}};
    partition.ledger.processed = 7;
    partition.ledger.lost = 1;
    point->time_events.push_back({cep::TimeEvent::Kind::kIdle, 0, 400, 300});
    state::ChunkWriter units;
    units.Put("unit", 0, "body");
    REQUIRE(open.state->Submit(point, {{3, units.Take()}}).ok());
    REQUIRE(open.state->Flush().ok());
    CHECK(open.state->Committed() == point);
    CHECK(open.state->counters().live_bytes == 12);  // "unit", its part's number, "body"
    CHECK(open.state->counters().chunk_bytes > 12);
    CHECK(Until([&] { return open.commits == 1; }));
  }
  OpenState open(state::OpenMemoryStore(disk));
  const state::CommitHead& found = open.state->found();
  CHECK(found.number == 1);
  CHECK(found.watermark == 500);
  CHECK(found.newest_ts == 600);
  CHECK(found.rule_set_version == "v1");
  REQUIRE(found.positions.size() == 1);
  const state::PartitionPosition& position = found.positions[0];
  CHECK(position.next_offset == 10);
  CHECK(position.lowest_waiting() == 7);
  CHECK(position.waiting.Contains(9));
  CHECK_FALSE(position.waiting.Contains(8));
  CHECK(position.is_idle);
  CHECK(position.watermark == 500);
  CHECK(position.fingerprint == Hash128{1, 2});
  CHECK(position.fingerprint_offset == 9);
  CHECK(position.ledger == state::PartitionLedger{10, 7, 0, 0, 0, 1});
  const auto journal = *open.state->log().ReadJournal();
  REQUIRE(journal.size() == 1);
  CHECK(journal[0].second.kind == static_cast<uint64_t>(JournalKind::kIdle));
  CHECK(journal[0].second.watermark == 300);
}

TEST_CASE("DurableState: the end of time is a drained commit without watermarks",
          "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  {
    OpenState open(state::OpenMemoryStore(disk));
    open.state->Start();
    REQUIRE(open.state->Submit(PointAt(4, cep::kMaxTime), {}).ok());
    REQUIRE(open.state->Flush().ok());
    REQUIRE(open.state->CommitPlaces().ok());  // stays drained
  }
  OpenState open(state::OpenMemoryStore(disk));
  CHECK(open.state->found().number == 2);
  CHECK(open.state->found().is_drained);
  CHECK_FALSE(open.state->found().watermark.has_value());
  CHECK_FALSE(open.state->found().positions[0].watermark.has_value());
}

// A disk that fails at any write: what had been reported durable is there afterwards, what was not
// shown is not, and the job is told.
TEST_CASE("DurableState: a full or failing disk ends the job with what was durable kept",
          "[daemon][unit]") {
  for (const Fault fault : {Fault::kNoSpace, Fault::kWriteError, Fault::kSyncError}) {
    for (const int skip : {0, 1, 3, 7}) {
      const TempDir dir;
      const auto files = std::make_shared<state::testing::FaultyFileSystem>();
      const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
      state::RocksDbOptions rocksdb;
      rocksdb.env = env.get();
      uint64_t shown = 0;
      {
        auto store = state::OpenRocksDbStore(dir.Path("state"), rocksdb);
        REQUIRE(store.ok());
        OpenState open(*std::move(store));
        open.state->Start();
        REQUIRE(open.Commit(1, {"a"}).ok());
        files->Set(fault, skip);
        Status status;
        for (uint64_t i = 2; i < 40 && status.ok(); ++i) status = open.Commit(i, {"b"});
        REQUIRE_FALSE(status.ok());
        if (fault == Fault::kNoSpace) CHECK(absl::IsResourceExhausted(status));
        CHECK(open.state->IsCommitDue(0));  // so that the job comes by, and is told
        CHECK_FALSE(open.state->HasRoom());
        CHECK_FALSE(open.state->Submit(PointAt(50, 50), {}).ok());
        shown = open.state->end();
        files->Set(Fault::kNone);
      }
      auto store = state::OpenRocksDbStore(dir.Path("state"), rocksdb);
      REQUIRE(store.ok());
      OpenState open(*std::move(store));
      REQUIRE(open.status.ok());
      // The commit that failed may have happened after all; no other one.
      CHECK(open.state->found().outbox_end >= shown);
      CHECK(open.state->found().outbox_end <= shown + 1);
      CHECK(open.state->found().positions[0].next_offset >= static_cast<int64_t>(shown));
    }
  }
}

TEST_CASE("DurableState: an interval stretches, and one commit is under way at most",
          "[daemon][unit]") {
  StateConfig config;
  config.commit_interval_ms = 100;
  config.min_pause_ms = 50;
  OpenState open(state::OpenMemoryStore(state::NewMemoryDisk()), config);
  CHECK_FALSE(open.state->IsCommitDue(99));
  CHECK(open.state->IsCommitDue(100));
  // Not begun: what was submitted waits.
  REQUIRE(open.state->Submit(PointAt(1, 1), {}).ok());
  CHECK_FALSE(open.state->IsCommitDue(10'000));
  CHECK(open.state->Committed() == nullptr);
  CHECK(open.state->end() == 0);
  open.state->Start();
  REQUIRE(open.state->Flush().ok());
  CHECK_FALSE(open.state->IsCommitDue(100));  // the pause
  CHECK(Until([&] { return open.state->IsCommitDue(100); }));
}

TEST_CASE("DurableState: a commit that takes too long ends the job", "[daemon][unit]") {
  std::atomic<bool> is_held = true;
  StateConfig config;
  config.commit_timeout_ms = 30;
  OpenState open(state::OpenMemoryStore(state::NewMemoryDisk()), config, [&](state::KillPoint) {
    while (is_held) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return absl::OkStatus();
  });
  open.state->Start();
  CHECK(open.state->status().ok());
  REQUIRE(open.state->Submit(PointAt(1, 10), {}).ok());
  CHECK(absl::IsDeadlineExceeded(open.state->Flush()));
  CHECK(absl::IsDeadlineExceeded(open.state->status()));
  CHECK(open.state->is_stuck());
  // One waits behind it; whoever comes then is told.
  CHECK(absl::IsDeadlineExceeded(open.state->Submit(PointAt(2, 20), {})));
  is_held = false;
  CHECK(Until([&] { return !open.state->is_stuck(); }));
  // It stays so: the job has been told that it ends.
  CHECK(absl::IsDeadlineExceeded(open.state->status()));
}

}  // namespace
}  // namespace vigil::daemon
