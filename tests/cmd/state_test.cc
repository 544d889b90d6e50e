// `vigil state` and `vigil savepoint`: what they say of a state directory, its checkpoints and
// copies, of damaged ones and of none.
#include "cmd/state.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "cmd/exit_codes.h"
#include "daemon/rule_record.h"
#include "state/checkpoint.h"
#include "state/chunk.h"
#include "state/rocksdb_store.h"
#include "tests/support/process.h"
#include "tests/support/snapshot_run.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;
using vigil::testing::TempDir;

struct Printed {
  int exit_code;
  std::string out;
  std::string err;
};

template <typename Run, typename... Options>
Printed Print(Run run, const Options&... options) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = run(options..., out, err);
  return {exit_code, out.str(), err.str()};
}

std::unique_ptr<state::CommitLog> OpenLog(const std::string& path) {
  auto store = state::OpenRocksDbStore(path);
  REQUIRE(store.ok());
  auto log = state::CommitLog::Open(*std::move(store));
  REQUIRE(log.ok());
  REQUIRE((*log)->StartBoot(7).ok());
  return *std::move(log);
}

// The rule set as a daemon keeps it: `pair`, of this incarnation.
std::string RuleBytes(uint64_t incarnation) {
  daemon::RuleRecord rules;
  rules.rules["pair"] = {incarnation, {1, 1}, {2, 2}};
  return daemon::EncodeRuleRecord(rules);
}

// A commit of one partition that has been read up to `offset`, with an alert.
void Commit(state::CommitLog& log, int64_t offset) {
  struct state::Commit commit;
  commit.watermark = 1'700'000'000'000 + offset;
  state::PartitionPosition at;
  at.source = "transactions";
  at.topic = "tx";
  at.partition = 3;
  at.next_offset = offset;
  at.waiting.Append(offset - 2);
  at.ledger.read = static_cast<uint64_t>(offset);
  at.ledger.processed = static_cast<uint64_t>(offset) - 1;
  commit.positions.push_back(at);
  commit.outbox.push_back({"alerts", {1, 2}, R"({"rule":"r"})"});
  commit.journal.push_back({1, 5, "idle"});
  commit.rule_set = state::RuleSetText{"v1", RuleBytes(7)};
  commit.cursors.emplace_back("job/alerts/kafka", state::OutboxPosition{log.BootOf(0), 0});
  REQUIRE(log.Commit(commit).ok());
}

constexpr const char* kHead =
    R"({"commit":2,"watermark":1700000000020,"drained":false,"rule_set":"v1","partitions":[)"
    R"({"source":"transactions","topic":"tx","partition":3,"next_offset":20,"waiting":[[18,18]],)"
    R"("watermark":null,"idle":false,"ledger":{"read":20,"processed":19,"late":0,"quarantined":0,)"
    R"("rate_limited":0,"lost":0,"waiting":1}}],"boots":[{"number":1,"first_sequence":0}],)"
    R"("outbox":{"first":0,"end":2,"bytes":)";

TEST_CASE("State: the directory and its checkpoints, while a daemon goes on with them",
          "[cmd][state]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  const auto log = OpenLog(path);
  Commit(*log, 10);
  REQUIRE(state::MakeCheckpoint(*log, path, 3).ok());
  Commit(*log, 20);

  const Printed list = Print(RunStateList, StateOptions{path, false});
  CAPTURE(list.out, list.err);
  CHECK(list.exit_code == kExitOk);
  CHECK_THAT(list.out, Catch::StartsWith(path + ": commit 2, watermark 2023-11-14T22:13:20.020Z, "
                                                "1 partitions, outbox 2 records, "));
  CHECK_THAT(list.out, Catch::Contains("/checkpoints/00000000000000000001: commit 1, watermark "
                                       "2023-11-14T22:13:20.010Z, "));

  const Printed verify = Print(RunStateVerify, StateOptions{path, false});
  CHECK(verify.exit_code == kExitOk);
  CHECK(verify.out ==
        "commit 2 is whole: 0 keys, 0 units (0.0 MB), 1 partitions whose ledgers close, 2 journal "
        "entries, 2 records in the outbox, 0 kept rows\n");
  CHECK_THAT(Print(RunStateVerify, StateOptions{path, true}).out,
             Catch::StartsWith("{\"head\":" + std::string(kHead)));

  const Printed exported = Print(RunStateExport, StateOptions{path, false});
  CHECK(exported.exit_code == kExitOk);
  CHECK_THAT(exported.out, Catch::StartsWith("{\"what\":\"head\",\"head\":" + std::string(kHead)));
  CHECK_THAT(exported.out, Catch::Contains(R"({"what":"rule","id":"pair","incarnation":7})"));
  CHECK_THAT(
      exported.out,
      Catch::Contains(R"({"what":"journal","commit":1,"kind":1,"watermark":5,"body":"aWRsZQ=="})"));
  CHECK_THAT(exported.out,
             Catch::Contains(R"({"what":"outbox","sequence":1,"output":"alerts","id":)"
                             R"("00000000000000010000000000000002","body":"{\"rule\":\"r\"}"})"));

  const Printed keys = Print(RunStateInspect, InspectOptions{.directory = path, .keys = true});
  CHECK(keys.exit_code == kExitOk);
  CHECK(keys.err == "no key holds a partial match\n");
  CHECK(Print(RunStateInspect, InspectOptions{.directory = path}).out ==
        "commit 2, watermark 2023-11-14T22:13:20.020Z, rule set v1\n"
        "  pair: 0 partial matches\n"
        "transactions/tx/3: next offset 20, watermark none\n"
        "  read 20 = processed 19 + late 0 + quarantined 0 + rate limited 0 + lost 0 + waiting 1\n"
        "outbox: 2 records, 78 bytes\n"
        "  job/alerts/kafka: 2 behind, 0 dropped\n");
}

// The units of a rule after an event that began a match, for two keys.
void CommitUnits(state::CommitLog& log) {
  testing::PatternCase made;
  made.rules = {R"({"rule":"pair","key":["user"],"pattern":[)"
                R"({"begin":"a","where":"kind == \"a\""},)"
                R"({"followed_by":"b","where":"kind == \"b\""}],"within":"1h"})"};
  made.fields = R"({"id":"int","ts":"int","user":"string","kind":"string"})";
  for (const char* json : {R"({"id":1,"ts":1000,"user":"u","kind":"a"})",
                           R"({"id":2,"ts":2000,"user":"v","kind":"a"})",
                           R"({"id":3,"ts":3000,"user":"v","kind":"a"})"}) {
    made.events.push_back(testing::ParseCaseEvent(json));
  }
  const testing::LoadedCase loaded = testing::LoadCase(made);
  REQUIRE(loaded.patterns != nullptr);
  testing::SteppedRun run(loaded, made.events, 1);
  for (size_t at = 0; at < made.events.size();) at = run.Step(at);
  testing::UnitStore units;
  run.Snapshot(&units);
  state::ChunkPacker packer(1);
  units.ForEach([&](const cep::RestoredUnit& unit) {
    std::string key;
    state::AppendUnitKey(
        {unit.name.key_group, "", unit.name.key_expression, unit.name.key_values, unit.name.owner},
        &key);
    cep::StoredParts stored;
    REQUIRE(packer.Put(key, unit.kind, unit.body, &stored).ok());
  });
  struct state::Commit commit;
  commit.shards = {{0, packer.TakeChunks()}};
  commit.rule_set =
      state::RuleSetText{"v2", RuleBytes(loaded.patterns->blocks[0].names[0].incarnation)};
  REQUIRE(log.Commit(commit).ok());
}

TEST_CASE("State: which keys hold which partial matches", "[cmd][state]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  CommitUnits(*OpenLog(path));
  CHECK_THAT(Print(RunStateInspect, InspectOptions{.directory = path}).out,
             Catch::Contains("\n  pair: 3 partial matches\n"));
  const Printed all = Print(RunStateInspect, InspectOptions{.directory = path, .keys = true});
  CHECK_THAT(all.out, Catch::Contains("user = u, pair: 1 partial match over 1 event, "));
  CHECK_THAT(all.out, Catch::Contains("user = v, pair: 2 partial matches over 2 events, "));
  const Printed one =
      Print(RunStateInspect, InspectOptions{.directory = path, .key = "u", .events = false});
  CHECK_THAT(one.out, Catch::EndsWith(" bytes\n  pair: waits at stage b\n"
                                      "    a  1970-01-01T00:00:01.000Z  case/0\n"));
  const Printed json =
      Print(RunStateInspect, InspectOptions{.directory = path, .key = "u", .json = true});
  CHECK_THAT(json.out, Catch::StartsWith(R"({"what":"unit","key_fields":"user","key":["u"],)"
                                         R"("owner":"pair","key_group":)"));
  CHECK_THAT(json.out,
             Catch::EndsWith(R"("partial_matches":[{"rules":["pair"],"stage":"b","role":"",)"
                             R"("events":[{"stage":"a","ts":1000,"position":"case/0","event":)"
                             R"({"id":1,"ts":1000,"user":"u","kind":"a"}}]}]})"
                             "\n"));
  CHECK(Print(RunStateInspect, InspectOptions{.directory = path, .key = "w"}).err ==
        "no key w holds a partial match\n");
  CHECK_THAT(Print(RunStateVerify, StateOptions{path, false}).out,
             Catch::StartsWith("commit 1 is whole: 2 keys, 2 units ("));
}

TEST_CASE("State: a body that no operator wrote is found", "[cmd][state]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  {
    const auto log = OpenLog(path);
    state::ChunkPacker packer(1);
    std::string key;
    state::AppendUnitKey({5, "", "user", "", "pair"}, &key);
    cep::StoredParts stored;
    REQUIRE(packer.Put(key, {1, 1}, std::string_view("\x01 no body"), &stored).ok());
    struct state::Commit commit;
    commit.shards = {{0, packer.TakeChunks()}};
    REQUIRE(log->Commit(commit).ok());
  }
  const Printed verify = Print(RunStateVerify, StateOptions{path, false});
  CHECK(verify.exit_code == kExitFindings);
  CHECK_THAT(verify.err, Catch::StartsWith("error: key user = : "));
}

TEST_CASE("State: a savepoint and a checkpoint are restored into new directories only",
          "[cmd][state]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  {
    const auto log = OpenLog(path);
    Commit(*log, 10);
    REQUIRE(state::MakeCheckpoint(*log, path, 3).ok());
    Commit(*log, 20);
  }
  const std::string file = folder.Path("save");
  const Printed saved = Print(RunSavepoint, path, file);
  CHECK(saved.exit_code == kExitOk);
  CHECK(saved.out == "savepoint of commit 2 in " + file + "\n");
  const std::string of_savepoint = folder.Path("of_savepoint");
  CHECK(Print(RunStateRestore, file, of_savepoint).out ==
        "restored commit 2 into " + of_savepoint + "\n");
  const std::string of_checkpoint = folder.Path("of_checkpoint");
  CHECK(Print(RunStateRestore, path + "/checkpoints/00000000000000000001", of_checkpoint).out ==
        "restored commit 1 into " + of_checkpoint + "\n");
  CHECK(OpenLog(of_savepoint)->head().positions == OpenLog(path)->head().positions);

  const Printed again = Print(RunStateRestore, file, of_savepoint);
  CHECK(again.exit_code == kExitUsage);
  CHECK_THAT(again.err, Catch::StartsWith("error: "));
  const std::string cut = folder.Write("cut", vigil::testing::ReadFile(file).substr(0, 100));
  const Printed damaged = Print(RunStateRestore, cut, folder.Path("new"));
  CHECK(damaged.exit_code == kExitFindings);
  CHECK_THAT(damaged.err, Catch::Contains("is cut short"));
}

TEST_CASE("State: none, and a damaged one", "[cmd][state]") {
  const TempDir folder;
  const Printed none = Print(RunStateList, StateOptions{folder.Path("none"), false});
  CHECK(none.exit_code == kExitUsage);
  CHECK(none.err == "error: there is no state in " + folder.Path("none") + "\n");
  CHECK_FALSE(fs::exists(folder.Path("none")));

  const std::string path = folder.Path("state");
  {
    const auto log = OpenLog(path);
    Commit(*log, 10);
    REQUIRE(state::MakeCheckpoint(*log, path, 3).ok());
  }
  std::ofstream(path + "/db/CURRENT", std::ios::trunc) << "MANIFEST-999999\n";
  for (const auto run : {RunStateVerify, RunStateExport}) {
    const Printed damaged = Print(run, StateOptions{path, false});
    CHECK(damaged.exit_code == kExitFindings);
    CHECK_THAT(damaged.err, Catch::Contains("restore a checkpoint"));
  }
  // The checkpoint is listed beside it.
  const Printed list = Print(RunStateList, StateOptions{path, true});
  CHECK(list.exit_code == kExitFindings);
  CHECK_THAT(list.out, Catch::Contains(R"(","error":"state directory )"));
  CHECK_THAT(list.out, Catch::Contains(R"("head":{"commit":1,)"));
}

}  // namespace
}  // namespace vigil::cmd
