// `vigil run` with state and checkpoints at full speed over keys that are ever new: its memory and
// its state directory level off.
//
// VIGIL_SOAK_SECONDS says how long (40); `make soak` runs it for 20 minutes.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <signal.h>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "cep/base/hash.h"
#include "tests/integration/daemon_run.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

using testing::Daemon;
using testing::RunProcess;
using testing::WaitFor;

namespace fs = std::filesystem;

constexpr size_t kFiles = 2;
constexpr int64_t kFirstMs = 1'700'000'000'000;
constexpr int64_t kEventsPerMs = 100;
constexpr int64_t kEventsPerKey = 10;
constexpr int64_t kKeysAtATime = 20'000;
// A file is written so far ahead of its reader; what is so far behind it is given back to the disk.
constexpr int64_t kAheadBytes = int64_t{96} << 20;
constexpr int64_t kBehindBytes = int64_t{16} << 20;
constexpr int64_t kKeptHeadBytes = int64_t{1} << 20;  // by which a file is known

constexpr char kRules[] = R"(version: 1
rules:
  - rule: takeover
    key: account
    pattern:
      - begin: login
        where: type == "login"
      - followed_by: payment
        where: type == "payment" && amount > 990
    within: 5s
)";
constexpr char kSchema[] = "fields: {ts: int, account: string, type: string, amount: int}\n";

std::string ConfigOf(const testing::TempDir& dir) {
  return "name: soak\nhttp: { listen: \"127.0.0.1:0\" }\nshards: 2\nrules: [" +
         dir.Write("rules.yaml", kRules) + "]\nschema: " + dir.Write("schema.yaml", kSchema) +
         "\nsources:\n  s:\n    file: { path: \"" + dir.Path("events-*.jsonl") +
         R"(" }
    watermark: { bounded: 100ms }
outputs:
  alerts: [{ file: { path: alerts.jsonl, rotate: { size: 8MiB, keep: 2 } } }]
state:
  path: state
  checkpoints: { every: 3s, keep: 2 }
  rocksdb: { cache: 16MiB, write_buffer: 8MiB }
)";
}

std::string EventText(int64_t i) {
  const uint64_t draw = Mix64(static_cast<uint64_t>(i));
  const int64_t key = i / kEventsPerKey + static_cast<int64_t>(draw % kKeysAtATime);
  char text[160];
  const int size = std::snprintf(text, sizeof text,
                                 "{\"ts\":%lld,\"account\":\"A%010lld\",\"type\":\"%s\","
                                 "\"amount\":%lld}\n",
                                 static_cast<long long>(kFirstMs + i / kEventsPerMs),
                                 static_cast<long long>(key), draw >> 62 == 0 ? "login" : "payment",
                                 static_cast<long long>((draw >> 32) % 1000));
  return {text, static_cast<size_t>(size)};
}

// Writes events to files, block by block in turn, as far ahead of their reader as it may.
class Feed {
 public:
  explicit Feed(const testing::TempDir& dir) {
    for (size_t f = 0; f < kFiles; ++f) {
      const std::string path = dir.Path("events-" + std::to_string(f) + ".jsonl");
      files_[f].fd = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
      REQUIRE(files_[f].fd >= 0);
    }
    thread_ = std::thread([this] { Write(); });
  }
  ~Feed() {
    is_over_ = true;
    thread_.join();
    for (const File& file : files_) close(file.fd);
  }

  // The reader has come so far in a file.
  void SetRead(size_t file, int64_t position) {
    files_[file].read = position;
    const int64_t size = (position - kBehindBytes - kKeptHeadBytes) / 4096 * 4096;
    // Where a file system cannot do it, it has to have room for everything.
    if (size > 0) {
      fallocate(files_[file].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kKeptHeadBytes, size);
    }
  }
  bool has_failed() const { return has_failed_; }
  // There was always something to read.
  bool was_ahead() const {
    for (const File& file : files_) {
      if (file.read >= file.written) return false;
    }
    return true;
  }

 private:
  struct File {
    int fd = -1;
    std::atomic<int64_t> written = 0;
    std::atomic<int64_t> read = 0;
  };

  void Write() {
    std::string block;
    for (int64_t event = 0; !is_over_;) {
      File& file = files_[static_cast<size_t>(event / 10'000) % kFiles];
      if (file.written - file.read > kAheadBytes) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        continue;
      }
      block.clear();
      for (int i = 0; i < 10'000; ++i) block += EventText(event++);
      if (write(file.fd, block.data(), block.size()) != static_cast<ssize_t>(block.size())) {
        has_failed_ = true;
        return;
      }
      file.written += static_cast<int64_t>(block.size());
    }
  }

  File files_[kFiles];
  std::atomic<bool> is_over_ = false;
  std::atomic<bool> has_failed_ = false;
  std::thread thread_;
};

struct Sample {
  int64_t resident = 0;  // bytes, as all below
  int64_t state = 0;
  int64_t read = 0;  // events
};

int64_t ResidentBytes(int pid) {
  const std::string text = testing::ReadFile("/proc/" + std::to_string(pid) + "/statm");
  const size_t space = text.find(' ');
  if (space == std::string::npos) return 0;
  return std::stoll(text.substr(space)) * sysconf(_SC_PAGESIZE);
}

// On the disk; a file that several checkpoints share counts once.
int64_t FolderBytes(const std::string& path) {
  int64_t bytes = 0;
  std::set<ino_t> seen;
  std::error_code error;  // files come and go
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    struct stat file {};
    if (lstat(it->path().c_str(), &file) != 0 || !S_ISREG(file.st_mode)) continue;
    if (seen.insert(file.st_ino).second) bytes += file.st_blocks * 512;
  }
  return bytes;
}

// Asks the daemon how far it is.
bool Ask(const Daemon& daemon, Feed* feed, int64_t* read) {
  const std::string answer =
      RunProcess({"curl", "-s", "-m", "20", "http://" + daemon.Address() + "/v1/status"}).out;
  simdjson::dom::parser parser;
  simdjson::dom::element status;
  const simdjson::padded_string padded(answer);
  simdjson::dom::array partitions;
  if (parser.parse(padded).get(status) != simdjson::SUCCESS ||
      status["partitions"].get(partitions) != simdjson::SUCCESS) {
    return false;
  }
  *read = status["read"];
  for (const simdjson::dom::element partition : partitions) {
    const std::string_view place = partition["partition"];
    const size_t file = place.find("events-1") == std::string_view::npos ? 0 : 1;
    feed->SetRead(file, partition["next_offset"]);
  }
  return true;
}

void Tell(int second, const std::vector<Sample>& samples) {
  const Sample& now = samples.back();
  std::printf("%5d s %12lld events %6lld MB resident %6lld MB of state\n", second,
              static_cast<long long>(now.read), static_cast<long long>(now.resident >> 20),
              static_cast<long long>(now.state >> 20));
  std::fflush(stdout);
}

template <typename Field>
void CheckLevel(const char* what, const std::vector<Sample>& samples, Field field, int64_t slack) {
  int64_t first = 0;
  int64_t second = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    int64_t& most = i < samples.size() / 2 ? first : second;
    most = std::max(most, samples[i].*field);
  }
  std::printf("%s: at most %lld MB in the first half, %lld MB in the second\n", what,
              static_cast<long long>(first >> 20), static_cast<long long>(second >> 20));
  INFO(what);
  CHECK(second <= first + first / 5 + slack);
}

TEST_CASE("Soak: at full speed over ever new keys, memory and state level off", "[soak][slow]") {
  const char* given = std::getenv("VIGIL_SOAK_SECONDS");
  const int seconds = given == nullptr ? 40 : std::atoi(given);
  const testing::TempDir dir;
  Feed feed(dir);
  Daemon daemon(ConfigOf(dir));
  std::vector<Sample> samples;
  REQUIRE(WaitFor(30, [&] { return daemon.IsRunning(); }));
  int64_t late_answers = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 1; i <= seconds; ++i) {
    std::this_thread::sleep_until(start + std::chrono::seconds(i));
    Sample sample;
    if (!Ask(daemon, &feed, &sample.read)) ++late_answers;
    sample.resident = ResidentBytes(daemon.process->pid());
    sample.state = FolderBytes(daemon.dir.Path("state"));
    samples.push_back(sample);
    if (i % std::max(seconds / 12, 1) == 0) Tell(i, samples);
    if (daemon.process->Wait(0) != -1) FAIL("the daemon ended\n" << daemon.Log());
    REQUIRE_FALSE(feed.has_failed());
    REQUIRE(feed.was_ahead());
  }
  INFO(daemon.Log());
  CHECK(late_answers <= seconds / 10);
  const double rate = static_cast<double>(samples.back().read) / seconds;
  std::printf("%d s, %.0f events/s, %.0f new keys/s\n", seconds, rate, rate / kEventsPerKey);
  CheckLevel("resident", samples, &Sample::resident, int64_t{64} << 20);
  CheckLevel("state directory", samples, &Sample::state, int64_t{64} << 20);
  daemon.process->Signal(SIGTERM);
  REQUIRE(daemon.process->Wait(60) == 0);
  const auto totals = testing::Totals(daemon.Log());
  testing::CheckLedger(totals, totals.at("read"));
  CHECK(totals.at("late") == 0);
  CHECK(totals.at("quarantined") == 0);
  CHECK(daemon.File("alerts.jsonl").size() > 0);
}

}  // namespace
}  // namespace vigil
