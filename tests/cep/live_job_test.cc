// LiveJob with sources and clocks of the test's own: what is read when, who waits for whom, and
// that every record ends in one place.
#include "cep/runtime/live_job.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/cep/live_job_support.h"

namespace vigil::cep {
namespace {

using namespace testing;

using Strings = std::vector<std::string>;

TEST_CASE("LiveJob: rows come out in order of time, and the rest when all has ended",
          "[cep][unit]") {
  for (const uint32_t shards : {1U, 3U}) {
    auto* source = new FakeLive("s");
    source->AddPartition();
    source->AddPartition();
    Setup setup;
    setup.options.shards = shards;
    Driver driver({source}, setup);
    source->Push(0, {{10, "a"}, {30, "b"}, {50, "c"}});
    source->Push(1, {{20, "d"}, {40, "e"}});
    driver.RunFor(300);
    if (shards == 1) CHECK(driver.out == Strings{"a@10", "d@20", "b@30"});  // E = 39
    source->End(0);
    source->End(1);
    driver.RunFor(300);
    CHECK(driver.out == Strings{"a@10", "d@20", "b@30", "e@40", "c@50"});
    REQUIRE(driver.job->is_done());
    CHECK(driver.points.back().is_final);
    CHECK(driver.points.back().watermark == kMaxTime);
    CHECK(driver.points.back().total().IsClosed());
    CHECK(driver.points.back().total().processed == 5);
  }
}

TEST_CASE("LiveJob: a commit point names what still waits", "[cep][unit]") {
  for (const uint32_t shards : {1U, 2U}) {
    auto* source = new FakeLive("s");
    source->AddPartition();
    source->AddPartition();
    Setup setup;
    setup.options.shards = shards;
    Driver driver({source}, setup);
    source->Push(0, {{10, "a"}, {60, "b"}, {1, "late"}, {0, ""}, {70, "c"}});
    source->Push(1, {{40, "d"}});
    driver.RunFor(1000);
    driver.job->Stop();
    REQUIRE(driver.job->Run([] {}).ok());
    const CommitPoint& point = driver.points.back();
    CHECK(point.watermark == 39);
    REQUIRE(point.partitions.size() == 2);
    CHECK(point.partitions[0].next_offset == 5);
    CHECK(point.partitions[0].waiting_from == 1);
    CHECK(point.partitions[0].waiting == std::vector<uint64_t>{1, 4});
    CHECK(point.partitions[0].ledger.late == 1);
    CHECK(point.partitions[0].ledger.quarantined == 1);
    CHECK(point.partitions[0].ledger.waiting == 2);
    CHECK(point.partitions[0].ledger.processed == 1);
    CHECK(point.partitions[1].waiting == std::vector<uint64_t>{0});
    CHECK(point.partitions[1].waiting_from == 0);
    CHECK(point.total().IsClosed());
    // Stopping is no end of time.
    CHECK(std::count(driver.out.begin(), driver.out.end(), "a@10") == 1);
    CHECK(std::count(driver.out.begin(), driver.out.end(), "b@60") == 0);
  }
}

TEST_CASE("LiveJob: what runs ahead stays in its queue until the slowest follows", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  source->AddPartition();
  Setup setup;
  setup.time.max_ahead_ms = 100;
  Driver driver({source}, setup);
  std::vector<Input> ahead;
  for (int i = 0; i < 1000; ++i) ahead.push_back({1000 + i, "a"});
  source->Push(0, ahead);
  source->Push(1, {{1000, "b"}});
  driver.RunFor(500);
  // A group at most is read beyond the limit.
  CHECK(source->live(0).next_offset <= 101 + 2 * 128);
  CHECK(source->live(0).has_rows);
  source->Push(1, {{1999, "b"}});
  driver.RunFor(500);
  CHECK(source->live(0).next_offset == 1000);
}

TEST_CASE("LiveJob: a silent partition stops holding time back; an outage is no silence",
          "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  source->AddPartition();
  Driver driver({source});
  source->Push(0, {{10, "a"}, {20, "b"}});
  source->live(0).is_connected = false;  // so that it is not idle itself
  source->live(1).is_connected = false;
  driver.RunFor(5000);
  CHECK(driver.out.empty());
  CHECK(driver.points.back().holder == 1);
  source->live(1).is_connected = true;
  driver.RunFor(900);
  CHECK(driver.out.empty());
  driver.RunFor(400);
  CHECK(driver.out == Strings{"a@10"});
  // Back with something old: it stands where the engine does.
  source->Push(1, {{15, "old"}, {25, "new"}});
  driver.RunFor(100);
  CHECK(std::count(driver.out.begin(), driver.out.end(), "late@15") == 1);
  REQUIRE_FALSE(driver.events.empty());
  CHECK(driver.events.back().kind == TimeEvent::Kind::kReturned);
  // It says at which record, whatever else was read before the next barrier.
  driver.RunFor(5000);
  source->Push(1, {{30, "again"}, {31, "more"}, {32, "more"}});
  driver.RunFor(100);
  CHECK(driver.events.back().kind == TimeEvent::Kind::kReturned);
  CHECK(driver.events.back().offset == 2);
}

TEST_CASE("LiveJob: silence counts only as far as answers prove it", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  source->AddPartition();
  Driver driver({source});
  source->Push(0, {{10, "a"}, {20, "b"}});
  driver.RunFor(500);
  // Nothing answers any more, and nobody has noticed yet.
  source->answers = false;
  driver.RunFor(5000);
  CHECK(driver.events.empty());
  source->live(0).is_connected = false;  // so that it is not idle itself
  source->answers = true;
  driver.RunFor(1000);
  CHECK(driver.out == Strings{"a@10"});
}

TEST_CASE("LiveJob: time that we did not listen is not silence", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  source->AddPartition();
  Driver driver({source});
  source->Push(0, {{10, "a"}, {20, "b"}});
  source->live(0).is_connected = false;  // so that it is not idle itself
  driver.RunFor(100);
  driver.has_room = false;
  driver.RunFor(5000);
  driver.has_room = true;
  driver.RunFor(500);
  CHECK(driver.out.empty());
  driver.RunFor(1000);
  CHECK(driver.out == Strings{"a@10"});
}

TEST_CASE("LiveJob: without room at the outputs nothing is read", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  Driver driver({source});
  driver.has_room = false;
  source->Push(0, {{10, "a"}, {20, "b"}});
  driver.RunFor(500);
  CHECK(source->live(0).next_offset == 0);
  driver.has_room = true;
  driver.RunFor(50);
  CHECK(source->live(0).next_offset == 2);
}

TEST_CASE("LiveJob: an event from a broken clock is quarantined and moves no time", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  Driver driver({source});
  const int64_t now = driver.clock.wall;
  const int64_t future = now + 2 * 24 * 3'600'000LL;
  source->Push(0, {{now, "a"}, {future, "far"}, {now + 60'000, "near"}});
  driver.RunFor(500);
  source->End(0);
  driver.RunFor(500);
  CHECK(driver.points.back().partitions[0].ledger.quarantined == 1);
  CHECK(driver.points.back().partitions[0].ledger.late == 0);
  const std::string text = "bad#1 its time " + std::to_string(future);
  CHECK(std::any_of(driver.out.begin(), driver.out.end(),
                    [&](const std::string& line) { return line.rfind(text, 0) == 0; }));
  CHECK(driver.points.back().total().IsClosed());
}

TEST_CASE("LiveJob: rows that wait take bounded memory; the slowest is read on", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  source->AddPartition();
  Setup setup;
  setup.options.waiting_bytes_max = 1 << 20;
  setup.time.max_ahead_ms = 1'000'000'000;
  Driver driver({source}, setup);
  std::vector<Input> ahead;
  for (int i = 0; i < 50'000; ++i) ahead.push_back({1000 + i, std::string(200, 'a')});
  source->Push(0, ahead);
  source->Push(1, {{1000, "b"}});
  driver.RunFor(500);
  const uint64_t read = source->live(0).next_offset;
  CHECK(read > 1000);
  CHECK(read < 10'000);
  source->Push(1, {{100'000, "b"}});
  driver.RunFor(500);
  CHECK(source->live(0).next_offset == 50'000);
}

TEST_CASE("LiveJob: without `drain` time stays where it stood at the end", "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  source->AddPartition();
  Setup setup;
  setup.drains = false;
  Driver driver({source}, setup);
  source->Push(0, {{10, "a"}, {30, "b"}});
  source->Push(1, {{20, "c"}});
  source->End(0);
  source->End(1);
  driver.RunFor(500);
  REQUIRE(driver.job->is_done());
  CHECK(driver.out == Strings{"a@10"});
  CHECK(driver.points.back().watermark == 19);
  CHECK(driver.points.back().total().waiting == 2);
  CHECK(driver.points.back().total().IsClosed());
}

TEST_CASE("LiveJob: a change runs while nothing is under way", "[cep][unit]") {
  for (const uint32_t shards : {1U, 2U}) {
    auto* source = new FakeLive("s");
    source->AddPartition();
    Setup setup;
    setup.options.shards = shards;
    Driver driver({source}, setup);
    source->Push(0, {{10, "a"}, {20, "b"}});
    driver.RunFor(100);
    int64_t at = 0;
    size_t seen = 0;
    source->Push(0, {{30, "c"}});
    driver.job->AtBarrier([&](LiveJob* job) {
      at = job->watermark();
      seen = driver.points.size();
      return absl::OkStatus();
    });
    driver.RunFor(100);
    CHECK(at == 19);
    CHECK(seen > 0);
    CHECK(driver.points[seen - 1].watermark == 19);
  }
}

// Rows that wait are decoded again for the new layout, and go through the new rules.
TEST_CASE("LiveJob: a swap to another layout loses no row that waits, and none comes twice",
          "[cep][unit]") {
  for (const uint32_t shards : {1U, 3U}) {
    auto* source = new FakeLive("s");
    source->AddPartition();
    source->AddPartition();
    Setup setup;
    setup.options.shards = shards;
    setup.time.bound_ms = 20;
    Driver driver({source}, setup);
    source->Push(0, {{10, "a"}, {50, "b"}, {55, "c"}});
    source->Push(1, {{45, "d"}, {52, "gone"}, {60, "e"}});
    driver.RunFor(300);  // E = 34: all but `a` wait
    // Shards with threads of their own answer in their own time.
    for (int i = 0; i < 2000 && driver.points.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      driver.RunFor(10);
    }
    REQUIRE_FALSE(driver.points.empty());
    REQUIRE(driver.points.back().total().waiting == 5);
    source->refused_again = "gone";
    auto layout = std::make_shared<Layout>();
    layout->Add("first", Type(TypeKind::kString));
    layout->Add("key", Type(TypeKind::kString));
    driver.job->AtBarrier([&](LiveJob* job) {
      LiveRules rules;
      rules.layout = layout;
      rules.key_exprs = {{1}};
      rules.rule_keys = {{0}};
      rules.remake = [](Operator* before) -> std::unique_ptr<Operator> {
        REQUIRE(before != nullptr);
        return std::make_unique<EchoOperator>(1, "new ");
      };
      rules.make_sink = [] { return std::make_unique<EchoSink>(); };
      REQUIRE_FALSE(job->KeepsRows(rules));
      return job->Swap(std::move(rules));
    });
    driver.RunFor(50);
    source->layout_slot = 1;
    source->Push(0, {{70, "f"}});
    source->End(0);
    source->End(1);
    driver.RunFor(600);
    CHECK(driver.job->is_done());
    CHECK(driver.out == Strings{"a@10", "bad#1 bad now", "new d@45", "new b@50", "new c@55",
                                "new e@60", "new f@70"});
    const Ledger total = driver.points.back().total();
    CHECK(total.IsClosed());
    CHECK(total.read == 7);
    CHECK(total.processed == 6);
    CHECK(total.quarantined == 1);
    CHECK(total.waiting == 0);
  }
}

TEST_CASE("LiveJob: a swap that keeps the columns keeps the rows that wait as they are",
          "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  Setup setup;
  setup.time.bound_ms = 20;
  Driver driver({source}, setup);
  source->Push(0, {{10, "a"}, {50, "b"}});
  driver.RunFor(300);
  source->refused_again = "b";  // would show that it was decoded again
  driver.job->AtBarrier([](LiveJob* job) {
    LiveRules rules;
    auto layout = std::make_shared<Layout>();
    layout->Add("key", Type(TypeKind::kString));
    rules.layout = layout;
    rules.key_exprs = {{0}};
    rules.rule_keys = {{0}};
    rules.remake = [](Operator*) -> std::unique_ptr<Operator> {
      return std::make_unique<EchoOperator>(0, "new ");
    };
    rules.make_sink = [] { return std::make_unique<EchoSink>(); };
    REQUIRE(job->KeepsRows(rules));
    return job->Swap(std::move(rules));
  });
  source->End(0);
  driver.RunFor(300);
  CHECK(driver.out == Strings{"a@10", "new b@50"});
  CHECK(driver.points.back().total().IsClosed());
}

TEST_CASE("LiveJob: records that were deleted before they were read are counted, and told",
          "[cep][unit]") {
  auto* source = new FakeLive("s");
  source->AddPartition();
  Driver driver({source});
  source->Push(0, {{10, "a"}});
  driver.RunFor(300);
  source->live(0).lost = 5;
  source->live(0).next_offset += 5;
  driver.RunFor(300);
  CHECK(driver.points.back().total().lost == 5);
  source->live(0).lost += 1;
  source->live(0).next_offset += 1;
  source->Push(0, {{20, "b"}});
  source->End(0);
  driver.RunFor(300);
  REQUIRE(driver.job->is_done());
  CHECK(driver.out ==
        Strings{"bad#1 lost: the records from 1 to 5 were deleted before they were read",
                "bad#6 lost: the records from 6 to 6 were deleted before they were read", "a@10",
                "b@20"});
  const Ledger total = driver.points.back().total();
  CHECK(total.IsClosed());
  CHECK(total.read == 8);
  CHECK(total.lost == 6);
  CHECK(total.processed == 2);
}

}  // namespace
}  // namespace vigil::cep
