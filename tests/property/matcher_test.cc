// The engine gives what the reference matcher gives, for random patterns over random streams.
//
// A failing sample prints its seed (random_case.h says how to run it again), its rule and its
// stream. What cannot be compared (compare_case.h) is left out and counted.
#include <catch2/catch.hpp>

#include "tests/support/compare_case.h"
#include "tests/support/random_case.h"

namespace vigil::testing {
namespace {

TEST_CASE("Matcher: equals the reference for random patterns and streams", "[property]") {
  constexpr uint32_t kSamples = 20000;
  int compared = 0;
  int with_results = 0;
  int refused = 0;
  int left_out = 0;
  ForEachSeed(kSamples, [&](uint64_t seed) {
    const PatternCase made = RandomCase(seed, {});
    INFO("VIGIL_PROPERTY_SEED=" << seed << "\n" << made.ToString());
    const Comparison comparison = CompareCase(made);
    switch (comparison.verdict) {
      case Verdict::kRefused:
        ++refused;
        break;
      case Verdict::kLeftOut:
        ++left_out;
        break;
      case Verdict::kCompared:
        CHECK(comparison.engine == comparison.reference);
        ++compared;
        if (!comparison.reference.empty()) ++with_results;
        break;
    }
  });
  WARN(compared << " compared, " << with_results << " of them with results; " << refused
                << " refused, " << left_out << " left out");
  CHECK(with_results > compared / 4);
  CHECK(left_out < compared / 10);
}

}  // namespace
}  // namespace vigil::testing
