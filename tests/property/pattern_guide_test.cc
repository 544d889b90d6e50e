// Every example of the guide's pattern reference: the engine and the reference matcher give the
// matches that its tables show.
//
// An example is a block ```yaml pattern, keys of a rule with each value on its line, and the tables
// below it. The notation of events, and what a stage without `where` means, is the guide's own
// (docs/rule-language.md, "Pattern reference").
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/support/compare_case.h"

namespace vigil::testing {
namespace {

constexpr std::string_view kFields =
    R"({"id":"int","ts":"int","user":"string","peer":"string","kind":"string","value":"int"})";

// The end of the brackets that are open at `from`.
size_t EndOfBrackets(const std::string& text, size_t from) {
  int depth = 0;
  for (size_t i = from; i < text.size(); ++i) {
    if (text[i] == '{' || text[i] == '[') ++depth;
    if ((text[i] == '}' || text[i] == ']') && depth-- == 0) return i;
  }
  return text.size();
}

// Gives stages without `where` the condition that their names stand for.
std::string WithConditions(std::string pattern) {
  for (const std::string keyword : {"{begin: ", "{next: ", "{followed_by: ", "{followed_by_any: ",
                                    "{not_next: ", "{not_followed_by: "}) {
    for (size_t at = 0; (at = pattern.find(keyword, at)) != std::string::npos;) {
      at += keyword.size();
      const size_t end_of_name = pattern.find_first_of(",}", at);
      const std::string name = pattern.substr(at, end_of_name - at);
      const std::string rest =
          pattern.substr(end_of_name, EndOfBrackets(pattern, at) - end_of_name);
      if (rest.find("group: ") != std::string::npos || rest.find("where: ") != std::string::npos) {
        continue;
      }
      pattern.insert(end_of_name, fmt::format(", where: 'kind == \"{}\"'", name));
    }
  }
  return pattern;
}

struct Row {
  std::string events;
  std::string matches;
  std::string timeouts;
};

struct Example {
  size_t line = 0;
  std::string rule;  // its keys, as one flow mapping
  std::vector<Row> rows;
};

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  for (size_t at = 1; at < line.size();) {
    const size_t end = line.find('|', at);
    if (end == std::string::npos) break;
    cells.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return cells;
}

std::vector<Example> ReadExamples() {
  std::vector<Example> examples;
  std::ifstream guide("docs/rule-language.md");
  REQUIRE(guide.good());
  bool in_tables = false;
  size_t number = 0;
  for (std::string line; std::getline(guide, line);) {
    ++number;
    if (line == "```yaml pattern") {
      Example example;
      example.line = number;
      example.rule = "{rule: r, key: user, on_timeout: {}";
      for (; std::getline(guide, line) && line != "```"; ++number) example.rule += ",\n" + line;
      ++number;
      example.rule = WithConditions(example.rule + "}");
      examples.push_back(std::move(example));
      in_tables = true;
    } else if (line.starts_with("## ") || line.starts_with("```")) {
      in_tables = false;
    } else if (in_tables && line.starts_with("| `")) {
      std::vector<std::string> cells = Cells(line);
      REQUIRE(cells.size() >= 2);
      cells.resize(3);
      examples.back().rows.push_back({cells[0], cells[1], cells[2]});
    }
  }
  return examples;
}

// The texts in backticks.
std::vector<std::string> Quoted(const std::string& cell) {
  std::vector<std::string> texts;
  for (size_t at = 0; (at = cell.find('`', at)) != std::string::npos;) {
    const size_t end = cell.find('`', at + 1);
    REQUIRE(end != std::string::npos);
    texts.push_back(cell.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return texts;
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The events of a row; `ids` gets the number of each by its name, `a1`.
std::vector<CaseEvent> ReadEvents(const std::string& cell, std::map<std::string, int64_t>* ids) {
  std::vector<CaseEvent> events;
  const std::vector<std::string> texts = Quoted(cell);
  REQUIRE(texts.size() == 1);
  for (const std::string& word : Words(texts[0])) {
    const int64_t id = static_cast<int64_t>(events.size()) + 1;
    const std::string name = word.substr(0, word.find_first_of("@/"));
    const size_t at = word.find('@');
    const int64_t second = at == std::string::npos ? id : std::stoll(word.substr(at + 1));
    std::string user = "A";
    std::string peer = "-";
    if (const size_t slash = word.find('/'); slash != std::string::npos) {
      user = word.substr(slash + 1, 1);
      const size_t other = word.find('/', slash + 1);
      if (other != std::string::npos) peer = word.substr(other + 1);
    }
    events.push_back(ParseCaseEvent(
        fmt::format(R"({{"id":{},"ts":{},"user":"{}","peer":"{}","kind":"{}","value":{}}})", id,
                    second * 1000, user, peer, name.substr(0, 1), name.substr(1))));
    REQUIRE(ids->emplace(name, id).second);
  }
  return events;
}

// A result as its kind, when it fell due (of a timeout) and its events by number.
std::string Plain(const std::string& result) {
  std::vector<std::string> words = Words(result);  // r KIND KEY [DUE] STAGES
  REQUIRE(words.size() >= 4);
  std::string digits = words.back();
  std::set<int64_t> ids;
  for (size_t at = 0; (at = digits.find_first_of("=,", at)) != std::string::npos;) {
    ++at;
    if (at < digits.size() && std::isdigit(digits[at]) != 0)
      ids.insert(std::stoll(digits.substr(at)));
  }
  std::string plain = words[1];
  if (words[1] == "timeout") plain += " " + words[3];
  for (const int64_t id : ids) plain += " " + std::to_string(id);
  return plain;
}

Results PlainResults(const Results& results, bool with_timeouts) {
  Results plain;
  for (const std::string& result : results) {
    if (with_timeouts || result.find(" timeout ") == std::string::npos) plain.insert(Plain(result));
  }
  return plain;
}

// `prefix` and the numbers of the named events, in order of time.
std::string Numbered(std::string prefix, const std::string& names,
                     const std::map<std::string, int64_t>& ids) {
  std::set<int64_t> numbers;
  for (const std::string& name : Words(names)) {
    INFO(name);
    REQUIRE(ids.contains(name));
    numbers.insert(ids.at(name));
  }
  for (const int64_t id : numbers) prefix += " " + std::to_string(id);
  return prefix;
}

Results ShownResults(const Row& row, const std::map<std::string, int64_t>& ids) {
  Results shown;
  REQUIRE((!Quoted(row.matches).empty() || row.matches == " none "));
  for (const std::string& match : Quoted(row.matches)) {
    shown.insert(Numbered("match", match, ids));
  }
  size_t at = 0;
  for (const std::string& timeout : Quoted(row.timeouts)) {
    at = row.timeouts.find("at ", at) + 3;
    const std::string due = std::to_string(std::stoll(row.timeouts.substr(at)) * 1000);
    shown.insert(Numbered("timeout " + due, timeout, ids));
  }
  return shown;
}

TEST_CASE("Guide: the pattern reference shows what the engine and the reference give",
          "[property][docs]") {
  size_t rows = 0;
  for (const Example& example : ReadExamples()) {
    INFO("docs/rule-language.md:" << example.line << "\n" << example.rule);
    CHECK(!example.rows.empty());
    for (const Row& row : example.rows) {
      INFO(row.events);
      std::map<std::string, int64_t> ids;
      const PatternCase shown{{example.rule}, std::string(kFields), ReadEvents(row.events, &ids)};
      const Comparison comparison = CompareCase(shown);
      REQUIRE(comparison.verdict == Verdict::kCompared);
      const bool with_timeouts = !row.timeouts.empty();
      const Results expected = ShownResults(row, ids);
      CHECK(PlainResults(comparison.engine, with_timeouts) == expected);
      CHECK(PlainResults(comparison.reference, with_timeouts) == expected);
      ++rows;
    }
  }
  CHECK(rows >= 60);
}

}  // namespace
}  // namespace vigil::testing
