// SinkQueue and RotatingFileSink: order, limits, failing sinks, files set aside; Delivery.
#include "alerts/sink_queue.h"

#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>

#include "alerts/delivery.h"
#include "alerts/sink_rotating_file.h"
#include "tests/support/process.h"

namespace vigil::alerts {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ReadFile;
using testing::TempDir;

// What a test sees of a sink, and how it steers it.
struct Stage {
  std::mutex mutex;
  std::vector<std::string> lines;  // guarded by mutex
  std::atomic<bool> is_stuck = false;
  std::atomic<int> failures_left = 0;

  std::vector<std::string> Lines() {
    const std::lock_guard lock(mutex);
    return lines;
  }
};

class StagedSink : public Sink {
 public:
  explicit StagedSink(Stage* stage) : stage_(stage) {}
  // Delivers one record before it fails.
  Status Write(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up) override {
    while (stage_->is_stuck && !is_giving_up) std::this_thread::sleep_for(milliseconds(1));
    if (is_giving_up) return absl::CancelledError("giving up");
    for (Outgoing& record : *records) {
      if (record.is_delivered) continue;
      const std::lock_guard lock(stage_->mutex);
      stage_->lines.push_back(record.line);
      record.is_delivered = true;
      if (stage_->failures_left > 0) {
        --stage_->failures_left;
        return absl::UnavailableError("down");
      }
    }
    return absl::OkStatus();
  }

 private:
  Stage* stage_;
};

Outgoing Line(std::string line, uint64_t sequence) {
  Outgoing record;
  record.line = std::move(line);
  record.sequence = sequence;
  return record;
}

SinkQueueOptions Quick(size_t bytes_max, WhenFull when_full) {
  return {.name = "s",
          .bytes_max = bytes_max,
          .when_full = when_full,
          .backoff_min = milliseconds(1),
          .backoff_max = milliseconds(4)};
}

steady_clock::time_point Soon() { return steady_clock::now() + std::chrono::seconds(20); }

TEST_CASE("SinkQueue: a sink that fails is tried again, nothing is lost or doubled",
          "[alerts][unit]") {
  Stage stage;
  stage.failures_left = 5;
  std::atomic<int> reports = 0;
  std::atomic<bool> is_well = false;
  SinkQueue queue(Quick(1 << 20, WhenFull::kBlock), std::make_unique<StagedSink>(&stage), {},
                  [&](const std::string&, const Status& status) {
                    ++reports;
                    is_well = status.ok();
                  });
  std::vector<std::string> expected;
  for (uint64_t i = 0; i < 100; ++i) {
    expected.push_back(std::to_string(i));
    queue.Push(Line(expected.back(), i));
  }
  REQUIRE(queue.Drain(Soon()));
  CHECK(stage.Lines() == expected);
  CHECK(queue.counters().delivered == 100);
  CHECK(queue.counters().failures == 5);
  CHECK(reports >= 6);
  CHECK(is_well);
  CHECK(queue.DoneBefore(100) == 100);
}

TEST_CASE("SinkQueue: a full queue blocks or drops, as its policy says", "[alerts][unit]") {
  for (const WhenFull when_full : {WhenFull::kBlock, WhenFull::kDrop}) {
    Stage stage;
    stage.is_stuck = true;
    std::atomic<int> rooms = 0;
    SinkQueue queue(Quick(4096, when_full), std::make_unique<StagedSink>(&stage),
                    [&rooms] { ++rooms; }, {});
    uint64_t pushed = 0;
    for (; pushed < 1000 && queue.HasRoom(); ++pushed) queue.Push(Line("0123456789", pushed));
    CHECK(queue.DoneBefore(pushed) == 0);
    if (when_full == WhenFull::kBlock) {
      CHECK(pushed < 100);
      CHECK(queue.counters().dropped == 0);
    } else {
      CHECK(pushed == 1000);
      CHECK(queue.counters().dropped > 900);
    }
    CHECK(queue.counters().queued_bytes < 8192);
    stage.is_stuck = false;
    REQUIRE(queue.Drain(Soon()));
    CHECK(queue.HasRoom());
    CHECK(queue.counters().accepted == queue.counters().delivered);
    CHECK(stage.Lines().size() + queue.counters().dropped == pushed);
    if (when_full == WhenFull::kBlock) CHECK(rooms > 0);
  }
}

TEST_CASE("SinkQueue: a stuck sink does not keep the program from ending", "[alerts][unit]") {
  Stage stage;
  stage.is_stuck = true;
  SinkQueue queue(Quick(4096, WhenFull::kBlock), std::make_unique<StagedSink>(&stage), {}, {});
  queue.Push(Line("x", 0));
  CHECK_FALSE(queue.Drain(steady_clock::now() + milliseconds(20)));
}

std::vector<Outgoing> Lines(int from, int to) {
  std::vector<Outgoing> records;
  for (int i = from; i < to; ++i) records.push_back(Line("line-" + std::to_string(i), 0));
  return records;
}

TEST_CASE("RotatingFileSink: files are set aside by size, no line is cut, old ones go",
          "[alerts][unit]") {
  const TempDir dir;
  dir.Write("a.jsonl.keep", "not ours\n");
  int64_t now = 1'700'000'000'000;
  const std::atomic<bool> no = false;
  const auto sink = RotatingFileSink::Open(
      {.path = dir.Path("a.jsonl"), .size_max = 30, .age_max_ms = 0, .keep = 2, .now = [&now] {
         return now;
       }});
  REQUIRE(sink.ok());
  for (int i = 0; i < 12; ++i) {
    std::vector<Outgoing> records = Lines(10 + i, 11 + i);
    REQUIRE((*sink)->Write(&records, no).ok());
    CHECK(records[0].is_delivered);
    now += 100;
  }
  std::vector<std::string> names;
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator(dir.Path("."))) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  // 12 lines of 8 bytes, at most 4 a file; the oldest is gone only when there were more than two.
  CHECK(names == std::vector<std::string>{"a.jsonl", "a.jsonl.20231114T221320Z",
                                          "a.jsonl.20231114T221320Z-2", "a.jsonl.keep"});
  CHECK(ReadFile(dir.Path("a.jsonl")) == "line-18\nline-19\nline-20\nline-21\n");
  CHECK(ReadFile(dir.Path("a.jsonl.20231114T221320Z")) == "line-10\nline-11\nline-12\nline-13\n");
  std::vector<Outgoing> more = Lines(22, 30);
  REQUIRE((*sink)->Write(&more, no).ok());
  CHECK_FALSE(std::filesystem::exists(dir.Path("a.jsonl.20231114T221320Z")));
  CHECK(std::filesystem::exists(dir.Path("a.jsonl.keep")));
}

TEST_CASE("RotatingFileSink: by age, also when nothing comes; what is there is appended to",
          "[alerts][unit]") {
  const TempDir dir;
  const std::string path = dir.Write("a.jsonl", "before\n");
  int64_t now = 1'700'000'000'000;
  const std::atomic<bool> no = false;
  const auto sink = RotatingFileSink::Open(
      {.path = path, .size_max = 0, .age_max_ms = 60'000, .keep = 0, .now = [&now] {
         return now;
       }});
  REQUIRE(sink.ok());
  std::vector<Outgoing> records = Lines(0, 1);
  REQUIRE((*sink)->Write(&records, no).ok());
  REQUIRE((*sink)->Idle().ok());
  CHECK(ReadFile(path) == "before\nline-0\n");
  now += 60'000;
  REQUIRE((*sink)->Idle().ok());
  CHECK(ReadFile(path).empty());
  CHECK(ReadFile(path + ".20231114T221420Z") == "before\nline-0\n");
}

TEST_CASE("RotatingFileSink: a folder that is not there is an error that names the file",
          "[alerts][unit]") {
  const auto sink = RotatingFileSink::Open({.path = "/nowhere/a.jsonl", .now = {}});
  REQUIRE_FALSE(sink.ok());
  CHECK(sink.status().message().find("/nowhere/a.jsonl") != std::string::npos);
}

TEST_CASE("Delivery: each output has its own sinks; the slowest decides how far it is",
          "[alerts][unit]") {
  Stage a;
  Stage b;
  b.is_stuck = true;
  Delivery delivery(
      std::make_shared<AlertContext>(), [] {}, [](const std::string&, const Status&) {});
  delivery.AddSink("alerts", Quick(1 << 20, WhenFull::kBlock), "",
                   std::make_unique<StagedSink>(&a));
  SinkQueueOptions second = Quick(1 << 20, WhenFull::kBlock);
  second.name = "t";
  delivery.AddSink("late", second, "", std::make_unique<StagedSink>(&b));
  delivery.WriteLine("alerts", "1");
  delivery.WriteLine("late", "2");
  delivery.WriteLine("nowhere", "3");
  delivery.WriteLine("alerts", "4");
  CHECK_FALSE(delivery.Drain(steady_clock::now() + milliseconds(50)));
  CHECK(delivery.next_sequence() == 3);
  CHECK(delivery.DoneBefore() == 1);
  b.is_stuck = false;
  REQUIRE(delivery.Drain(Soon()));
  CHECK(delivery.DoneBefore() == 3);
  CHECK(a.Lines() == std::vector<std::string>{"1", "4"});
  CHECK(b.Lines() == std::vector<std::string>{"2"});
  CHECK(delivery.records_by_output().at("nowhere") == 1);
  CHECK(delivery.counters().at("t").delivered == 1);
}

}  // namespace
}  // namespace vigil::alerts
