// The engine gives what the reference matcher gives, for random patterns over random streams.
//
// A failing sample prints its seed (random_case.h says how to run it again), its rule and its
// stream. Left out and counted: rules that the loader refuses, samples that grow too large for the
// reference, those whose outcome hangs on ties (ReferenceAnswer::hangs_on_ties), and a few patterns
// whose outcome nothing specifies (IsErratic below).
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"
#include "tests/support/reference_run.h"

namespace vigil::testing {
namespace {

using patterns::Contiguity;
using patterns::Stage;

bool IsOptional(const Stage& stage) { return stage.optional || stage.times_min == 0; }

// Whether nothing but optional stages stands between a `not_followed_by` and `stage`.
bool IsBehindNegation(const std::vector<Stage>& stages, size_t stage) {
  while (stage-- > 0) {
    if (stages[stage].contiguity == Contiguity::kNotFollowedBy) return true;
    if (!IsOptional(stages[stage])) return false;
  }
  return false;
}

bool AnyWithinFrom(const std::vector<Stage>& stages, size_t first) {
  return std::any_of(stages.begin() + static_cast<ptrdiff_t>(first), stages.end(),
                     [](const Stage& stage) { return stage.within_ms > 0; });
}

// Patterns on which the flink-semantics notes are silent and Flink's own compiler is erratic. It
// copies states in and behind an optional stage that follows a `not_followed_by`, and behind a
// greedy stage with `until`: the copies have no step bound, and some lack the greedy guard.
bool IsErratic(const patterns::Pattern& pattern) {
  const std::vector<Stage>& stages = pattern.stages;
  for (size_t i = 0; i < stages.size(); ++i) {
    const bool lifts_negation = IsOptional(stages[i]) && IsBehindNegation(stages, i);
    if (lifts_negation && stages[i].greedy) return true;
    const bool copies = lifts_negation || (stages[i].greedy && stages[i].until != nullptr);
    if (copies && AnyWithinFrom(stages, lifts_negation ? i : i + 1)) return true;
  }
  return false;
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
  if (IsErratic(loaded.rules->rules[0].pattern)) {
    ++tally->left_out;
    return;
  }
  const ReferenceResults expected = RunReferenceCase(loaded, made.events);
  if (expected.hangs_on_ties || expected.is_too_large) {
    ++tally->left_out;
    return;
  }
  INFO("VIGIL_PROPERTY_SEED=" << seed << "\n" << made.ToString());
  CHECK(EngineResults(loaded, made.events) == expected.results);
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
