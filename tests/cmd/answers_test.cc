// Recorded streams with answers that nobody of this project computed: tests/corpus/answers.
//
// answers.tsv says how many alerts each rule must raise on its stream; NAME.yaml holds the rules of
// stream NAME, NAME.schema.yaml its schema (else it is inferred). Streams lie in
// tests/corpus/streams or, those that may not be shipped, in the folder data of $VIGIL_SHARED (else
// ../shared beside the checkout).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/support/process.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;
using Counts = std::map<std::string, int64_t>;  // by rule

const std::string kFolder = "tests/corpus/answers/";

std::string FindStream(const std::string& stream) {
  const char* shared = std::getenv("VIGIL_SHARED");
  const fs::path extra = shared != nullptr ? fs::path(shared) : fs::path("../shared");
  for (const fs::path& folder : {fs::path("tests/corpus/streams"), extra / "data"}) {
    const fs::path path = folder / (stream + ".jsonl.zst");
    if (fs::exists(path)) return path.string();
  }
  return "";
}

Counts ExpectedCounts(const std::string& stream) {
  Counts counts;
  std::ifstream table(kFolder + "answers.tsv");
  REQUIRE(table.good());
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string rule, of_stream;
    int64_t count = 0;
    REQUIRE(fields >> rule >> of_stream >> count);
    if (of_stream == stream) counts[rule] = count;
  }
  return counts;
}

std::string Replay(const testing::TempDir& dir, const std::string& stream,
                   const std::string& path) {
  std::vector<std::string> argv = {testing::VigilBinary(), "replay", "-r",
                                   kFolder + stream + ".yaml"};
  const std::string schema = kFolder + stream + ".schema.yaml";
  if (fs::exists(schema)) argv.insert(argv.end(), {"--schema", schema});
  argv.insert(argv.end(), {"--time-field", "ts_ms", "--stats", dir.Path("stats.json"), "-o",
                           dir.Path("alerts.jsonl"), path});
  const testing::ProcessResult run = testing::RunProcess(argv);
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  return dir.Path("alerts.jsonl");
}

TEST_CASE("Replay: recorded streams give the answers computed elsewhere", "[corpus][cmd]") {
  const std::string stream =
      GENERATE("linux-auth", "amlsim-transfers", "sparkov-cards", "handbook-transactions");
  const std::string path = FindStream(stream);
  if (path.empty()) {
    std::printf("skipped: no stream %s in tests/corpus/streams or $VIGIL_SHARED/data\n",
                stream.c_str());
    return;
  }
  const testing::TempDir dir;
  Replay(dir, stream, path);

  simdjson::dom::parser parser;
  const simdjson::padded_string text(testing::ReadFile(dir.Path("stats.json")));
  const simdjson::dom::element stats = parser.parse(text);
  CHECK(int64_t(stats["read"]) == int64_t(stats["processed"]));
  CHECK(int64_t(stats["late"]) == 0);
  CHECK(int64_t(stats["quarantined"]) == 0);
  Counts actual;
  for (const auto [rule, count] : simdjson::dom::object(stats["alerts"])) {
    actual[std::string(rule)] = int64_t(count);
  }
  for (const auto& [rule, count] : ExpectedCounts(stream)) {
    INFO(stream << ", rule " << rule);
    CHECK(actual[rule] == count);
  }
}

TEST_CASE("Replay: absence still open at the last event is raised at the end of input",
          "[corpus][cmd]") {
  constexpr int64_t kLastEvent = 1492697669000;  // of linux-auth
  const testing::TempDir dir;
  std::ifstream alerts(Replay(dir, "linux-auth", FindStream("linux-auth")));
  simdjson::dom::parser parser;
  int64_t all = 0;
  int64_t in_time = 0;
  for (std::string line; std::getline(alerts, line);) {
    const simdjson::dom::element alert = parser.parse(line);
    if (std::string_view(alert["rule"]) != "la4.absent") continue;
    ++all;
    in_time += int64_t(alert["at"]) <= kLastEvent;
  }
  CHECK(all == 209);
  CHECK(in_time == 207);
}

}  // namespace
}  // namespace vigil
