// State directories: what is refused, and that what is refused stays as it was; checkpoints.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "state/checkpoint.h"
#include "state/rocksdb_store.h"
#include "tests/state/faulty_env.h"
#include "tests/state/support.h"
#include "tests/support/process.h"

namespace vigil::state::testing {
namespace {

namespace fs = std::filesystem;
using vigil::testing::TempDir;

std::unique_ptr<CommitLog> OpenLog(const std::string& path, rocksdb::Env* env = nullptr) {
  RocksDbOptions options;
  options.env = env;
  auto store = OpenRocksDbStore(path, options);
  if (!store.ok()) FAIL(store.status().ToString());
  CommitLogOptions log_options;
  log_options.least_chunk_bytes = 1 << 10;
  log_options.loose_chunks = 3;
  auto log = CommitLog::Open(*std::move(store), log_options);
  if (!log.ok()) FAIL(log.status().ToString());
  REQUIRE((*log)->StartBoot(1).ok());
  return *std::move(log);
}

// One commit of `count` units.
void Write(CommitLog& log, UnitWriter& writer, int count, const std::string& body) {
  for (int i = 0; i < count; ++i) writer.Set(i, body);
  struct Commit commit;
  commit.shards = writer.Take(0);
  commit.outbox.push_back({"out", {1, 2}, body});
  commit.cursors.emplace_back("sink", OutboxPosition{log.BootOf(0), 0});
  const auto number = log.Commit(commit);
  INFO(number.status().ToString());
  REQUIRE(number.ok());
}

void Overwrite(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

std::string FileLike(const std::string& folder, const std::string& prefix) {
  std::string newest;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.rfind(prefix, 0) == 0) newest = std::max(newest, entry.path().string());
  }
  return newest;
}

TEST_CASE("State directory: foreign, newer, damaged ones are refused and left alone",
          "[state][unit]") {
  struct Case {
    const char* file;
    const char* contents;
    absl::StatusCode code;
    const char* message;
  };
  const Case cases[] = {
      {"letter.txt", "dear", absl::StatusCode::kFailedPrecondition, "not Vigil's state"},
      {"FORMAT", "vigil state\nformat 3\n", absl::StatusCode::kUnimplemented, "has format 3"},
      {"FORMAT", "vigil state\nformat 01\n", absl::StatusCode::kDataLoss, "FORMAT is damaged"},
      {"FORMAT", "vigil st", absl::StatusCode::kDataLoss, "FORMAT is damaged"},
      {"FORMAT", "", absl::StatusCode::kDataLoss, "FORMAT is damaged"},
      {"FORMAT", "vigil state\nformat 1\n", absl::StatusCode::kUnimplemented,
       "make a savepoint with the program that wrote it"},
      {"FORMAT", "vigil state\nformat 2\n", absl::StatusCode::kDataLoss, "it is damaged"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.file, c.contents);
    const TempDir folder;
    fs::create_directory(folder.Path("state"));
    Overwrite(folder.Path("state/") + c.file, c.contents);
    const auto store = OpenRocksDbStore(folder.Path("state"));
    REQUIRE(store.status().code() == c.code);
    REQUIRE(store.status().ToString().find(c.message) != std::string::npos);
    REQUIRE(vigil::testing::ReadFile(folder.Path("state/") + c.file) == c.contents);
  }
}

TEST_CASE("State directory: a second daemon is refused by name", "[state][unit]") {
  const TempDir folder;
  const auto log = OpenLog(folder.Path("state"));
  const auto second = OpenRocksDbStore(folder.Path("state"));
  REQUIRE(second.status().code() == absl::StatusCode::kAlreadyExists);
  REQUIRE(second.status().ToString().find(std::to_string(getpid())) != std::string::npos);
}

TEST_CASE("State directory: one whose making was cut short is made anew", "[state][unit]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  UnitWriter writer;
  Write(*OpenLog(path), writer, 3, "x");
  fs::rename(path + "/FORMAT", path + "/CREATING");
  REQUIRE(OpenLog(path)->head().number == 0);
}

// The last of the state directory's files for RocksDB or for chunks that has this name or
// extension.
std::string LastFileOf(const std::string& path, const std::string& what) {
  if (what == "chunks") return FileLike(path + "/chunks", "");
  std::string file = FileLike(path + "/db", what);
  for (const auto& entry : fs::directory_iterator(path + "/db")) {
    if (entry.path().extension() == "." + what) file = std::max(file, entry.path().string());
  }
  return file;
}

TEST_CASE("State directory: a damaged manifest, log or file is an error, never a silent loss",
          "[state][unit]") {
  for (const std::string what : {"MANIFEST", "CURRENT", "sst", "log", "chunks"}) {
    for (const int keep : {0, 30, 60, 90}) {  // percent of the file
      CAPTURE(what, keep);
      const TempDir folder;
      const std::string path = folder.Path("state");
      UnitWriter writer;
      {
        const auto log = OpenLog(path);
        for (int i = 0; i < 4; ++i) Write(*log, writer, 50, std::string(500 + i, 'a'));
        REQUIRE(MakeCheckpoint(*log, path, 2).ok());  // flushes
        Write(*log, writer, 50, "last");
      }
      const std::string file = LastFileOf(path, what);
      fs::resize_file(file, fs::file_size(file) * static_cast<uint64_t>(keep) / 100);
      auto store = OpenRocksDbStore(path);
      auto log = store.ok() ? CommitLog::Open(*std::move(store)) : store.status();
      if (!log.ok()) {
        CAPTURE(log.status().ToString());
        REQUIRE(absl::IsDataLoss(log.status()));
        REQUIRE(log.status().ToString().find("restore a checkpoint") != std::string::npos);
      } else {
        // Cut off behind the last record, or within the last commit: a whole older commit.
        CAPTURE((*log)->head().number);
        REQUIRE((*log)->head().number >= 4);
        UnitWriter read;
        read.Restore(**log);
        REQUIRE(read.units.at(UnitKeyOf(0)).size() == ((*log)->head().number == 5 ? 4 : 503));
      }
      log = absl::UnknownError("closed");
      // The checkpoint brings it back.
      const std::string restored = folder.Path("restored");
      REQUIRE(RestoreCheckpoint(path + "/checkpoints/00000000000000000004", restored).ok());
      if (what != "sst") {  // which the checkpoint shares
        UnitWriter read;
        read.Restore(*OpenLog(restored));
        REQUIRE(read.units.size() == 50);
      }
    }
  }
}

TEST_CASE("Checkpoint: the newest are kept, and stay as they were", "[state][unit]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  UnitWriter writer;
  const auto log = OpenLog(path);
  for (int i = 1; i <= 4; ++i) {
    Write(*log, writer, 10, std::string(static_cast<size_t>(i), 'a'));
    REQUIRE(MakeCheckpoint(*log, path, 2).ok());
  }
  REQUIRE(*ListCheckpoints(path) == std::vector<uint64_t>{3, 4});
  for (int i = 0; i < 8; ++i) Write(*log, writer, 10, "later");  // which takes the oldest away
  REQUIRE(RestoreCheckpoint(path + "/checkpoints/00000000000000000003", folder.Path("old")).ok());
  const auto old = OpenLog(folder.Path("old"));
  REQUIRE(old->head().number == 3);
  UnitWriter read;
  read.Restore(*old);
  REQUIRE(read.units.at(UnitKeyOf(9)) == "aaa");
  REQUIRE(absl::IsFailedPrecondition(
      RestoreCheckpoint(path + "/checkpoints/00000000000000000004", folder.Path("old"))));
}

TEST_CASE("State directory: chunk files that nothing refers to go, others never", "[state][unit]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  UnitWriter writer;
  Write(*OpenLog(path), writer, 3, "x");
  const std::string known = FileLike(path + "/chunks", "");
  Overwrite(path + "/chunks/000000000009.chunks", "what a crash left");
  Overwrite(path + "/chunks/letter.txt", "dear");
  Overwrite(known, vigil::testing::ReadFile(known) + "what a crash left");
  {
    const auto log = OpenLog(path);
    UnitWriter read;
    read.Restore(*log);
    REQUIRE(read.units.size() == 3);
    REQUIRE_FALSE(fs::exists(path + "/chunks/000000000009.chunks"));
    REQUIRE(fs::exists(path + "/chunks/letter.txt"));
    for (int i = 0; i < 20; ++i) Write(*log, writer, 3, std::string(2, static_cast<char>('a' + i)));
  }
  REQUIRE(OpenLog(path)->head().number == 21);
  REQUIRE_FALSE(fs::exists(known));  // written to no more, and what it had has been cleaned away
}

TEST_CASE("Commit log: chunks stay in proportion to what is live, and cold units stay",
          "[state][unit]") {
  const TempDir folder;
  const std::string path = folder.Path("state");
  RocksDbOptions options;
  CommitLogOptions log_options;
  log_options.least_chunk_bytes = 64 << 10;
  log_options.loose_chunks = 10;
  auto log = *CommitLog::Open(*OpenRocksDbStore(path, options), log_options);
  REQUIRE(log->StartBoot(1).ok());
  UnitWriter writer;
  for (int i = 0; i < 1000; ++i) writer.Set(i, std::string(1000, static_cast<char>('a' + i % 26)));
  struct Commit first;
  first.shards = writer.Take(0);
  REQUIRE(log->Commit(first).ok());
  const uint64_t live = log->live_bytes();
  REQUIRE(live > 1'000'000);
  uint64_t most = 0;
  uint64_t written = 0;
  for (int i = 0; i < 400; ++i) {
    // All but the first hundred change now and then, or go and come.
    for (int k = 0; k < 30; ++k) {
      const int unit = 100 + (i * 37 + k * 11) % 900;
      writer.Set(unit, (i + k) % 9 == 0 ? "" : std::string(1000, static_cast<char>('a' + i % 26)));
    }
    struct Commit commit;
    commit.shards = writer.Take(0);
    for (const std::string& chunk : commit.shards[0].chunks) written += chunk.size();
    REQUIRE(log->Commit(commit).ok());
    most = std::max(most, log->chunk_bytes());
  }
  REQUIRE(written > 8 * live);
  REQUIRE(most < 3 * live);
  uint64_t on_disk = 0;
  for (const auto& entry : fs::directory_iterator(path + "/chunks")) on_disk += entry.file_size();
  REQUIRE(on_disk < 5 * live);  // files go whole, and have a megabyte at least
  log.reset();
  log = *CommitLog::Open(*OpenRocksDbStore(path, options), log_options);
  UnitWriter read;
  read.Restore(*log);
  REQUIRE(read.units == writer.units);
}

TEST_CASE("Commit log: a failing disk ends it with the reason, and nothing is lost or doubled",
          "[state][unit]") {
  struct Case {
    Fault fault;
    absl::StatusCode code;
  };
  for (const Case& c : {Case{Fault::kNoSpace, absl::StatusCode::kResourceExhausted},
                        Case{Fault::kWriteError, absl::StatusCode::kUnavailable},
                        Case{Fault::kSyncError, absl::StatusCode::kUnavailable}}) {
    const TempDir folder;
    const auto files = std::make_shared<FaultyFileSystem>();
    const auto env = rocksdb::NewCompositeEnv(files);
    UnitWriter writer;
    {
      const auto log = OpenLog(folder.Path("state"), env.get());
      Write(*log, writer, 20, "first");
      for (int i = 0; i < 20; ++i) writer.Set(i, "second");
      struct Commit commit;
      commit.shards = writer.Take(0);
      files->Set(c.fault);
      REQUIRE(log->Commit(commit).status().code() == c.code);
      REQUIRE(files->hits() > 0);
      files->Set(Fault::kNone);
      REQUIRE(absl::IsFailedPrecondition(log->Commit({}).status()));
    }
    const auto log = OpenLog(folder.Path("state"), env.get());
    UnitWriter read;
    read.Restore(*log);
    REQUIRE(read.units.size() == 20);
    for (const auto& unit : read.units) {
      REQUIRE(unit.second == (log->head().number == 1 ? "first" : "second"));
    }
  }
}

}  // namespace
}  // namespace vigil::state::testing
