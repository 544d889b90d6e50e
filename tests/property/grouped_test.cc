// Partial matches that are kept grouped give what partial matches gone through one by one give.
#include <catch2/catch.hpp>

#include "patterns/rule_block.h"
#include "tests/support/engine_run.h"
#include "tests/support/random_case.h"

namespace vigil::testing {
namespace {

// Without what keeps partial matches from being grouped, as far as a text shows it.
PatternCase Groupable(PatternCase made) {
  const auto drop = [](std::string_view from, std::string_view to, std::string* text) {
    const size_t at = text->find(from);
    if (at == std::string::npos) return;
    const size_t end = text->find(to, at);
    text->erase(at, end == std::string::npos ? std::string::npos : end + to.size() - at);
  };
  for (std::string& rule : made.rules) {
    drop(",\"on_timeout\":{", "}", &rule);
    if (const size_t at = rule.find(",\"after_match\":{"); at != std::string::npos) {
      drop(",\"after_match\":{", "}", &rule);
    } else {
      drop(",\"after_match\":\"", "\"", &rule);
    }
  }
  return made;
}

TEST_CASE("Matcher: grouped partial matches give what single ones give", "[property]") {
  int grouped = 0;
  int with_results = 0;
  ForEachSeed(10000, [&](uint64_t seed) {
    const PatternCase made =
        Groupable(RandomCase(seed, {.rules = 1 + static_cast<uint32_t>(seed % 3), .events = 16}));
    LoadedCase loaded = LoadCase(made, patterns::kNeverGrouped);
    if (loaded.rules == nullptr) return;
    const Results expected = EngineResults(loaded, made.events);
    for (const uint32_t group_above : {0u, 2u}) {
      loaded = LoadCase(made, group_above);
      INFO("VIGIL_PROPERTY_SEED=" << seed << " above " << group_above << "\n" << made.ToString());
      CHECK(EngineResults(loaded, made.events) == expected);
    }
    if (loaded.patterns->blocks[0].why_explicit.empty()) {
      ++grouped;
      with_results += expected.empty() ? 0 : 1;
    }
  });
  WARN(grouped << " could be grouped, " << with_results << " of them with results");
  CHECK(grouped > 2000);
  CHECK(with_results > grouped / 4);
}

}  // namespace
}  // namespace vigil::testing
