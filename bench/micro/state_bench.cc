// What durable state costs: 1,000,000 units of 200 bytes, on a real RocksDB in a temporary folder.
//
// Wall times depend on the disk's sync; CPU time (of the process, RocksDB's threads included) is a
// counter beside them.
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "state/chunk.h"
#include "state/commit_log.h"
#include "state/rocksdb_store.h"

namespace vigil::state {
namespace {

constexpr int kUnits = 1'000'000;

double CpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vigil-bench-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_ + "/state"; }

 private:
  std::string path_;
};

std::unique_ptr<CommitLog> OpenLog(const std::string& path) {
  auto store = OpenRocksDbStore(path);
  if (!store.ok()) return nullptr;
  auto log = CommitLog::Open(*std::move(store));
  if (!log.ok() || !(*log)->StartBoot(1).ok()) return nullptr;
  return *std::move(log);
}

// All units as one commit's chunks; their keys hash all over the groups.
std::vector<ShardChunks> Pack() {
  ChunkPacker packer(1);
  std::string key;
  for (uint64_t i = 0; i < kUnits; ++i) {
    const uint64_t hash = Mix64(i + 1);
    const std::string values = "A" + std::to_string(hash % 1'000'000'000);
    const std::string body(200, static_cast<char>(hash));
    key.clear();
    AppendUnitKey({cep::KeyGroupOf(hash), "", "account", values + std::to_string(i), "rule"}, &key);
    cep::StoredParts stored;
    if (!packer.Put(key, {1, 1}, body, &stored).ok()) std::abort();
  }
  std::vector<ShardChunks> shards(1);
  shards[0].chunks = packer.TakeChunks();
  return shards;
}

void BM_PackUnits(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Pack());
  state.SetItemsProcessed(state.iterations() * kUnits);
}
BENCHMARK(BM_PackUnits)->Unit(benchmark::kMillisecond)->Repetitions(3);

void BM_CommitUnits(benchmark::State& state) {
  struct Commit commit;
  commit.shards = Pack();
  double cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    {
      const Folder folder;
      const auto log = OpenLog(folder.path());
      if (log == nullptr) return state.SkipWithError("cannot open");
      cpu -= CpuSeconds();
      state.ResumeTiming();
      if (!log->Commit(commit).ok()) state.SkipWithError("not committed");
      state.PauseTiming();
      cpu += CpuSeconds();
    }
    state.ResumeTiming();
  }
  state.counters["cpu_s"] = cpu / static_cast<double>(state.iterations());
}
BENCHMARK(BM_CommitUnits)->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();

// 0: from chunks, nothing was folded. 1: from the base.
void BM_RestoreUnits(benchmark::State& state) {
  const Folder folder;
  {
    const auto log = OpenLog(folder.path());
    struct Commit commit;
    commit.shards = Pack();
    if (log == nullptr || !log->Commit(commit).ok()) return state.SkipWithError("not committed");
    const double cpu = CpuSeconds();
    if (state.range(0) == 1 && !log->Fold(1).ok()) return state.SkipWithError("not folded");
    state.counters["fold_cpu_s"] = CpuSeconds() - cpu;
  }
  double cpu = 0;
  for (auto _ : state) {
    cpu -= CpuSeconds();
    const auto log = OpenLog(folder.path());
    int count = 0;
    const auto restorer = log->MakeRestorer();
    const Status status = (*restorer)->Restore(0, cep::kKeyGroups, [&](const StoredUnit& unit) {
      count += unit.body.size() == 200 ? 1 : 0;
      return absl::OkStatus();
    });
    if (!status.ok() || count != kUnits) return state.SkipWithError("units are missing");
    cpu += CpuSeconds();
  }
  state.counters["cpu_s"] = cpu / static_cast<double>(state.iterations());
}
BENCHMARK(BM_RestoreUnits)
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3)
    ->UseRealTime();

}  // namespace
}  // namespace vigil::state
