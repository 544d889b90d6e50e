// The reference matcher gives Flink's own answers (tests/corpus/patterns), so it may judge the
// engine.
//
// Cases that Flink refuses are skipped and counted. In cases with a stage's own `within` only the
// matches are compared: Flink has no timer for it.
#include <algorithm>
#include <fstream>
#include <memory>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/support/reference_run.h"
#include "tests/support/snapshot_run.h"

namespace vigil::testing {
namespace {

using simdjson::dom::element;

std::string Minified(element e) { return simdjson::minify(e); }

PatternCase ReadCase(element test_case) {
  PatternCase read;
  std::string rule = "{\"rule\":\"case\"";
  for (const auto [member, value] : simdjson::dom::object(test_case["rule"])) {
    if (member != "name") rule += ",\"" + std::string(member) + "\":" + Minified(value);
  }
  read.rules.push_back(rule + ",\"on_timeout\":{}}");
  read.fields = Minified(test_case["fields"]);
  int64_t newest = 0;
  for (element event : simdjson::dom::array(test_case["events"])) {
    CaseEvent parsed = ParseCaseEvent(Minified(event));
    if (parsed.ts < newest) continue;  // late
    newest = parsed.ts;
    read.events.push_back(std::move(parsed));
  }
  return read;
}

std::string EventsText(element events_by_stage) {
  std::set<std::string> stages;
  for (const auto [stage, ids] : simdjson::dom::object(events_by_stage)) {
    std::string text = std::string(stage) + "=";
    for (element id : simdjson::dom::array(ids)) text += Minified(id) + ",";
    stages.insert(text + ";");
  }
  std::string all;
  for (const std::string& text : stages) all += text;
  return all;
}

Results ExpectedResults(element expected, bool with_timeouts) {
  Results results;
  for (element match : simdjson::dom::array(expected["matches"])) {
    results.insert("match " + EventsText(match["events"]));
  }
  if (!with_timeouts) return results;
  for (element timeout : simdjson::dom::array(expected["timeouts"])) {
    results.insert("timeout " + Minified(timeout["ts"]) + " " + EventsText(timeout["events"]));
  }
  return results;
}

// `case KIND KEY REST` as `KIND REST`: the corpus names no key.
Results WithoutKeys(const Results& results, bool with_timeouts) {
  Results plain;
  for (const std::string& text : results) {
    const size_t kind = text.find(' ') + 1;
    const size_t key = text.find(' ', kind) + 1;
    const std::string kind_text = text.substr(kind, key - kind);
    if (kind_text == "timeout " && !with_timeouts) continue;
    plain.insert(kind_text + text.substr(text.find(' ', key) + 1));
  }
  return plain;
}

bool Contains(element e, std::string_view text) {
  return Minified(e).find(text) != std::string::npos;
}

TEST_CASE("Reference: Flink's matches and timeouts", "[property][corpus]") {
  const std::string family = GENERATE("sequence", "contiguity", "negation", "within", "keys",
                                      "quantifiers", "groups", "iterative", "skip", "mixed");
  std::ifstream file("tests/corpus/patterns/" + family + ".jsonl");
  REQUIRE(file.good());
  simdjson::dom::parser parser;
  int compared = 0;
  int refused = 0;
  for (std::string line; std::getline(file, line);) {
    const element test_case = parser.parse(line);
    const PatternCase read = ReadCase(test_case);
    const LoadedCase loaded = LoadCase(read);
    if (loaded.rules == nullptr) {
      ++refused;
      continue;
    }
    INFO(std::string_view(test_case["name"]) << "\n" << read.ToString());
    const bool with_timeouts = !Contains(test_case["rule"]["pattern"], "\"within\"");
    const ReferenceResults actual = RunReferenceCase(loaded, read.events);
    CHECK(WithoutKeys(actual.results, with_timeouts) ==
          ExpectedResults(test_case["expected"], with_timeouts));
    ++compared;
  }
  WARN(family << ": " << compared << " compared, " << refused << " refused");
  CHECK(compared > 0);
}

// What the engine gives if its state is written and taken back by another one after each event.
Results InterruptedResults(const LoadedCase& loaded, const std::vector<CaseEvent>& events) {
  Results results;
  UnitStore store;
  auto run = std::make_unique<SteppedRun>(loaded, events, 1);
  const auto take = [&] {
    for (const std::string& line : run->TakeLines()) {
      results.insert(line.substr(line.find(' ') + 1));
    }
  };
  for (size_t at = 0; at < events.size();) {
    at = run->Step(at);
    take();
    run->Snapshot(&store);
    run = std::make_unique<SteppedRun>(loaded, events, 1);
    run->Restore(store);
  }
  run->Finish();
  take();
  return results;
}

TEST_CASE("PatternOperator: Flink's matches and timeouts over a restart after each event",
          "[property][corpus]") {
  const std::string family = GENERATE("sequence", "contiguity", "negation", "within", "keys",
                                      "quantifiers", "groups", "iterative", "skip", "mixed");
  std::ifstream file("tests/corpus/patterns/" + family + ".jsonl");
  REQUIRE(file.good());
  simdjson::dom::parser parser;
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    const element test_case = parser.parse(line);
    const PatternCase read = ReadCase(test_case);
    const LoadedCase loaded = LoadCase(read);
    if (loaded.rules == nullptr) continue;
    INFO(std::string_view(test_case["name"]) << "\n" << read.ToString());
    const bool with_timeouts = !Contains(test_case["rule"]["pattern"], "\"within\"");
    CHECK(WithoutKeys(InterruptedResults(loaded, read.events), with_timeouts) ==
          ExpectedResults(test_case["expected"], with_timeouts));
    ++compared;
  }
  CHECK(compared > 0);
}

}  // namespace
}  // namespace vigil::testing
