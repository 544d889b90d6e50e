// Times in numbers and texts.
#include "ingest/event_time.h"

#include <catch2/catch.hpp>

#include "ingest/time_text.h"

namespace vigil::ingest {
namespace {

TEST_CASE("EventTimeOfNumber: the floor in milliseconds, exactly", "[ingest][unit]") {
  struct Case {
    const char* text;
    TimeUnit unit;
    int64_t ms;  // INT64_MIN: refused
  };
  constexpr int64_t kRefused = INT64_MIN;
  const Case cases[] = {
      {"1700000000123", TimeUnit::kMillis, 1700000000123},
      {"1700000000123.9", TimeUnit::kMillis, 1700000000123},
      {"-1.5", TimeUnit::kMillis, -2},
      {"-0", TimeUnit::kMillis, 0},
      {"1.7e12", TimeUnit::kMillis, 1700000000000},
      {"1700000000", TimeUnit::kSeconds, 1700000000000},
      {"1700000000.123", TimeUnit::kSeconds, 1700000000123},  // 122.9999 in binary
      {"-0.0001", TimeUnit::kSeconds, -1},
      {"1700000000123456", TimeUnit::kMicros, 1700000000123},
      {"-1", TimeUnit::kMicros, -1},
      {"1700000000123456789", TimeUnit::kNanos, 1700000000123},
      {"9223372036854775807", TimeUnit::kNanos, 9223372036854},
      {"9223372036854775807", TimeUnit::kMillis, kRefused},
      {"9223372036854775807", TimeUnit::kSeconds, kRefused},
      {"1e30", TimeUnit::kNanos, kRefused},
      {"1e999999999", TimeUnit::kSeconds, kRefused},
      {"-1e999999999", TimeUnit::kSeconds, kRefused},
      {"1e-999999999", TimeUnit::kSeconds, 0},
      {"253402300799999", TimeUnit::kMillis, 253402300799999},
      {"253402300800000", TimeUnit::kMillis, kRefused},
      {"-62135596800000", TimeUnit::kMillis, -62135596800000},
      {"-62135596800001", TimeUnit::kMillis, kRefused},
      {"1", TimeUnit::kRfc3339, kRefused},
      {"01", TimeUnit::kMillis, kRefused},
      {"true", TimeUnit::kMillis, kRefused},
      {"", TimeUnit::kMillis, kRefused},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    int64_t ms = 0;
    const char* why = nullptr;
    const bool ok = EventTimeOfNumber(c.text, c.unit, &ms, &why);
    CHECK(ok == (c.ms != kRefused));
    if (ok) CHECK(ms == c.ms);
    if (!ok) CHECK(why != nullptr);
  }
}

TEST_CASE("ParseRfc3339: dates, offsets and fractions", "[ingest][unit]") {
  struct Case {
    const char* text;
    bool ok;
    int64_t seconds;
    int32_t nanos;
  };
  const Case cases[] = {
      {"1970-01-01T00:00:00Z", true, 0, 0},
      {"2023-11-14T22:13:20Z", true, 1700000000, 0},
      {"2023-11-14t22:13:20z", true, 1700000000, 0},
      {"2023-11-14 22:13:20Z", true, 1700000000, 0},
      {"2023-11-14T23:13:20.5+01:00", true, 1700000000, 500000000},
      {"2023-11-14T16:43:20-05:30", true, 1700000000, 0},
      {"1969-12-31T23:59:59.999Z", true, -1, 999000000},
      {"2000-02-29T00:00:00Z", true, 951782400, 0},
      {"2016-12-31T23:59:60Z", true, 1483228800, 0},
      {"2023-11-14T22:13:20.1234567899Z", true, 1700000000, 123456789},
      {"0001-01-01T00:00:00Z", true, -62135596800, 0},
      {"9999-12-31T23:59:59Z", true, 253402300799, 0},
      {"0001-01-01T00:00:00+01:00", false, 0, 0},
      {"0000-01-01T00:00:00Z", false, 0, 0},
      {"2001-02-29T00:00:00Z", false, 0, 0},
      {"2023-13-14T22:13:20Z", false, 0, 0},
      {"2023-11-14T24:00:00Z", false, 0, 0},
      {"2023-11-14T22:13:20", false, 0, 0},
      {"2023-11-14T22:13:20.Z", false, 0, 0},
      {"2023-11-14T22:13:20Z ", false, 0, 0},
      {"2023-11-14", false, 0, 0},
      {"2023-1-14T22:13:20Z", false, 0, 0},
      {"", false, 0, 0},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    SecondsNanos time;
    CHECK(ParseRfc3339(c.text, &time) == c.ok);
    if (!c.ok) continue;
    CHECK(time.seconds == c.seconds);
    CHECK(time.nanos == c.nanos);
  }
}

TEST_CASE("ParseDurationText: sums of numbers with units", "[ingest][unit]") {
  struct Case {
    const char* text;
    bool ok;
    int64_t seconds;
    int32_t nanos;
  };
  const Case cases[] = {
      {"10s", true, 10, 0},
      {"1h30m", true, 5400, 0},
      {"250ms", true, 0, 250000000},
      {"-1.5s", true, -1, -500000000},
      {"1m0.000001s", true, 60, 1000},
      {"3us", true, 0, 3000},
      {"7ns", true, 0, 7},
      {"0", true, 0, 0},
      {".5s", true, 0, 500000000},
      {"315576000000s", true, 315576000000, 0},
      {"315576000001s", false, 0, 0},
      {"99999999999999999999999999h", false, 0, 0},
      {"", false, 0, 0},
      {"-", false, 0, 0},
      {"10", false, 0, 0},
      {"s", false, 0, 0},
      {".s", false, 0, 0},
      {"10 s", false, 0, 0},
      {"10d", false, 0, 0},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    SecondsNanos time;
    CHECK(ParseDurationText(c.text, &time) == c.ok);
    if (!c.ok) continue;
    CHECK(time.seconds == c.seconds);
    CHECK(time.nanos == c.nanos);
  }
}

TEST_CASE("ParseTimeUnit: names what it expects", "[ingest][unit]") {
  CHECK(*ParseTimeUnit("us") == TimeUnit::kMicros);
  CHECK(ParseTimeUnit("sec").status().message() ==
        "unknown time unit `sec`: expected s, ms, us, ns or rfc3339");
}

}  // namespace
}  // namespace vigil::ingest
