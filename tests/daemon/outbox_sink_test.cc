// Sinks that read the outbox: from where, what a failure repeats, and what ends the job.
#include "daemon/outbox_sink.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/daemon/durable_fixture.h"

namespace vigil::daemon {
namespace {

using namespace testing;
using Strings = std::vector<std::string>;

struct Sinks {
  Sinks() {
    options.name = "job/out/x";
    options.output = "out";
    options.backoff_min = options.backoff_max = std::chrono::milliseconds(1);
    options.on_failure = [](const std::string&, const Status&) {};
    options.on_fatal = [this](const Status& status) {
      fatal = status;
      has_fatal = true;
    };
    options.on_progress = [] {};
    options.dead_letter = [this](const alerts::Outgoing& record) {
      buried.push_back(record.line);
      return true;
    };
  }
  void AddPlain(OpenState* open, Target* target) {
    open->sinks.push_back(std::make_unique<OutboxSink>(
        options, open->state.get(), std::make_unique<PlainTarget>(target), nullptr));
  }
  void AddExact(OpenState* open, Target* target) {
    open->sinks.push_back(std::make_unique<OutboxSink>(options, open->state.get(), nullptr,
                                                       std::make_unique<ExactTarget>(target)));
  }

  OutboxSinkOptions options;
  Status fatal;
  std::atomic<bool> has_fatal = false;
  Strings buried;
};

bool IsReady(const OpenState& open) { return open.sinks[0]->is_ready(); }

bool Drained(const OpenState& open) {
  return open.sinks[0]->Drain(std::chrono::steady_clock::now() + std::chrono::seconds(10));
}

TEST_CASE("OutboxSink: a record's body is what was put in, or damaged", "[daemon][unit]") {
  state::OutboxRecord record{"out", {1, 2}, EncodeOutboxBody({{"a", "1"}, {"b", ""}}, "line")};
  const alerts::Outgoing a = *DecodeOutboxRecord(record, "a");
  CHECK(a.line == "line");
  CHECK(a.has_key);
  CHECK(a.key == "1");
  CHECK(a.id == "00000000000000010000000000000002");
  CHECK(DecodeOutboxRecord(record, "b")->has_key);
  CHECK_FALSE(DecodeOutboxRecord(record, "c")->has_key);
  CHECK_FALSE(DecodeOutboxRecord(record, "")->has_key);
  for (size_t size = 0; size < record.body.size(); ++size) {
    CHECK(absl::IsDataLoss(
        DecodeOutboxRecord({"out", {1, 2}, record.body.substr(0, size)}, "a").status()));
  }
}

TEST_CASE("OutboxSink: records of its output, once, over restarts", "[daemon][unit]") {
  for (const bool is_exact : {false, true}) {
    const auto disk = state::NewMemoryDisk();
    Target target;
    Strings expected;
    for (int run = 0; run < 3; ++run) {
      Sinks sinks;
      OpenState open(state::OpenMemoryStore(disk));
      is_exact ? sinks.AddExact(&open, &target) : sinks.AddPlain(&open, &target);
      REQUIRE(Until([&] { return IsReady(open); }));
      open.state->Start();
      for (int i = 0; i < 3; ++i) {
        const std::string line = std::to_string(run) + "." + std::to_string(i);
        open.state->Add(testing::RecordOf("other", "not ours"));
        REQUIRE(open.Commit(static_cast<uint64_t>(run * 3 + i), {line}).ok());
        expected.push_back(line);
        {
          const std::lock_guard lock(target.mutex);
          target.fail = i;
        }
      }
      REQUIRE(Drained(open));
      REQUIRE(open.state->CommitPlaces().ok());
      CHECK(target.Lines() == expected);
      CHECK_FALSE(sinks.has_fatal);
      CHECK(open.state->counters().outbox_bytes == 0);
    }
  }
}

// The cursor at the target counts, not the state's copy of it, which a crash left behind.
TEST_CASE("OutboxSink: what a target has is not given to it again, whatever a failure said",
          "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  Target target;
  {
    Sinks sinks;
    OpenState open(state::OpenMemoryStore(disk));
    sinks.AddExact(&open, &target);
    REQUIRE(Until([&] { return IsReady(open); }));
    open.state->Start();
    {
      const std::lock_guard lock(target.mutex);
      target.fail = 1;
      target.fails_after = true;
    }
    REQUIRE(open.Commit(1, {"a", "b"}).ok());
    REQUIRE(Until([&] { return target.Lines().size() == 2; }));
    // The cursors of this commit may be older than what the target has: nothing is noted after it.
  }
  Sinks sinks;
  OpenState open(state::OpenMemoryStore(disk));
  sinks.AddExact(&open, &target);
  REQUIRE(Until([&] { return IsReady(open); }));
  open.state->Start();
  REQUIRE(open.Commit(2, {"c"}).ok());
  REQUIRE(Drained(open));
  CHECK(target.Lines() == Strings{"a", "b", "c"});
}

TEST_CASE("OutboxSink: a new sink begins at the end; a refused record goes elsewhere",
          "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  Target first;
  {
    Sinks sinks;
    OpenState open(state::OpenMemoryStore(disk));
    sinks.AddPlain(&open, &first);
    REQUIRE(Until([&] { return IsReady(open); }));
    {
      const std::lock_guard lock(first.mutex);
      first.fail = 1'000'000;
    }
    open.state->Start();
    REQUIRE(open.Commit(1, {"a"}).ok());
  }
  first.fail = 0;
  Target second;
  second.refuses = "c";
  Sinks sinks;
  OpenState open(state::OpenMemoryStore(disk));
  sinks.AddPlain(&open, &first);
  sinks.options.name = "job/out/y";
  sinks.AddExact(&open, &second);
  REQUIRE(Until([&] { return IsReady(open) && open.sinks[1]->is_ready(); }));
  open.state->Start();
  REQUIRE(open.Commit(2, {"b", "c", "d"}).ok());
  REQUIRE(Drained(open));
  REQUIRE(Until([&] { return second.Lines().size() == 2; }));
  CHECK(first.Lines() == Strings{"a", "b", "c", "d"});
  CHECK(second.Lines() == Strings{"b", "d"});
  CHECK(sinks.buried == Strings{"c"});
  CHECK(open.sinks[1]->counters().refused == 1);
}

TEST_CASE("OutboxSink: fenced, or ahead of the state, it ends the job", "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  Target target;
  {
    Sinks sinks;
    OpenState open(state::OpenMemoryStore(disk));
    sinks.AddExact(&open, &target);
    REQUIRE(Until([&] { return IsReady(open); }));
    open.state->Start();
    {
      const std::lock_guard lock(target.mutex);
      target.is_fenced = true;
    }
    REQUIRE(open.Commit(1, {"a"}).ok());
    REQUIRE(Until([&] { return sinks.has_fatal.load(); }));
    CHECK(absl::IsAborted(sinks.fatal));
    CHECK(target.Lines().empty());
  }
  // Another life of the target.
  target.is_fenced = false;
  target.cursor = {42, 17};
  for (const AfterRollback after : {AfterRollback::kRefuse, AfterRollback::kRedeliver}) {
    Sinks sinks;
    sinks.options.after_rollback = after;
    OpenState open(state::OpenMemoryStore(disk));
    sinks.AddExact(&open, &target);
    if (after == AfterRollback::kRefuse) {
      REQUIRE(Until([&] { return sinks.has_fatal.load(); }));
      CHECK(absl::IsFailedPrecondition(sinks.fatal));
      CHECK(std::string(sinks.fatal.message()).find("--after-rollback=redeliver") !=
            std::string::npos);
      CHECK_FALSE(IsReady(open));
      CHECK(target.cursor->boot == 42);
      continue;
    }
    REQUIRE(Until([&] { return IsReady(open); }));
    open.state->Start();
    REQUIRE(open.Commit(2, {"b"}).ok());
    REQUIRE(Drained(open));
    CHECK(target.Lines() == Strings{"a", "b"});
  }
}

// The state goes back to where nothing was raised; `b` and `c` come again, and something new.
TEST_CASE("OutboxSink: after a rollback what the target has is not delivered again, over restarts",
          "[daemon][unit]") {
  Target target;
  {
    Sinks sinks;
    OpenState open(state::OpenMemoryStore(state::NewMemoryDisk()));
    sinks.AddExact(&open, &target);
    REQUIRE(Until([&] { return IsReady(open); }));
    open.state->Start();
    REQUIRE(open.Commit(1, {"a", "b", "c"}).ok());
    REQUIRE(Drained(open));
  }
  const auto disk = state::NewMemoryDisk();
  for (const std::string& again : Strings{"b", "new", "c", "newer"}) {
    Sinks sinks;
    // Only the first start is told; the target remembers it.
    sinks.options.after_rollback =
        again == "b" ? AfterRollback::kSkipDelivered : AfterRollback::kRefuse;
    OpenState open(state::OpenMemoryStore(disk));
    sinks.AddExact(&open, &target);
    REQUIRE(Until([&] { return IsReady(open) || sinks.has_fatal; }));
    INFO(sinks.fatal);
    REQUIRE_FALSE(sinks.has_fatal);
    open.state->Start();
    REQUIRE(open.Commit(2, {again}).ok());
    REQUIRE(Drained(open));
    CHECK(target.cursor->skips);  // `a` may still come
  }
  CHECK(target.Lines() == Strings{"a", "b", "c", "new", "newer"});
}

}  // namespace
}  // namespace vigil::daemon
