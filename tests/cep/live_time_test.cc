// LiveTime: joining, idleness, advancing by the clock, running ahead, ending.
#include "cep/time/live_time.h"

#include <random>

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

constexpr PartitionTimeOptions kOptions{.bound_ms = 2, .idle_after_ms = 100, .max_ahead_ms = 50};

// What a job does with a row: joins, judges, brings E up to date.
bool Row(LiveTime* time, uint32_t partition, int64_t ts) {
  time->Join(partition);
  const bool in_time = time->Observe(partition, ts);
  time->UpdateEngine();
  return in_time;
}

void Silence(LiveTime* time, uint32_t partition, int64_t ms) {
  for (; ms > 0; ms -= 10) time->Listen(partition, 10, true);
  time->UpdateEngine();
}

TEST_CASE("LiveTime: partitions of the start hold time back until their first row", "[cep][unit]") {
  LiveTime time(false);
  time.Add(kOptions, true);
  time.Add(kOptions, true);
  CHECK(Row(&time, 0, 1000));
  CHECK(time.engine() == kMinTime);
  CHECK(time.holder() == 1);
  CHECK(Row(&time, 1, 500));
  CHECK(time.engine() == 497);
  CHECK(Row(&time, 1, 2000));
  CHECK(time.engine() == 997);
  CHECK(time.holder() == 0);
}

TEST_CASE("LiveTime: a row is late by its own partition's watermark only", "[cep][unit]") {
  LiveTime time(false);
  time.Add(kOptions, true);
  time.Add(kOptions, true);
  Row(&time, 0, 1000);
  // E is far below, and partition 0 has passed 997 all the same.
  CHECK_FALSE(Row(&time, 0, 997));
  CHECK(Row(&time, 0, 998));
  CHECK(Row(&time, 1, 5));
}

TEST_CASE("LiveTime: one found later, or back from idleness, stands where the engine does",
          "[cep][unit]") {
  LiveTime time(false);
  time.Add(kOptions, true);
  Row(&time, 0, 1000);
  REQUIRE(time.engine() == 997);
  const uint32_t found = time.Add(kOptions, false);
  CHECK(time.watermark(found) == 997);
  CHECK_FALSE(Row(&time, found, 997));
  CHECK(Row(&time, found, 998));

  Silence(&time, found, 100);
  CHECK(time.is_idle(found));
  Row(&time, 0, 3000);
  CHECK(time.engine() == 2997);
  CHECK_FALSE(Row(&time, found, 2000));
  CHECK(Row(&time, found, 2998));
  const std::vector<TimeEvent> events = time.TakeEvents();
  REQUIRE(events.size() == 3);
  CHECK(events[0].kind == TimeEvent::Kind::kJoined);
  CHECK(events[1].kind == TimeEvent::Kind::kIdle);
  CHECK(events[2].kind == TimeEvent::Kind::kReturned);
  CHECK(events[2].watermark == 2997);
}

TEST_CASE("LiveTime: only silence in one piece makes a partition idle", "[cep][unit]") {
  LiveTime time(false);
  time.Add(kOptions, true);
  time.Add(kOptions, true);
  Row(&time, 0, 1000);
  Silence(&time, 1, 90);
  time.Listen(1, 10, false);  // the connection was lost, or we did not look
  Silence(&time, 1, 90);
  CHECK_FALSE(time.is_idle(1));
  CHECK(time.engine() == kMinTime);
  Silence(&time, 1, 10);
  CHECK(time.is_idle(1));
  CHECK(time.engine() == 997);
}

TEST_CASE("LiveTime: with every partition idle time goes on with the clock, if asked for",
          "[cep][unit]") {
  LiveTime time(true);
  LiveTime standing(false);
  for (LiveTime* t : {&time, &standing}) {
    t->Add(kOptions, true);
    t->Add(kOptions, true);
    Row(t, 0, 1000);
    Row(t, 1, 900);
    Silence(t, 0, 100);
    t->AdvanceIdle(10);
    CHECK(t->engine() == 897);  // one is still active
    Silence(t, 1, 100);
    t->AdvanceIdle(30);
  }
  CHECK(time.engine() == 997 + 30);
  CHECK(standing.engine() == 897);
  // An outage is not silence: time stands, and goes on from there.
  time.Listen(0, 10, false);
  time.AdvanceIdle(1000);
  CHECK(time.engine() == 1027);
  time.Listen(0, 10, true);
  time.AdvanceIdle(10);
  CHECK(time.engine() == 1037);
  CHECK_FALSE(Row(&time, 1, 1037));
  CHECK(Row(&time, 1, 1038));
}

TEST_CASE("LiveTime: a partition may be so far ahead of the slowest, which is never held",
          "[cep][unit]") {
  LiveTime time(false);
  time.Add(kOptions, true);
  time.Add(kOptions, true);
  Row(&time, 0, 1000);
  Row(&time, 1, 1050);
  CHECK_FALSE(time.IsAhead(1, time.slowest()));
  Row(&time, 1, 1051);
  CHECK(time.IsAhead(1, time.slowest()));
  CHECK_FALSE(time.IsAhead(0, time.slowest()));
  Silence(&time, 0, 100);
  CHECK_FALSE(time.IsAhead(1, time.slowest()));
}

TEST_CASE("LiveTime: an ended partition holds nobody by its distance; whether E waits is chosen",
          "[cep][unit]") {
  for (const bool leaves : {true, false}) {
    LiveTime time(false);
    time.Add(kOptions, true);
    time.Add(kOptions, true);
    Row(&time, 0, 1000);
    Row(&time, 1, 2000);
    time.End(0, leaves);
    time.UpdateEngine();
    CHECK_FALSE(time.IsAhead(1, time.slowest()));
    CHECK(time.engine() == (leaves ? 1997 : 997));
    time.ForceIdle(0);
    time.UpdateEngine();
    CHECK(time.engine() == 1997);
  }
}

TEST_CASE("LiveTime: no row in time is behind E, whatever comes", "[cep][property]") {
  std::mt19937 random(20240611);
  for (int run = 0; run < 200; ++run) {
    LiveTime time(run % 2 == 0);
    for (int p = 0; p < 3; ++p) time.Add(kOptions, true);
    uint32_t count = 3;
    int64_t now = 1000;
    int64_t last = kMinTime;
    for (int step = 0; step < 300; ++step) {
      const uint32_t p = random() % count;
      switch (random() % 8) {
        case 0:
          if (count < 8) time.Add(kOptions, false), ++count;
          break;
        case 1:
        case 2:
          for (uint32_t q = 0; q < count; ++q) time.Listen(q, 40, random() % 10 != 0);
          time.AdvanceIdle(40);
          time.UpdateEngine();
          break;
        default: {
          now += random() % 20;
          const int64_t ts = now - static_cast<int64_t>(random() % 30);
          const int64_t engine = time.engine();
          if (Row(&time, p, ts)) CHECK(ts > engine);
        }
      }
      CHECK(time.engine() >= last);
      last = time.engine();
      for (uint32_t q = 0; q < count; ++q) {
        if (!time.is_idle(q)) CHECK(time.engine() <= time.watermark(q));
      }
    }
  }
}

TEST_CASE("LiveTime: a row that is no mark is judged and moves nothing", "[cep][unit]") {
  LiveTime time(false);
  const uint32_t p = time.Add({.bound_ms = 0}, true);
  time.Join(p);
  CHECK(time.Observe(p, 500, false));
  CHECK(time.watermark(p) == kMinTime);
  CHECK(time.Observe(p, 100, true));  // the mark itself is in time
  CHECK(time.watermark(p) == 99);
  CHECK_FALSE(time.Observe(p, 99, false));
  CHECK_FALSE(time.Observe(p, 99, true));
  CHECK(time.watermark(p) == 99);
  CHECK(time.Observe(p, 100, false));
}

}  // namespace
}  // namespace vigil::cep
