// A rule's `ttl` against what it means: to a key that was silent for so long, its earlier events
// have not been.
#include <algorithm>
#include <map>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"
#include "tests/support/snapshot_run.h"

namespace vigil::testing {
namespace {

constexpr int64_t kLastId = 999'999;

std::string Field(const std::string& json, const std::string& name) {
  const std::string quoted = "\"" + name + "\":\"";
  const size_t begin = json.find(quoted) + quoted.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

// An event of a key of its own that lets all that can fall due do so, before time ends.
CaseEvent LastEvent() {
  CaseEvent last;
  last.id = kLastId;
  last.ts = 1'000'000'000;
  last.json = fmt::format(
      R"({{"id":{},"ts":{},"user":"last","peer":"last","shop":"last","kind":"none","value":0}})",
      last.id, last.ts);
  return last;
}

PatternCase WithTtl(PatternCase made, int64_t ttl) {
  for (std::string& rule : made.rules) {
    rule.pop_back();
    rule += fmt::format(R"(,"ttl":"{}ms"}})", ttl);
  }
  made.events.push_back(LastEvent());
  return made;
}

std::vector<std::string> WithoutLast(std::vector<std::string> lines) {
  std::erase_if(lines, [](const std::string& line) {
    return line.find("=" + std::to_string(kLastId)) != std::string::npos;
  });
  std::sort(lines.begin(), lines.end());
  return lines;
}

// What each stretch of a key's events without such a silence gives by itself, up to when the key is
// forgotten.
std::vector<std::string> ByStretches(const PatternCase& made, int64_t ttl, size_t* stretches) {
  const bool by_shop = made.rules[0].find(R"("key":["user","shop"])") != std::string::npos;
  std::map<std::string, std::vector<std::vector<CaseEvent>>> by_key;
  std::vector<CaseEvent> events = made.events;
  std::stable_sort(events.begin(), events.end(),
                   [](const CaseEvent& a, const CaseEvent& b) { return a.ts < b.ts; });
  for (const CaseEvent& event : events) {
    const std::string key =
        Field(event.json, "user") + (by_shop ? Field(event.json, "shop") : std::string());
    auto& of_key = by_key[key];
    if (of_key.empty() || event.ts - of_key.back().back().ts >= ttl) of_key.emplace_back();
    of_key.back().push_back(event);
  }
  const LoadedCase loaded = LoadCase(made);
  std::vector<std::string> lines;
  for (auto& [key, of_key] : by_key) {
    *stretches += of_key.size() - 1;
    for (std::vector<CaseEvent>& stretch : of_key) {
      const int64_t forgotten = stretch.back().ts + ttl;
      stretch.push_back(LastEvent());
      for (std::string& line : RunEngine(loaded, stretch, {})) {
        if (std::stoll(line) <= forgotten) lines.push_back(std::move(line));
      }
    }
  }
  return WithoutLast(std::move(lines));
}

// Cases of one key per event and without a skip strategy: what those hold back comes out when the
// key is forgotten.
bool IsPlain(const PatternCase& made) {
  return std::all_of(made.rules.begin(), made.rules.end(), [](const std::string& rule) {
    return rule.find("after_match") == std::string::npos &&
           rule.find(R"("key":"peer")") == std::string::npos;
  });
}

TEST_CASE("ttl: a silent key begins anew", "[property]") {
  size_t stretches = 0;
  size_t results = 0;
  ForEachSeed(3000, [&](uint64_t seed) {
    RandomOptions options;
    options.rules = seed % 40 == 0 ? 130 : 1 + static_cast<uint32_t>(seed % 3);
    options.events = 20;
    options.users = 3;
    const PatternCase made = RandomCase(seed, options);
    const int64_t ttl = 1 + static_cast<int64_t>(seed / 7 % 9);
    if (!IsPlain(made)) return;
    const PatternCase with_ttl = WithTtl(made, ttl);
    if (LoadCase(made).rules == nullptr) return;
    INFO("VIGIL_PROPERTY_SEED=" << seed << "\n" << with_ttl.ToString());
    const std::vector<std::string> expected = ByStretches(made, ttl, &stretches);
    for (const uint32_t group_above : {patterns::kGroupAbove, uint32_t{0}}) {
      const LoadedCase loaded = LoadCase(with_ttl, group_above);
      REQUIRE(loaded.rules != nullptr);
      CHECK(WithoutLast(RunEngine(loaded, with_ttl.events, {})) == expected);
    }
    results += expected.size();
  });
  CHECK(stretches > 1000);
  CHECK(results > 1000);
}

TEST_CASE("ttl: when a key was seen survives with its state", "[property]") {
  ForEachSeed(1000, [&](uint64_t seed) {
    RandomOptions options;
    options.rules = 1 + static_cast<uint32_t>(seed % 3);
    options.events = 16;
    const PatternCase made = WithTtl(RandomCase(seed, options), 1 + static_cast<int64_t>(seed % 9));
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO("VIGIL_PROPERTY_SEED=" << seed << "\n" << made.ToString());
    std::vector<std::string> lines[2];
    for (const bool is_interrupted : {false, true}) {
      UnitStore store;
      auto run = std::make_unique<SteppedRun>(loaded, made.events, 1);
      for (size_t at = 0; at < made.events.size();) {
        at = run->Step(at);
        for (std::string& line : run->TakeLines()) lines[is_interrupted].push_back(std::move(line));
        run->Snapshot(&store);
        if (!is_interrupted) continue;
        run = std::make_unique<SteppedRun>(loaded, made.events, 1);
        run->Restore(store);
      }
      run->Finish();
      for (std::string& line : run->TakeLines()) lines[is_interrupted].push_back(std::move(line));
      run->Snapshot(&store);
      CHECK(store.units().empty());
      CHECK(run->live_keys() == 0);
    }
    CHECK(lines[0] == lines[1]);
  });
}

TEST_CASE("ttl: a complete match that a forgotten one held back comes out") {
  PatternCase made;
  made.fields = R"({"id":"int","ts":"int","user":"string","kind":"string"})";
  made.rules = {
      R"({"rule":"r","key":"user","ttl":"5ms","after_match":"skip_past_last_event","pattern":[)"
      R"({"begin":"a","where":"kind == 'a'"},{"followed_by":"b","where":"kind == 'b'",)"
      R"("times":2},{"followed_by":"c","where":"kind == 'c' && id - a.id < 3"}]})"};
  const auto event = [](int64_t id, int64_t ts, const char* kind) {
    return CaseEvent{id, ts,
                     fmt::format(R"({{"id":{},"ts":{},"user":"u","kind":"{}"}})", id, ts, kind)};
  };
  // The first `a` stays open, since `c` is too far from it, and holds the second one's match back.
  made.events = {event(0, 1, "a"), event(1, 2, "a"), event(2, 3, "b"), event(2, 3, "b"),
                 event(3, 4, "c")};
  const LoadedCase loaded = LoadCase(made);
  REQUIRE(loaded.rules != nullptr);
  made.events.push_back(CaseEvent{4, 100, R"({"id":4,"ts":100,"user":"v","kind":"d"})"});
  CHECK(RunEngine(loaded, made.events, {}) ==
        std::vector<std::string>{"9 r match u a=1,;b=2,2,;c=3,;"});
}

}  // namespace
}  // namespace vigil::testing
