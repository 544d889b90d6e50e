// What a key that has left memory costs to read back: units out of a log of 400,000, on disk.
//
// The argument says how many are read at a time, as a block of rows does with those it finds.
// `warm`: the files are in the page cache; `cold`: they are not, so that the disk is measured, by
// wall time. `per_item` is a unit. Units read together were written at random times.
#include <algorithm>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "cep/base/check.h"
#include "state/chunk.h"
#include "state/commit_log.h"
#include "state/rocksdb_store.h"

namespace vigil::state {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kUnits = 400'000;
constexpr size_t kBodyBytes = 300;

class StoredLog {
 public:
  StoredLog() : folder_(fs::temp_directory_path() / ("vigil-bench-" + std::to_string(getpid()))) {
    auto store = OpenRocksDbStore(folder_.string(), {});
    CEP_CHECK(store.ok());
    auto log = CommitLog::Open(*std::move(store));
    CEP_CHECK(log.ok());
    log_ = *std::move(log);
    CEP_CHECK(log_->StartBoot(1).ok());
    ChunkPacker packer(1);
    std::string key;
    for (uint32_t i = 0; i < kUnits; ++i) {
      key.clear();
      const std::string account = "account-" + std::to_string(i);
      AppendUnitKey({i % cep::kKeyGroups, {}, "account", account, "rule"}, &key);
      cep::StoredParts stored;
      CEP_CHECK(packer.Put(key, {1, 1}, std::string(kBodyBytes, 'x'), &stored).ok());
      parts_.push_back(PartOf(key, 0));
    }
    struct Commit commit;
    commit.shards.push_back({0, packer.TakeChunks()});
    CEP_CHECK(log_->Commit(commit).ok());
    CEP_CHECK(log_->MakeRestorer(1).ok());
  }
  ~StoredLog() {
    log_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void Read(const std::vector<Hash128>& wanted) const {
    size_t bytes = 0;
    const Status read = log_->ReadUnits(wanted, [&](const StoredUnit& unit) {
      bytes += unit.body.size();
      return absl::OkStatus();
    });
    CEP_CHECK(read.ok() && bytes == wanted.size() * kBodyBytes);
  }
  // Takes the files out of the page cache.
  void DropCache() const {
    for (const auto& file : fs::directory_iterator(folder_ / "chunks")) {
      const int fd = open(file.path().c_str(), O_RDONLY);
      CEP_CHECK(fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
      close(fd);
    }
  }
  const std::vector<Hash128>& parts() const { return parts_; }

 private:
  fs::path folder_;
  std::unique_ptr<CommitLog> log_;
  std::vector<Hash128> parts_;
};

void ReadUnits(benchmark::State& state, bool is_cold) {
  static const StoredLog log;
  std::mt19937_64 random(5);
  const auto count = static_cast<size_t>(state.range(0));
  for (auto round : state) {
    state.PauseTiming();
    std::vector<Hash128> wanted;
    while (wanted.size() < count) wanted.push_back(log.parts()[random() % kUnits]);
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    if (is_cold) log.DropCache();
    state.ResumeTiming();
    log.Read(wanted);
  }
  state.counters["per_item"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(count),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(ReadUnits, warm, false)->Arg(1)->Arg(32)->Arg(512);
BENCHMARK_CAPTURE(ReadUnits, cold, true)->Arg(1)->Arg(32)->Arg(512)->UseRealTime();

}  // namespace
}  // namespace vigil::state
