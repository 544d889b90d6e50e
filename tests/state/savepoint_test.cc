// Savepoints: everything comes back; damage at any byte is noticed.
#include "state/savepoint.h"

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "state/memory_store.h"
#include "tests/state/support.h"
#include "tests/support/process.h"

namespace vigil::state::testing {
namespace {

using vigil::testing::TempDir;

struct Commit FullCommit(UnitWriter& writer) {
  struct Commit commit;
  for (int i = 0; i < 30; ++i) writer.Set(i, std::string(static_cast<size_t>(i * 400 + 1), 'u'));
  commit.shards = writer.Take(1);
  commit.watermark = -5;
  PartitionPosition position;
  position.source = "http";
  position.topic = "in";
  position.partition = 3;
  position.next_offset = 100;
  for (const int64_t offset : {90, 91, 95}) position.waiting.Append(offset);
  position.watermark = 77;
  position.watermark_state = "w";
  position.is_idle = true;
  position.fingerprint = Hash128{1, 2};
  position.fingerprint_offset = 6;
  position.ledger = {100, 90, 3, 2, 1, 1};
  commit.positions.push_back(position);
  commit.rows = {{"http", "in", 3, 91, "row"}, {"http", "in", 3, 95, ""}};
  commit.journal = {{4, 9, "idle"}, {5, -9, ""}};
  commit.rule_set = RuleSetText{"v1", "rules"};
  commit.outbox = {{"out", {3, 4}, "alert"}, {"late", {5, 6}, ""}};
  return commit;
}

TEST_CASE("Savepoint: what was committed comes back whole", "[state][unit]") {
  const TempDir folder;
  auto log = *CommitLog::Open(OpenMemoryStore(NewMemoryDisk()));
  REQUIRE(log->StartBoot(9).ok());
  UnitWriter writer;
  struct Commit commit = FullCommit(writer);
  REQUIRE(*log->Commit(commit) == 1);
  commit.shards.clear();
  commit.rows.clear();
  commit.cursors.emplace_back("sink", OutboxPosition{9, 1});
  REQUIRE(*log->Commit(commit) == 2);
  REQUIRE(WriteSavepoint(*log, folder.Path("save")).ok());
  const Status restored = RestoreSavepoint(folder.Path("save"), folder.Path("state"));
  INFO(restored.ToString());
  REQUIRE(restored.ok());

  const auto read = CommitLog::Open(*OpenRocksDbStore(folder.Path("state")));
  INFO(read.status().ToString());
  REQUIRE(read.ok());
  REQUIRE((*read)->head() == log->head());
  REQUIRE(*(*read)->ReadJournal()->begin() == *log->ReadJournal()->begin());
  REQUIRE((*read)->ReadJournal()->size() == 4);
  REQUIRE(**(*read)->ReadRuleSet() == "rules");
  REQUIRE(*(*read)->ReadRows() == *log->ReadRows());
  REQUIRE((*read)->ReadRows()->size() == 2);
  REQUIRE(*(*read)->ReadOutbox(1, 1000) == *log->ReadOutbox(1, 1000));
  UnitWriter units;
  units.Restore(**read);
  REQUIRE(units.units == writer.units);
}

TEST_CASE("Savepoint: damage is refused, and leaves no state", "[state][unit]") {
  const TempDir folder;
  auto log = *CommitLog::Open(OpenMemoryStore(NewMemoryDisk()));
  REQUIRE(log->StartBoot(9).ok());
  UnitWriter writer;
  REQUIRE(log->Commit(FullCommit(writer)).ok());
  REQUIRE(WriteSavepoint(*log, folder.Path("save")).ok());
  const std::string good = vigil::testing::ReadFile(folder.Path("save"));
  for (int i = 0; i < 24; ++i) {
    std::string bytes = good;
    const size_t at = i < 12 ? static_cast<size_t>(i) : good.size() * static_cast<size_t>(i) / 24;
    if (i % 2 == 0) {
      bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    } else {
      bytes.resize(at);
    }
    CAPTURE(i, at);
    std::ofstream(folder.Path("bad"), std::ios::binary) << bytes;
    REQUIRE_FALSE(RestoreSavepoint(folder.Path("bad"), folder.Path("state")).ok());
    REQUIRE_FALSE(std::filesystem::exists(folder.Path("state/FORMAT")));
  }
  REQUIRE(RestoreSavepoint(folder.Path("save"), folder.Path("state")).ok());
}

}  // namespace
}  // namespace vigil::state::testing
