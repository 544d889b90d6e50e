// Flink CEP's own answers (tests/corpus/patterns), case by case through `vigil replay`.
//
// A case's rule runs with `on_timeout`, so that timeouts come out too. Matches and timeouts are
// compared as sets of events by stage, as flink-semantics says: Vigil reports a distinct one once.
// In cases with a stage's own `within` only the matches are compared, because Flink has no timer
// for it.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/support/process.h"

namespace vigil {
namespace {

using simdjson::dom::element;

std::string Minified(element e) { return simdjson::minify(e); }

// `a=1,2;b=3;`, stages by name.
std::string EventsText(element events_by_stage, bool are_ids) {
  std::map<std::string, std::string> stages;
  for (const auto [stage, events] : simdjson::dom::object(events_by_stage)) {
    std::string& text = stages[std::string(stage)];
    for (element event : simdjson::dom::array(events)) {
      text += Minified(are_ids ? event : element(event["id"])) + ",";
    }
  }
  std::string all;
  for (const auto& [stage, text] : stages) all += stage + "=" + text + ";";
  return all;
}

struct Answer {
  bool refused = false;
  std::set<std::string> matches;
  std::set<std::string> timeouts;  // with the time
};

Answer ExpectedAnswer(element expected) {
  Answer answer;
  bool is_error = false;
  if (expected["error"].get(is_error) == simdjson::SUCCESS && is_error) {
    answer.refused = true;
    return answer;
  }
  for (element match : simdjson::dom::array(expected["matches"])) {
    answer.matches.insert(EventsText(match["events"], true));
  }
  for (element timeout : simdjson::dom::array(expected["timeouts"])) {
    answer.timeouts.insert(Minified(timeout["ts"]) + " " + EventsText(timeout["events"], true));
  }
  return answer;
}

// The case's rule as a rule file; JSON is YAML.
std::string RuleFile(element rule) {
  std::string text = "{\"version\":1,\"rules\":[{\"rule\":" + Minified(rule["name"]);
  for (const auto [key, value] : simdjson::dom::object(rule)) {
    if (key != "name") text += ",\"" + std::string(key) + "\":" + Minified(value);
  }
  return text + ",\"on_timeout\":{\"to\":[\"timeouts\"]}}]}";
}

Answer VigilAnswer(const testing::TempDir& dir, element test_case) {
  const std::string rule = dir.Write("rule.yaml", RuleFile(test_case["rule"]));
  const std::string schema =
      dir.Write("schema.yaml", "{\"fields\":" + Minified(test_case["fields"]) + "}");
  std::string lines;
  for (element event : simdjson::dom::array(test_case["events"])) lines += Minified(event) + "\n";
  const std::string events = dir.Write("events.jsonl", lines);
  const testing::ProcessResult run =
      testing::RunProcess({testing::VigilBinary(), "replay", "-r", rule, "--schema", schema,
                           "--time-field", "ts", "--disorder", "0s", "-o", "-", events});
  Answer answer;
  answer.refused = run.exit_code == 1;
  INFO(run.err);
  REQUIRE((run.exit_code == 0 || run.exit_code == 1));
  simdjson::dom::parser parser;
  std::istringstream stream(run.out);
  for (std::string line; std::getline(stream, line);) {
    const element alert = parser.parse(line);
    const std::string_view kind = alert["kind"];
    if (kind == "late" || kind == "error") continue;
    const std::string events_text = EventsText(alert["events"], false);
    if (kind == "timeout") {
      answer.timeouts.insert(Minified(alert["at"]) + " " + events_text);
    } else {
      answer.matches.insert(events_text);
    }
  }
  return answer;
}

bool UsesStageWithin(element rule) {
  return simdjson::minify(element(rule["pattern"])).find("\"within\"") != std::string::npos;
}

void RunFamily(const std::string& path) {
  testing::TempDir dir;
  simdjson::dom::parser parser;
  std::ifstream file(path);
  REQUIRE(file.good());
  for (std::string line; std::getline(file, line);) {
    const element test_case = parser.parse(line);
    const Answer expected = ExpectedAnswer(test_case["expected"]);
    const Answer actual = VigilAnswer(dir, test_case);
    INFO("case " << std::string_view(test_case["name"]));
    CHECK(actual.refused == expected.refused);
    CHECK(actual.matches == expected.matches);
    if (!UsesStageWithin(test_case["rule"])) CHECK(actual.timeouts == expected.timeouts);
  }
}

// The names in tests/corpus/patterns/extra/differs.txt.
std::set<std::string> DifferingCases() {
  std::set<std::string> names;
  std::ifstream file("tests/corpus/patterns/extra/differs.txt");
  REQUIRE(file.good());
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') names.insert(line);
  }
  return names;
}

TEST_CASE("Replay: where Flink's answer hangs on ties, the differences are those listed",
          "[corpus]") {
  testing::TempDir dir;
  simdjson::dom::parser parser;
  std::set<std::string> listed = DifferingCases();
  std::ifstream file("tests/corpus/patterns/extra/order-dependent.jsonl");
  REQUIRE(file.good());
  for (std::string line; std::getline(file, line);) {
    const element test_case = parser.parse(line);
    const Answer expected = ExpectedAnswer(test_case["expected"]);
    const Answer actual = VigilAnswer(dir, test_case);
    const bool is_equal =
        actual.matches == expected.matches &&
        (UsesStageWithin(test_case["rule"]) || actual.timeouts == expected.timeouts);
    const std::string name{std::string_view(test_case["name"])};
    INFO("case " << name);
    CHECK(is_equal == (listed.erase(name) == 0));
  }
  CHECK(listed.empty());
}

TEST_CASE("Replay: Flink's matches, timeouts and refusals", "[corpus]") {
  const std::string family = GENERATE("sequence", "contiguity", "negation", "within", "keys",
                                      "quantifiers", "groups", "iterative", "skip", "mixed");
  RunFamily("tests/corpus/patterns/" + family + ".jsonl");
}

}  // namespace
}  // namespace vigil
