// `vigil state`: looked at, verified, exported and restored; and what is not a state.
#include "cmd/state.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>

#include "cmd/exit_codes.h"
#include "daemon/rule_record.h"
#include "state/checkpoint.h"
#include "state/chunk.h"
#include "state/commit_log.h"
#include "state/rocksdb_store.h"
#include "tests/support/process.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

struct Answer {
  int code = 0;
  std::string out, err;
};

Answer One(int (*run)(const std::string&, std::ostream&, std::ostream&), const std::string& path) {
  std::ostringstream out, err;
  Answer answer;
  answer.code = run(path, out, err);
  answer.out = out.str();
  answer.err = err.str();
  return answer;
}
Answer Two(int (*run)(const std::string&, const std::string&, std::ostream&, std::ostream&),
           const std::string& from, const std::string& to) {
  std::ostringstream out, err;
  Answer answer;
  answer.code = run(from, to, out, err);
  answer.out = out.str();
  answer.err = err.str();
  return answer;
}

// One commit with a bit of everything, and a checkpoint of it.
void Make(const std::string& path) {
  auto log = *state::CommitLog::Open(*state::OpenRocksDbStore(path));
  REQUIRE(log->StartBoot(7).ok());
  struct state::Commit commit;
  commit.watermark = 1'000'000;
  state::PartitionPosition position;
  position.source = "s";
  position.topic = "t";
  position.next_offset = 10;
  position.waiting.Append(8);
  position.ledger = {10, 8, 1, 0, 0, 0};
  commit.positions = {position};
  state::ChunkPacker packer(1);
  std::string key;
  state::AppendUnitKey({5, {}, "account", "k", "rule"}, &key);
  state::StoredParts stored;
  REQUIRE(packer.Put(key, {1, 1}, std::string_view("body"), &stored).ok());
  commit.shards = {{0, packer.TakeChunks()}};
  commit.outbox = {{"alerts", {1, 2}, "a"}, {"alerts", {1, 3}, "b"}};
  commit.cursors = {{"job/alerts/file", {7, 0}}};
  daemon::RuleRecord rules;
  rules.version = "v1";
  rules.rules["rule"] = {1, {1, 1}, {2, 2}, {"amount"}};
  commit.rule_set = state::RuleSetText{"v1", daemon::EncodeRuleRecord(rules)};
  commit.journal = {{1, 5, ""}};
  REQUIRE(log->Commit(commit).ok());
  REQUIRE(state::MakeCheckpoint(*log, path, 3).ok());
}

TEST_CASE("State: list, inspect, verify, export, restore", "[cmd][unit]") {
  const TempDir dir;
  const std::string path = dir.Path("state");
  Make(path);
  const Answer list = One(RunStateList, path);
  CHECK(list.code == kExitOk);
  CHECK(list.out.rfind("1  20", 0) == 0);
  CHECK(list.out.find("checkpoints/00000000000000000001") != std::string::npos);
  const std::string checkpoint = path + "/checkpoints/00000000000000000001";
  const std::string whole =
      "whole: commit 1, 1 units of 4 bytes, 2 records in the outbox, 1 journal entries, 0 kept "
      "rows\n";
  const std::string savepoint = dir.Path("save");
  CHECK(Two(RunStateExport, checkpoint, savepoint).out == "commit 1 to " + savepoint + "\n");
  const std::string again = dir.Path("again");
  const std::string linked = dir.Path("linked");
  CHECK(Two(RunStateRestore, savepoint, again).out.find(whole) != std::string::npos);
  CHECK(Two(RunStateRestore, checkpoint, linked).out.find(whole) != std::string::npos);
  for (const std::string& state : {path, checkpoint, again, linked}) {
    INFO(state);
    CHECK(One(RunStateVerify, state).out == whole);
    const Answer inspected = One(RunStateInspect, state);
    CHECK(inspected.code == kExitOk);
    CHECK(inspected.out ==
          "commit 1, folded up to " + std::string(state == again ? "1" : "0") +
              "\nwatermark 1970-01-01T00:16:40.000Z\nrule set v1\n  rule, incarnation 1\n"
              "1 partitions\n  s/t/0: next offset 10, waiting 1, watermark none\n"
              "    read 10 = processed 8 + late 1 + quarantined 0 + rate limited 0 + waiting 1 + "
              "lost 0\noutbox 2 records, 56 bytes\n  job/alerts/file: at 0, 2 behind, 0 dropped\n"
              "journal 1 entries\nstarts 1\n");
  }
  // What holds something is not overwritten.
  const Answer refused = Two(RunStateRestore, savepoint, again);
  CHECK(refused.code == kExitIo);
  CHECK(refused.err.find("error: ") == 0);
}

TEST_CASE("State: what is damaged, foreign or in use is said to be", "[cmd][unit]") {
  const TempDir dir;
  const std::string path = dir.Path("state");
  CHECK(One(RunStateInspect, path).code == kExitIo);
  CHECK_FALSE(fs::exists(path));  // looking makes none
  CHECK(One(RunStateList, dir.Path("")).err.find("is not a state directory") != std::string::npos);
  Make(path);
  {
    const auto store = *state::OpenRocksDbStore(path);
    const Answer used = One(RunStateVerify, path);
    CHECK(used.code == kExitIo);
    CHECK(used.err.find("is in use by process") != std::string::npos);
  }
  const std::string savepoint = dir.Path("save");
  REQUIRE(Two(RunStateExport, path, savepoint).code == kExitOk);
  fs::resize_file(savepoint, fs::file_size(savepoint) - 3);
  const Answer cut = Two(RunStateRestore, savepoint, dir.Path("cut"));
  CHECK(cut.code == kExitFindings);
  CHECK(cut.err.find("is cut short") != std::string::npos);
  std::ofstream(path + "/FORMAT") << "vigil state\nformat 99\n";
  const Answer newer = One(RunStateInspect, path);
  CHECK(newer.code == kExitIo);
  CHECK(newer.err.find("99") != std::string::npos);
}

}  // namespace
}  // namespace vigil::cmd
