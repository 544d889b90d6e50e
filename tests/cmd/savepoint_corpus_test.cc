// Savepoints that former versions wrote go on as if nothing had happened; newer ones are refused.
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/support/process.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;
using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

const std::string kCorpus = std::string(VIGIL_REPO_ROOT) + "/tests/corpus/savepoints/";

// A folder of the corpus, copied, with so much of the events.
struct Job {
  Job(const std::string& folder, const std::vector<std::string>& events) {
    for (const char* name : {"vigil.yaml", "rules.yaml", "schema.yaml"}) {
      dir.Write(name, ReadFile(folder + name));
    }
    std::string text;
    for (const std::string& name : events) text += ReadFile(folder + name);
    end = text.size();
    dir.Write("events.jsonl", text);
  }
  void Run() const {
    const ProcessResult run = RunProcess({VigilBinary(), "run", "-c", dir.Path("vigil.yaml")});
    INFO(run.err);
    REQUIRE(run.exit_code == 0);
  }
  std::string Alerts() const { return ReadFile(dir.Path("alerts.jsonl")); }

  TempDir dir;
  uint64_t end = 0;
};

// Alerts by rule, of those that hold an event from before `end`.
std::map<std::string, int> GoneOn(const std::string& alerts, uint64_t end) {
  std::map<std::string, int> counts;
  simdjson::dom::parser parser;
  std::istringstream in(alerts);
  for (std::string line; std::getline(in, line);) {
    const simdjson::padded_string padded(line);
    const simdjson::dom::element alert = parser.parse(padded);
    bool is_old = false;
    for (const auto& stage : simdjson::dom::object(alert["positions"])) {
      for (const std::string_view place : simdjson::dom::array(stage.value)) {
        is_old |= std::stoull(std::string(place.substr(place.rfind('/') + 1))) < end;
      }
    }
    if (is_old) ++counts[std::string(std::string_view(alert["rule"]))];
  }
  return counts;
}

TEST_CASE("Savepoint: those of former versions go on as if nothing had happened", "[cmd][corpus]") {
  for (const fs::directory_entry& entry : fs::directory_iterator(kCorpus)) {
    if (!entry.is_directory()) continue;
    const std::string folder = entry.path().string() + "/";
    INFO(folder);
    const Job before(folder, {"before.jsonl"});
    before.Run();
    const Job whole(folder, {"before.jsonl", "after.jsonl"});
    whole.Run();
    const Job restored(folder, {"before.jsonl", "after.jsonl"});
    const ProcessResult restore = RunProcess(
        {VigilBinary(), "state", "restore", folder + "state.vigilsav", restored.dir.Path("state")});
    INFO(restore.err);
    REQUIRE(restore.exit_code == 0);
    restored.Run();
    CHECK((before.Alerts() + restored.Alerts() == whole.Alerts()));
    // Every rule had something open.
    const std::map<std::string, int> gone_on = GoneOn(restored.Alerts(), before.end);
    for (const char* rule : {"abc", "burst", "high", "higher", "larger", "passed-on", "unpaid"}) {
      INFO(rule);
      CHECK(gone_on.count(rule) == 1);
    }
  }
}

TEST_CASE("Savepoint: one of a newer version is refused as such", "[cmd][unit]") {
  const TempDir dir;
  std::string bytes = ReadFile(kCorpus + "format-1/state.vigilsav");
  REQUIRE(bytes.substr(0, 8) == "VIGILSAV");
  REQUIRE(bytes.substr(8, 4) == std::string("\1\0\0\0", 4));
  bytes[8] = 2;
  const ProcessResult restore =
      RunProcess({VigilBinary(), "state", "restore", dir.Write("newer", bytes), dir.Path("state")});
  CHECK(restore.exit_code != 0);
  CHECK_THAT(restore.err, Catch::Contains("has format 2, this program knows up to 1"));
  CHECK_FALSE(fs::exists(dir.Path("state/FORMAT")));
}

}  // namespace
}  // namespace vigil
