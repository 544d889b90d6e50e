// What must not change the engine's results, without any reference: rules sharing a block, batch
// sizes, shards, the order of arrival; and what must be gone when nothing can come of it any more.
#include <algorithm>
#include <random>

#include <catch2/catch.hpp>

#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"

namespace vigil::testing {
namespace {

constexpr uint32_t kSamples = 1000;

// What each rule gives when it is loaded by itself.
Results AloneResults(const PatternCase& made) {
  Results results;
  for (const std::string& rule : made.rules) {
    const LoadedCase alone = LoadCase({{rule}, made.fields, made.events});
    REQUIRE(alone.rules != nullptr);
    results.merge(EngineResults(alone, made.events));
  }
  return results;
}

TEST_CASE("Matcher: rules of one shape matched together give what each gives alone", "[property]") {
  int shared = 0;
  ForEachSeed(kSamples, [&](uint64_t seed) {
    RandomOptions options;
    // Enough for an index of constants, or for more than one block, now and then.
    options.rules = seed % 20 == 0 ? 70 + seed % 80 : seed % 5 == 0 ? 10 : 5;
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase together = LoadCase(made);
    if (together.rules == nullptr) return;
    INFO(Describe(seed, made));
    CHECK(EngineResults(together, made.events) == AloneResults(made));
    if (together.patterns->blocks.size() < made.rules.size()) ++shared;
  });
  CHECK(shared > 0);
}

TEST_CASE("Job: batch sizes and shards leave the output as it is, byte for byte", "[property]") {
  ForEachSeed(kSamples, [](uint64_t seed) {
    RandomOptions options;
    options.rules = 3;
    options.users = 5;
    options.events = 24;
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    const std::vector<std::string> expected = RunEngine(loaded, made.events, {});
    for (const EngineOptions& run :
         {EngineOptions{1, 1}, EngineOptions{2, 5}, EngineOptions{7, 3}}) {
      INFO(run.shards << " shards, batches of " << run.batch_rows);
      CHECK(RunEngine(loaded, made.events, run) == expected);
    }
  });
}

// The events in an order of arrival in which none is more than `bound_ms` behind the newest.
std::vector<CaseEvent> Shuffled(std::vector<CaseEvent> events, int64_t bound_ms, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::pair<int64_t, CaseEvent>> arrivals;
  for (CaseEvent& event : events) {
    const int64_t delay = static_cast<int64_t>(random() % static_cast<uint64_t>(bound_ms + 1));
    arrivals.emplace_back(event.ts + delay, std::move(event));
  }
  std::stable_sort(arrivals.begin(), arrivals.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  events.clear();
  for (auto& [arrival, event] : arrivals) events.push_back(std::move(event));
  return events;
}

TEST_CASE("Job: the order of arrival within the disorder bound leaves the results as they are",
          "[property]") {
  constexpr int64_t kBound = 6;
  ForEachSeed(kSamples, [](uint64_t seed) {
    RandomOptions options;
    options.rules = 2;
    options.events = 20;
    options.distinct_times = true;  // equal times are put in order by position
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    const std::vector<CaseEvent> shuffled = Shuffled(made.events, kBound, seed);
    for (uint32_t batch_rows : {3u, cep::kBatchRows}) {
      CHECK(RunEngine(loaded, shuffled, {1, batch_rows, kBound}) ==
            RunEngine(loaded, made.events, {1, batch_rows, kBound}));
    }
  });
}

TEST_CASE("PatternOperator: nothing is held when the longest within has passed", "[property]") {
  int held_before = 0;
  ForEachSeed(kSamples, [&](uint64_t seed) {
    RandomOptions options;
    options.rules = 3;
    options.always_within = true;
    const PatternCase made = RandomCase(seed, options);
    const LoadedCase loaded = LoadCase(made);
    if (loaded.rules == nullptr) return;
    INFO(Describe(seed, made));
    int64_t longest = 0;
    for (const rules::CompiledRule& rule : loaded.rules->rules) {
      longest = std::max(longest, rule.pattern.within_ms);
    }
    const int64_t newest = made.events.back().ts;
    if (StateAt(loaded, made.events, newest).keys > 0) ++held_before;
    const LiveState after = StateAt(loaded, made.events, newest + longest);
    CHECK(after.keys == 0);
    CHECK(after.nodes == 0);
  });
  CHECK(held_before > 0);
}

}  // namespace
}  // namespace vigil::testing
