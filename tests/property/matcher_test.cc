// The engine gives what the reference matcher gives, for random patterns over random streams.
//
// A failing sample prints its seed (random_case.h says how to run it again), its rule and its
// stream. Left out and counted: rules that the loader refuses, samples that grow too large for the
// reference, those whose outcome hangs on ties (ReferenceAnswer::hangs_on_ties), those
// that reach a limit of the rule (the engine may hold one partial match several times, the
// reference does not), and patterns on which Flink fails (IsErratic below). Also left out: a rule
// with a skip strategy of which something falls due exactly at the last event's time. Flink then
// takes that step by itself if the event belongs to the key, and with all that is left if it does
// not.
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"
#include "tests/support/reference_run.h"

namespace vigil::testing {
namespace {

using patterns::Stage;

// Whether the stage may be over without an event.
bool MayBeEmpty(const Stage& stage) {
  return stage.optional || stage.times_min == 0 || stage.is_negated() ||
         (stage.is_group() && std::all_of(stage.group.begin(), stage.group.end(), MayBeEmpty));
}

// Flink fails while running a pattern in which a negation stands behind a first group that may be
// empty: nothing says what it means.
bool IsErratic(const std::vector<Stage>& stages) {
  const Stage& first = stages.front();
  if (!first.is_group()) return false;
  return IsErratic(first.group) ||
         (stages.size() > 1 && stages[1].is_negated() && MayBeEmpty(first));
}

struct Tally {
  int compared = 0;
  int with_results = 0;
  int refused = 0;
  int left_out = 0;
};

void Compare(uint64_t seed, const PatternCase& made, Tally* tally) {
  const LoadedCase loaded = LoadCase(made);
  if (loaded.rules == nullptr) {
    ++tally->refused;
    return;
  }
  if (IsErratic(loaded.rules->rules[0].pattern.stages)) {
    ++tally->left_out;
    return;
  }
  INFO("VIGIL_PROPERTY_SEED=" << seed << "\n" << made.ToString());
  const ReferenceResults expected = RunReferenceCase(loaded, made.events);
  uint64_t dropped = 0;
  const Results actual = EngineResults(loaded, made.events, &dropped);
  if (expected.hangs_on_ties || expected.is_due_at_end || expected.is_too_large || dropped > 0) {
    ++tally->left_out;
    return;
  }
  CHECK(actual == expected.results);
  ++tally->compared;
  if (!expected.results.empty()) ++tally->with_results;
}

TEST_CASE("Matcher: equals the reference for random patterns and streams", "[property]") {
  constexpr uint32_t kSamples = 6000;
  Tally tally;
  ForEachSeed(kSamples, [&](uint64_t seed) { Compare(seed, RandomCase(seed, {}), &tally); });
  WARN(tally.compared << " compared, " << tally.with_results << " of them with results; "
                      << tally.refused << " refused, " << tally.left_out << " left out");
  CHECK(tally.with_results > tally.compared / 4);
}

}  // namespace
}  // namespace vigil::testing
