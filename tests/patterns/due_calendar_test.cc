// DueCalendar against a sorted list: what is due comes out once, when it is due, whatever the
// order.
#include "patterns/due_calendar.h"

#include <limits>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

namespace vigil::patterns {
namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

// Adds and takes at random, some of it far away, and compares with what should come.
void Compare(uint64_t seed, int64_t start, int64_t span) {
  std::mt19937_64 random(seed);
  const auto up_to = [&random](int64_t most) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(most + 1));
  };
  DueCalendar<int> calendar;
  calendar.Span(span);
  std::multimap<int64_t, int> expected;
  std::vector<DueCalendar<int>::Due> taken;
  int64_t now = start;
  const auto take = [&](int64_t until) {
    taken.clear();
    calendar.Take(until, &taken);
    std::multiset<std::pair<int64_t, int>> got;
    for (const auto& due : taken) got.emplace(due.at, due.what);
    const auto end = expected.upper_bound(until);
    const std::multiset<std::pair<int64_t, int>> wanted(expected.begin(), end);
    expected.erase(expected.begin(), end);
    CHECK(got == wanted);
  };
  for (int i = 0; i < 2000; ++i) {
    const int64_t draw = up_to(99);
    int64_t at = now + up_to(span);
    if (draw == 0) at = now + span * 3 + up_to(span * 1000);
    if (draw == 1) at = now - up_to(span);
    if (draw == 2) at = now;
    calendar.Add(at, i);
    expected.emplace(at, i);
    if (up_to(3) > 0) continue;
    now += draw == 3 ? up_to(span * 20) : up_to(span / 50 + 1);
    take(now);
  }
  take(kEnd);
  CHECK(expected.empty());
}

TEST_CASE("DueCalendar: what is due comes when it is due", "[patterns]") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Compare(seed, 1'700'000'000'000, 300'000);
    Compare(seed, -5'000, 700);  // around the epoch
    Compare(seed, 0, 0);
    Compare(seed, 1'700'000'000'000, int64_t{30} * 24 * 3600 * 1000);
  }
}

TEST_CASE("DueCalendar: the ends of time", "[patterns]") {
  DueCalendar<int> calendar;
  calendar.Span(1);
  calendar.Add(kEnd, 1);
  calendar.Add(std::numeric_limits<int64_t>::min(), 2);
  calendar.Add(0, 3);
  std::vector<DueCalendar<int>::Due> taken;
  calendar.Take(-1, &taken);
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].what == 2);
  taken.clear();
  calendar.Take(kEnd - 1, &taken);
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].what == 3);
  taken.clear();
  calendar.Take(kEnd, &taken);
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].what == 1);
}

TEST_CASE("DueCalendar: buckets at the beginning of time", "[patterns]") {
  constexpr int64_t kBegin = std::numeric_limits<int64_t>::min();
  DueCalendar<int> calendar;
  calendar.Span(6 * 256);  // buckets of 6 ms
  calendar.Add(kBegin + 2, 1);
  std::vector<DueCalendar<int>::Due> taken;
  calendar.Take(kBegin + 3, &taken);
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].what == 1);
}

}  // namespace
}  // namespace vigil::patterns
