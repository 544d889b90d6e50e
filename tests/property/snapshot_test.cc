// Partial matches that were written and taken back give what those that never were give: after any
// event, whole or change by change, for other numbers of shards and in both back ends.
#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "cep/base/arena.h"
#include "cep/base/encoding.h"
#include "patterns/stored_state.h"
#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"
#include "tests/support/snapshot_run.h"

namespace vigil::testing {
namespace {

RandomOptions OptionsOf(uint64_t seed) {
  RandomOptions options = RulesOfAShape(seed);
  options.events = 16;
  options.users = 3;
  return options;
}

std::vector<std::string> Uninterrupted(const LoadedCase& loaded,
                                       const std::vector<CaseEvent>& events) {
  SteppedRun run(loaded, events, 1);
  for (size_t at = 0; at < events.size();) at = run.Step(at);
  run.Finish();
  return run.TakeLines();
}

// Events in all units together: an event under several keys is in a unit of each.
size_t StoredEvents(const UnitStore& store) {
  size_t events = 0;
  store.ForEach([&](const cep::RestoredUnit& unit) {
    Arena arena;
    patterns::StoredState state;
    REQUIRE(patterns::ReadStoredState(unit.body, &arena, &state).ok());
    events += state.events.size();
  });
  return events;
}

std::vector<std::string> Sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST_CASE("PatternOperator: goes on from what it wrote after any event", "[property]") {
  int with_state = 0;
  int with_results = 0;
  ForEachSeed(3000, [&](uint64_t seed) {
    const PatternCase made = RandomCase(seed, OptionsOf(seed));
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    const std::vector<std::string> expected = Uninterrupted(loaded, made.events);
    if (!expected.empty()) ++with_results;
    UnitStore store;
    std::vector<std::string> lines;
    auto run = std::make_unique<SteppedRun>(loaded, made.events, 1);
    for (size_t at = 0; at < made.events.size();) {
      at = run->Step(at);
      for (std::string& line : run->TakeLines()) lines.push_back(std::move(line));
      run->Snapshot(&store);
      if (!store.units().empty()) ++with_state;
      run = std::make_unique<SteppedRun>(loaded, made.events, 1);
      run->Restore(store);
      CHECK(run->live_events() <= StoredEvents(store));
    }
    run->Finish();
    for (std::string& line : run->TakeLines()) lines.push_back(std::move(line));
    CHECK(lines == expected);
    run->Snapshot(&store);
    CHECK(store.units().empty() == (run->live_keys() == 0));
  });
  CHECK(with_state > 3000);
  CHECK(with_results > 500);
}

TEST_CASE("PatternOperator: other shards and other back ends take state back", "[property]") {
  ForEachSeed(1500, [&](uint64_t seed) {
    RandomOptions options = OptionsOf(seed);
    options.users = 5;
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase loaded[] = {LoadCase(made), LoadCase(made, 0), LoadCase(made, 2),
                                 LoadCase(made, patterns::kNeverGrouped)};
    if (loaded[0].rules == nullptr) return;
    INFO(Describe(seed, made));
    const std::vector<std::string> expected = Sorted(Uninterrupted(loaded[0], made.events));
    constexpr uint32_t kShards[] = {1, 3, 2, 7, 5};
    UnitStore store;
    std::vector<std::string> lines;
    size_t turn = seed;
    auto run = std::make_unique<SteppedRun>(loaded[turn % 4], made.events, kShards[turn % 5]);
    for (size_t at = 0; at < made.events.size();) {
      at = run->Step(at);
      for (std::string& line : run->TakeLines()) lines.push_back(std::move(line));
      run->Snapshot(&store);
      if ((seed + at) % 3 == 0) continue;
      ++turn;
      run = std::make_unique<SteppedRun>(loaded[turn % 4], made.events, kShards[turn % 5]);
      run->Restore(store);
    }
    run->Finish();
    for (std::string& line : run->TakeLines()) lines.push_back(std::move(line));
    CHECK(Sorted(lines) == expected);
  });
}

TEST_CASE("PatternOperator: what changed, laid over what was, is all there is", "[property]") {
  int spared = 0;
  ForEachSeed(1500, [&](uint64_t seed) {
    const PatternCase made = RandomCase(seed, OptionsOf(seed));
    const LoadedCase loaded = LoadCase(made, seed % 2 == 0 ? 2 : patterns::kGroupAbove);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    UnitStore store;
    SteppedRun run(loaded, made.events, 1);
    for (size_t at = 0; at < made.events.size();) {
      at = run.Step(at);
      if ((seed + at) % 4 == 0) continue;
      const size_t writes = store.writes();
      run.Snapshot(&store);
      UnitStore all;
      run.Export(&all);
      CHECK(store.units() == all.units());
      if (store.writes() - writes < all.writes()) ++spared;
      const size_t before = store.writes();
      run.Snapshot(&store);
      CHECK(store.writes() == before);
    }
  });
  CHECK(spared > 1500);
}

// Keys change, go, come back and split between the beginning of a snapshot and their turn.
TEST_CASE("PatternOperator: a snapshot is of when it began", "[property]") {
  int late = 0;      // snapshots during which events came
  int outdated = 0;  // ... and changed something
  ForEachSeed(3000, [&](uint64_t seed) {
    RandomOptions options = OptionsOf(seed);
    options.events = 40;
    options.users = 6;
    options.always_within = seed % 2 == 0;  // keys go
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase loaded = LoadCase(made, seed % 3 == 0 ? 2 : patterns::kGroupAbove);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    std::mt19937_64 random(seed);
    SteppedRun run(loaded, made.events, 1);
    UnitStore store;
    HeldSnapshot snapshot;
    std::optional<UnitStore> expected;
    int steps = 0;
    const auto finish = [&] {
      UnitStore now;
      run.Export(&now);
      late += steps > 0 ? 1 : 0;
      outdated += now.units() == expected->units() ? 0 : 1;
      snapshot.GiveTo(&store);
      CHECK(store.units() == expected->units());
      expected.reset();
    };
    for (size_t at = 0; at < made.events.size(); ++steps) {
      if (!expected && random() % 3 == 0) {
        run.Export(&expected.emplace());
        run.BeginSnapshot(&snapshot);
        steps = 0;
      }
      at = run.Step(at);
      if (expected && run.ContinueSnapshot(random() % 2)) finish();
    }
    if (expected) {
      CHECK(run.ContinueSnapshot(SIZE_MAX));
      finish();
    }
    run.Export(&expected.emplace());
    run.BeginSnapshot(&snapshot);
    run.Finish();
    CHECK(run.ContinueSnapshot(SIZE_MAX));
    finish();
  });
  CHECK(late > 1500);
  CHECK(outdated > 1500);
}

TEST_CASE("PatternOperator: a key has no unit when the longest within has passed", "[property]") {
  int held = 0;
  ForEachSeed(1500, [&](uint64_t seed) {
    RandomOptions options = OptionsOf(seed);
    options.always_within = true;
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    int64_t longest = 0;
    for (const rules::CompiledRule& rule : loaded.rules->rules) {
      longest = std::max(longest, rule.pattern.within_ms);
    }
    UnitStore store;
    auto run = std::make_unique<SteppedRun>(loaded, made.events, 1);
    for (size_t at = 0; at < made.events.size();) {
      at = run->Step(at);
      run->Snapshot(&store);
      if (!store.units().empty()) ++held;
      if (seed % 2 == 0) continue;
      run = std::make_unique<SteppedRun>(loaded, made.events, 1);
      run->Restore(store);
    }
    run->AdvanceTime(made.events.back().ts + longest);
    run->Snapshot(&store);
    CHECK(store.units().empty());
    CHECK(run->live_keys() == 0);
    CHECK(run->live_events() == 0);
  });
  CHECK(held > 1500);
}

PatternCase TwoOfAShape() {
  PatternCase made;
  made.fields = R"({"id":"int","ts":"int","user":"string","kind":"string","value":"int"})";
  for (const std::string limit : {"1", "2"}) {
    made.rules.push_back(R"({"rule":"r)" + limit + R"(","key":"user","pattern":[)" +
                         R"({"begin":"a","where":"value > )" + limit +
                         R"("},{"followed_by":"b","where":"value > a.value"}]})");
  }
  for (const std::string event : {R"({"id":0,"ts":10,"user":"A","kind":"a","value":2})",
                                  R"({"id":1,"ts":11,"user":"A","kind":"a","value":3})"}) {
    made.events.push_back(ParseCaseEvent(event));
  }
  return made;
}

TEST_CASE("PatternOperator: the bytes of a unit", "[property]") {
  // The second event completes the first rule's match with the first one, and starts one of both.
  PatternCase made = TwoOfAShape();
  made.events.resize(1);
  const LoadedCase loaded = LoadCase(made);
  REQUIRE(loaded.rules != nullptr);
  SteppedRun run(loaded, made.events, 1);
  run.Step(0);
  UnitStore store;
  run.Snapshot(&store);
  REQUIRE(store.units().size() == 1);
  const auto& [name, unit] = *store.units().begin();
  CHECK(std::get<1>(name) == "user");
  CHECK(std::get<2>(name) == std::string("\x04\x00\x00\x00\x01"
                                         "A",
                                         6));
  CHECK(std::get<3>(name) == "r1");
  CHECK(unit.kind.incarnation == 1);
  std::string body;
  const auto put = [&body](std::initializer_list<uint64_t> numbers) {
    for (const uint64_t n : numbers) PutVarint(n, &body);
  };
  put({1});  // format
  put({1});  // fields
  PutBytes("value", &body);
  put({1});  // partitions
  for (const char* text : {"", ""}) PutBytes(text, &body);
  put({0});
  PutBytes("case", &body);
  put({1, 20, 0, 4, 4});  // an event: partition, time, offset, an int, ...
  PutBytes(made.events[0].json, &body);
  put({0});
  put({1, 2});  // rules: of one naming, two stages
  PutBytes("a", &body);
  PutBytes("b", &body);
  put({0});           // no groups
  put({1, 1, 0});     // one range: incarnation 1
  put({1, 1, 0, 0});  // sets: one of one range, the first rule
  put({1, 1});        // states: of stage `b`
  PutBytes("", &body);
  put({0});           // partial matches
  put({1, 0, 0, 0});  // nodes: stage `a`, the first event, none before it
  put({1, 0, 0, 0});  // partial matches: the first state, set and node
  put({0});           // held
  REQUIRE(unit.parts.size() == 1);
  CHECK(unit.parts[0] == body);
}

TEST_CASE("PatternOperator: a damaged unit is refused, or taken, and never more", "[property]") {
  const PatternCase made = TwoOfAShape();
  const LoadedCase loaded = LoadCase(made);
  SteppedRun run(loaded, made.events, 1);
  run.Step(run.Step(0));
  UnitStore store;
  run.Snapshot(&store);
  int refused = 0;
  store.ForEach([&](cep::RestoredUnit unit) {
    const std::string whole(unit.body);
    for (size_t size = 0; size < whole.size(); ++size) {
      unit.body = std::string_view(whole).substr(0, size);
      SteppedRun other(loaded, made.events, 1);
      CHECK(other.Restore(unit).code() == absl::StatusCode::kDataLoss);
    }
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x15);
      unit.body = damaged;
      SteppedRun other(loaded, made.events, 1);
      if (!other.Restore(unit).ok()) {
        ++refused;
        continue;
      }
      other.Step(0);
      other.Finish();
    }
    // Of another key group, or of no key.
    unit.body = whole;
    unit.name.key_group ^= 1;
    SteppedRun other(loaded, made.events, 1);
    CHECK(other.Restore(unit).code() == absl::StatusCode::kDataLoss);
    unit.name.key_group ^= 1;
    unit.name.key_values = unit.name.key_values.substr(1);
    CHECK(other.Restore(unit).code() == absl::StatusCode::kDataLoss);
  });
  CHECK(refused > 20);
}

// A key of many partial matches, so that its unit has many segments.
TEST_CASE("PatternOperator: of a large unit only what changes is written again", "[property]") {
  PatternCase made = TwoOfAShape();
  made.rules.resize(1);
  made.events.clear();
  for (int i = 0; i < 400; ++i) {
    made.events.push_back(ParseCaseEvent(R"({"id":)" + std::to_string(i) + R"(,"ts":)" +
                                         std::to_string(i) + R"(,"user":"A","kind":")" +
                                         std::string(200, 'x') + R"(","value":)" +
                                         std::to_string(1000 - i) + "}"));
  }
  const LoadedCase loaded = LoadCase(made);
  SteppedRun run(loaded, made.events, 1);
  UnitStore store;
  size_t at = 0;
  while (at < 399) at = run.Step(at);
  run.Snapshot(&store);
  REQUIRE(store.units().size() == 1);
  const size_t parts = store.units().begin()->second.parts.size();
  CHECK(parts > 30);
  const size_t writes = store.writes();
  run.Step(at);
  run.Snapshot(&store);
  // The event's segment, and the paths, which are one or two.
  CHECK(store.writes() - writes <= 3);
}

}  // namespace
}  // namespace vigil::testing
