// The engine gives what the reference matcher gives, for random patterns over random streams.
//
// A failing sample prints its seed (random_case.h says how to run it again), its rule and its
// stream. Left out and counted: rules that the loader refuses, samples that grow too large for the
// reference, and those whose outcome hangs on ties (ReferenceAnswer::hangs_on_ties).
#include <catch2/catch.hpp>

#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"
#include "tests/support/reference_run.h"

namespace vigil::testing {
namespace {

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
