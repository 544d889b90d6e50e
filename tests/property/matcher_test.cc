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

struct Corrected {
  std::string_view why;
  std::string rule;
  std::vector<std::string> events;
  Results results;
};

TEST_CASE("Matcher: what it once got wrong", "[property]") {
  const std::vector<Corrected> corrected = {
      {"until ends a greedy stage that is left out behind not_followed_by",
       R"({"rule":"r","key":"user","pattern":[{"begin":"a","where":"kind == 'a'"},)"
       R"({"not_followed_by":"x","where":"kind == 'x'"},)"
       R"({"followed_by":"b","where":"kind == 'b'","times":"0..","greedy":true,"until":"value == 9"},)"
       R"({"followed_by":"c","where":"kind == 'c'"}],"on_timeout":{}})",
       {R"({"id":1,"ts":1,"user":"A","peer":"A","kind":"a","value":1})",
        R"({"id":2,"ts":2,"user":"A","peer":"A","kind":"c","value":9})"},
       {"r match A a=1,;c=2,;"}},
      {"until of a group whose stages all have keys of their own",
       R"({"rule":"r","key":"user","pattern":[{"begin":"g","times":"1..","until":"kind == 'b'",)"
       R"("group":[{"begin":"a","key":"peer"}]}],"on_timeout":{}})",
       {R"({"id":1,"ts":1,"user":"A","peer":"A","kind":"a","value":1})",
        R"({"id":2,"ts":2,"user":"A","peer":"A","kind":"b","value":1})"},
       {"r match A a=1,;"}},
  };
  for (const Corrected& once : corrected) {
    PatternCase made;
    made.fields =
        R"({"id":"int","ts":"int","user":"string","peer":"string","kind":"string","value":"int"})";
    made.rules = {once.rule};
    for (const std::string& event : once.events) made.events.push_back(ParseCaseEvent(event));
    INFO(once.why);
    const Comparison comparison = CompareCase(made);
    REQUIRE(comparison.verdict == Verdict::kCompared);
    CHECK(comparison.engine == once.results);
    CHECK(comparison.reference == once.results);
  }
}

}  // namespace
}  // namespace vigil::testing
