// Units that are read out of a log while it goes on and cleans.
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "state/rocksdb_store.h"
#include "tests/state/support.h"
#include "tests/support/process.h"

namespace vigil::state::testing {
namespace {

using vigil::testing::TempDir;

constexpr int kStill = 400;   // units that never change
constexpr int kMoving = 100;  // units that change with each commit
constexpr int kCommits = 200;

std::unique_ptr<CommitLog> OpenLog(const std::string& path) {
  auto store = OpenRocksDbStore(path, {});
  REQUIRE(store.ok());
  CommitLogOptions options;
  options.least_chunk_bytes = 64 << 10;
  options.loose_chunks = 8;
  auto log = CommitLog::Open(*std::move(store), options);
  REQUIRE(log.ok());
  REQUIRE((*log)->StartBoot(1).ok());
  return *std::move(log);
}

Status Write(UnitWriter* writer, CommitLog* log) {
  struct Commit commit;
  commit.shards = writer->Take(0);
  return log->Commit(commit).status();
}

std::string BodyOf(int n) { return std::string(n % 50 == 0 ? 9000 : 200, 'a' + n % 26); }

TEST_CASE("Units: are read while commits move them", "[state]") {
  const TempDir folder;
  const std::unique_ptr<CommitLog> log = OpenLog(folder.Path("state"));
  UnitWriter writer;
  for (int n = 0; n < kStill; ++n) writer.Set(n, BodyOf(n));
  REQUIRE(Write(&writer, log.get()).ok());
  REQUIRE(log->MakeRestorer().ok());
  const uint64_t first_chunk = log->chunk_bytes();

  std::atomic<bool> is_over = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> reads = 0;
  std::string error;
  std::thread reader([&] {
    for (int from = 0; !is_over; from = (from + 37) % kStill) {
      std::map<std::string, std::string> wanted;
      std::vector<Hash128> parts;
      for (int n = from; n < std::min(from + 50, kStill); ++n) {
        wanted[UnitKeyOf(n)] = BodyOf(n);
        parts.push_back(PartOf(UnitKeyOf(n), 0));
      }
      const Status status = log->ReadUnits(parts, [&](const StoredUnit& unit) {
        const auto found = wanted.find(std::string(unit.key));
        if (found == wanted.end() || found->second != unit.body) {
          ++wrong;
        } else {
          wanted.erase(found);
        }
        return absl::OkStatus();
      });
      if (!status.ok()) {
        error = status.ToString();
        return;
      }
      wrong += static_cast<int>(wanted.size());
      ++reads;
    }
  });
  Status written;
  for (int commit = 0; (commit < kCommits || reads == 0) && written.ok(); ++commit) {
    for (int n = 0; n < kMoving; ++n) writer.Set(kStill + n, BodyOf(commit + n));
    written = Write(&writer, log.get());
  }
  is_over = true;
  reader.join();
  CHECK(written.ok());
  CHECK(error.empty());
  CHECK(wrong == 0);
  // The still ones were moved: far less is left than was written.
  CHECK(log->chunk_bytes() < first_chunk + kCommits * kMoving * 50);
}

TEST_CASE("Units: one that is not there is damage, not silence", "[state]") {
  const TempDir folder;
  const std::unique_ptr<CommitLog> log = OpenLog(folder.Path("state"));
  UnitWriter writer;
  writer.Set(1, "one");
  writer.Set(2, "two");
  REQUIRE(Write(&writer, log.get()).ok());
  writer.Set(2, "");
  REQUIRE(Write(&writer, log.get()).ok());
  const std::vector<Hash128> parts = {PartOf(UnitKeyOf(1), 0), PartOf(UnitKeyOf(2), 0)};
  const auto ignore = [](const StoredUnit&) { return absl::OkStatus(); };
  CHECK(log->ReadUnits(parts, ignore).code() == absl::StatusCode::kDataLoss);
  CHECK(log->ReadUnits(std::span(parts).first(1), ignore).ok());
  CHECK(log->ReadUnits({}, ignore).ok());
}

}  // namespace
}  // namespace vigil::state::testing
