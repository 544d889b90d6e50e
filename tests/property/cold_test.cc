// Keys that leave memory and come back: nothing shows of it, in results or in what is stored.
#include <algorithm>
#include <memory>
#include <optional>
#include <random>

#include <catch2/catch.hpp>

#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"
#include "tests/support/snapshot_run.h"

namespace vigil::testing {
namespace {

RandomOptions OptionsOf(uint64_t seed) {
  RandomOptions options = RulesOfAShape(seed);
  options.events = 24;
  options.users = 5;
  options.always_within = seed % 2 == 0;  // something falls due
  return options;
}

TEST_CASE("PatternOperator: keys come back as they left", "[property]") {
  int left = 0;
  int came_back = 0;
  int due = 0;  // came back because something fell due
  ForEachSeed(3000, [&](uint64_t seed) {
    const PatternCase made = RandomCase(seed, OptionsOf(seed));
    const LoadedCase loaded = LoadCase(made, seed % 3 == 0 ? 2 : patterns::kGroupAbove);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    std::mt19937_64 random(seed);
    UnitStore plain_store;
    UnitStore store;
    const StoreReader reader(&store);
    SteppedRun plain(loaded, made.events, 1);
    SteppedRun run(loaded, made.events, 1);
    run.ReadFrom(&reader);
    for (size_t at = 0; at < made.events.size();) {
      plain.Step(at);
      at = run.Step(at);
      CHECK(run.TakeLines() == plain.TakeLines());
      if (random() % 2 == 0) continue;
      plain.Snapshot(&plain_store);
      run.Snapshot(&store);
      CHECK(store.units() == plain_store.units());
      CHECK(run.live_keys() == plain.live_keys());
      run.LeaveMemory(random() % 4 == 0 ? 600 : 0);
      left += static_cast<int>(run.cold_keys());
      CHECK(run.live_keys() == plain.live_keys());
      if (random() % 4 != 0) continue;
      const size_t cold = run.cold_keys();
      const int64_t now = made.events[at - 1].ts + static_cast<int64_t>(random() % 20);
      if (at < made.events.size() && now >= made.events[at].ts) continue;
      plain.AdvanceTime(now);
      run.AdvanceTime(now);
      due += static_cast<int>(cold - run.cold_keys());
      CHECK(run.TakeLines() == plain.TakeLines());
    }
    plain.Finish();
    run.Finish();
    CHECK(run.TakeLines() == plain.TakeLines());
    plain.Snapshot(&plain_store);
    run.Snapshot(&store);
    CHECK(store.units() == plain_store.units());
    came_back += static_cast<int>(reader.reads());
  });
  CHECK(left > 5000);
  CHECK(came_back > 4000);
  CHECK(due > 100);
}

TEST_CASE("PatternOperator: keys come back while a snapshot is under way", "[property]") {
  int came_back = 0;
  int left_meanwhile = 0;
  ForEachSeed(2000, [&](uint64_t seed) {
    const PatternCase made = RandomCase(seed, OptionsOf(seed));
    const LoadedCase loaded = LoadCase(made, seed % 3 == 0 ? 2 : patterns::kGroupAbove);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    std::mt19937_64 random(seed);
    UnitStore store;
    const StoreReader reader(&store);
    SteppedRun plain(loaded, made.events, 1);
    SteppedRun run(loaded, made.events, 1);
    run.ReadFrom(&reader);
    HeldSnapshot snapshot;
    std::optional<UnitStore> expected;
    size_t reads = 0;
    const auto finish = [&] {
      came_back += static_cast<int>(reader.reads() - reads);
      snapshot.GiveTo(&store);
      CHECK(store.units() == expected->units());
      expected.reset();
      if (random() % 3 == 0) run.LeaveMemory(0);
    };
    for (size_t at = 0; at < made.events.size();) {
      if (!expected && random() % 2 == 0) {
        plain.Export(&expected.emplace());
        run.BeginSnapshot(&snapshot);
        reads = reader.reads();
      }
      plain.Step(at);
      at = run.Step(at);
      CHECK(run.TakeLines() == plain.TakeLines());
      const size_t cold = run.cold_keys();
      if (random() % 2 == 0) run.LeaveMemory(0, expected ? 1 : 0);
      left_meanwhile += static_cast<int>(expected ? run.cold_keys() - cold : 0);
      if (expected && run.ContinueSnapshot(random() % 2)) finish();
    }
    if (!expected) return;
    CHECK(run.ContinueSnapshot(SIZE_MAX));
    finish();
  });
  CHECK(came_back > 200);
  CHECK(left_meanwhile > 30);
}

TEST_CASE("PatternOperator: keys leave memory while it is restored", "[property]") {
  int left = 0;
  ForEachSeed(1000, [&](uint64_t seed) {
    const PatternCase made = RandomCase(seed, OptionsOf(seed));
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    UnitStore store;
    const StoreReader reader(&store);
    SteppedRun plain(loaded, made.events, 1);
    size_t at = 0;
    while (at < made.events.size() / 2) at = plain.Step(at);
    plain.TakeLines();
    plain.Snapshot(&store);
    SteppedRun run(loaded, made.events, 1);
    run.ReadFrom(&reader);
    store.ForEach([&](const cep::RestoredUnit& unit) {
      REQUIRE(run.Restore(unit).ok());
      run.LeaveMemory(seed % 3 == 0 ? 1500 : 0);
    });
    left += static_cast<int>(run.cold_keys());
    CHECK(run.live_keys() == plain.live_keys());
    while (at < made.events.size()) {
      plain.Step(at);
      at = run.Step(at);
    }
    plain.Finish();
    run.Finish();
    CHECK(run.TakeLines() == plain.TakeLines());
    UnitStore plain_store = store;
    plain.Snapshot(&plain_store);
    run.Snapshot(&store);
    CHECK(store.units() == plain_store.units());
  });
  CHECK(left > 500);
}

TEST_CASE("PatternOperator: what cannot be read makes the next snapshot fail", "[property]") {
  const PatternCase made = RandomCase(8, OptionsOf(8));
  const LoadedCase loaded = LoadCase(made);
  REQUIRE(loaded.rules != nullptr);
  UnitStore store;
  StoreReader reader(&store);
  SteppedRun run(loaded, made.events, 1);
  run.ReadFrom(&reader);
  size_t at = 0;
  while (run.cold_keys() == 0) {
    REQUIRE(at < made.events.size());
    at = run.Step(at);
    run.Snapshot(&store);
    run.LeaveMemory(0);
  }
  reader.error = absl::DataLossError("gone");
  run.Finish();
  UnitStore ignored = store;
  CHECK(run.TrySnapshot(&ignored).code() == absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace vigil::testing
