// What durable state costs a job that is kept busy: 1,000,000 live keys of 200 bytes, events from
// memory at 500,000 a second, with commits every 200 ms and without, in one process.
//
//   vigil_bench_state [--seconds N] [--events N] [--bound MS] [--check]
//
// The job, the state and RocksDB are the daemon's; sources give decoded rows, and the operator
// keeps 200 bytes a key of which each event changes some, so that only what commits cost differs.
// Keys are drawn with weight rank^-0.5, and all alike. Printed, each with its limit: CPU seconds a
// second that commits add, RocksDB's threads included; the pause of a commit at p99 (of
// each the longest round of the job's thread, from the commit before on); the time to
// take back all keys; the state's size on disk against its live bytes at rest after --events (an
// hour's worth is 1,800,000,000; the default is a twentieth of it) as fast as they go through.
// --bound: how far events may be out of order, so that so many milliseconds of them wait at each
// barrier.
// --check: exit with 1 if one is over.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <vector>

#include "cep/base/clock.h"
#include "cep/base/large_memory.h"
#include "cep/runtime/live_job.h"
#include "daemon/durable_state.h"
#include "daemon/resume.h"
#include "daemon/state_units.h"
#include "state/rocksdb_store.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kKeys = 1'000'000;
constexpr size_t kBodyBytes = 200;
constexpr double kRate = 500'000;
constexpr size_t kDrawn = size_t{1} << 23;  // events in memory, given again and again
constexpr int64_t kFirstMs = 1'700'000'000'000;
constexpr uint64_t kSeed = 1;
constexpr double kMaxCpu = 0.25;    // seconds a second
constexpr double kMaxPauseMs = 20;  // p99
constexpr double kMaxRestoreS = 2;
constexpr double kMaxDiskFactor = 3;

void OrDie(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double CpuSeconds(clockid_t of = CLOCK_PROCESS_CPUTIME_ID) {
  timespec t;
  clock_gettime(of, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

int64_t FolderBytes(const std::string& path) {
  int64_t bytes = 0;
  std::error_code error;  // files come and go
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    struct stat file {};
    if (lstat(it->path().c_str(), &file) == 0 && S_ISREG(file.st_mode)) {
      bytes += file.st_blocks * 512;
    }
  }
  return bytes;
}

// Once what RocksDB does in the background is done: nothing has changed for 15 s.
int64_t RestingBytes(const std::string& path) {
  int64_t bytes = FolderBytes(path);
  for (int unchanged = 0; unchanged < 60;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    const int64_t now = FolderBytes(path);
    unchanged = now == bytes ? unchanged + 1 : 0;
    bytes = now;
  }
  return bytes;
}

enum class Keys { kSkewed, kUniform };

std::vector<uint32_t> Draw(Keys keys) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> unit(0, 1);
  std::vector<uint32_t> drawn(kDrawn);
  for (uint32_t& key : drawn) {
    const double u = unit(random);
    // The sum of rank^-0.5 up to x grows as x^0.5.
    const double rank = (keys == Keys::kSkewed ? u * u : u) * kKeys;
    key = std::min(static_cast<uint32_t>(rank), kKeys - 1);
  }
  return drawn;
}

// Rows from memory, one partition, so many a second. First every key once.
class PacedSource : public cep::LiveSource {
 public:
  PacedSource(const std::vector<uint32_t>* drawn, const Clock* clock)
      : drawn_(drawn), clock_(clock) {
    live_.push_back({.partition = &id_, .at_start = true, .is_connected = true});
  }
  // 0: as fast as they go.
  void SetRate(double rate) {
    rate_ = rate;
    since_us_ = clock_->SteadyUs();
    from_ = live_[0].next_offset;
  }
  void SetEnd(uint64_t end) { end_ = end; }
  uint64_t next_offset() const { return live_[0].next_offset; }

  bool can_seek() const override { return true; }
  void Resume(std::vector<cep::ResumeFrom> partitions, bool) override {
    live_[0].next_offset = partitions[0].from;
  }
  Status Start(Wakeup*) override { return absl::OkStatus(); }
  Status Serve() override {
    Update();
    return absl::OkStatus();
  }
  bool has_started() const override { return true; }
  bool has_ended() const override { return false; }
  const std::vector<cep::LivePartition>& partitions() const override { return live_; }
  size_t Read(size_t, size_t max, cep::Batch* batch) override {
    const auto count = static_cast<size_t>(std::min<uint64_t>(max, due_ - next_offset()));
    for (size_t i = 0; i < count; ++i) {
      const uint64_t offset = live_[0].next_offset++;
      const uint32_t row = batch->rows++;
      batch->ts[row] = kFirstMs + static_cast<int64_t>(offset / 500);
      batch->columns[0].ints()[row] =
          offset < kKeys ? static_cast<int64_t>(offset) : (*drawn_)[offset % kDrawn];
      batch->offsets[row] = offset;
      batch->partitions[row] = &id_;
      batch->raw[row] = {};
    }
    Update();
    return count;
  }
  const std::vector<int64_t>& append_times() const override { return append_times_; }
  void DecodeAgain(const cep::Batch&, const uint32_t*, size_t, cep::Batch*) override {}
  void Publish(const std::vector<uint64_t>&) override {}

 private:
  void Update() {
    due_ = end_;
    if (rate_ > 0) {
      const double elapsed = static_cast<double>(clock_->SteadyUs() - since_us_) / 1e6;
      due_ = std::min(end_, from_ + static_cast<uint64_t>(elapsed * rate_));
    }
    live_[0].has_rows = live_[0].next_offset < due_;
    live_[0].is_at_end = !live_[0].has_rows;
  }

  const cep::Partition id_{"s", "t", 0, "s/t/0"};
  const std::vector<uint32_t>* drawn_;
  const Clock* clock_;
  double rate_ = 0;
  int64_t since_us_ = 0;
  uint64_t from_ = 0;
  uint64_t due_ = 0;
  uint64_t end_ = 0;
  std::vector<cep::LivePartition> live_;
  std::vector<int64_t> append_times_;
};

// 200 bytes a key, of which an event changes the last 16. They lie in large pages, which keys have
// changed is known, and snapshots are made, as in pattern_operator: a mark, and a list entry at the
// first change.
class BodyOperator : public cep::Operator {
 public:
  explicit BodyOperator(bool keeps_changes) : keeps_changes_(keeps_changes), units_(kKeys) {}

  void ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink*) override {
    for (uint32_t r = 0; r < rows.rows; ++r) {
      const auto key = static_cast<uint32_t>(rows.columns[0].ints()[r]);
      Unit& unit = units_[key];
      if (!unit.is_there) Begin(key, rows.key_hashes[0][r], &unit);
      if (keeps_changes_ && unit.changed_in == saving_in_) OrDie(Save(key, &unit));
      const uint64_t word = Mix64(static_cast<uint64_t>(rows.ts[r]) + key);
      std::memcpy(unit.body + kBodyBytes - 16, &word, sizeof word);
      std::memcpy(unit.body + kBodyBytes - 8, &rows.ts[r], sizeof rows.ts[r]);
      if (!keeps_changes_ || unit.changed_in == changing_in_) continue;
      unit.changed_in = changing_in_;
      changed_.push_back(key);
    }
  }
  void AdvanceTime(int64_t, cep::MatchSink*) override {}
  Status BeginSnapshot(cep::UnitWriter* out) override {
    writer_ = out;
    saving_.swap(changed_);
    std::swap(changing_in_, saving_in_);
    return absl::OkStatus();
  }
  StatusOr<bool> ContinueSnapshot(size_t units) override {
    const size_t end = saved_ + std::min(units, saving_.size() - saved_);
    for (; saved_ < end; ++saved_) {
      if (saved_ + kAhead < saving_.size()) {
        const char* const ahead = reinterpret_cast<const char*>(&units_[saving_[saved_ + kAhead]]);
        for (size_t at = 0; at < sizeof(Unit); at += 64) __builtin_prefetch(ahead + at);
      }
      Unit& unit = units_[saving_[saved_]];
      if (unit.changed_in == saving_in_) RETURN_IF_ERROR(Save(saving_[saved_], &unit));
    }
    if (saved_ < saving_.size()) return false;
    saving_.clear();
    saved_ = 0;
    return true;
  }
  Status Restore(const cep::RestoredUnit& restored) override {
    uint32_t key = 0;
    if (restored.name.key_values.size() != sizeof key || restored.body.size() != kBodyBytes) {
      return absl::DataLossError("not a unit of this benchmark");
    }
    std::memcpy(&key, restored.name.key_values.data(), sizeof key);
    Unit& unit = units_[key];
    unit.is_there = true;
    unit.key_group = restored.name.key_group;
    std::memcpy(unit.body, restored.body.data(), kBodyBytes);
    unit.stored = restored.stored;
    ++restored_;
    return absl::OkStatus();
  }
  uint32_t restored() const { return restored_; }

 private:
  struct Unit {
    char body[kBodyBytes];
    cep::StoredParts stored;
    uint32_t key_group = 0;
    bool is_there = false;
    uint8_t changed_in = 0;
  };
  static constexpr size_t kAhead = 8;

  Status Save(uint32_t key, Unit* unit) {
    unit->changed_in = 0;
    const std::string_view body(unit->body, kBodyBytes);
    return writer_->Put(
        {unit->key_group, "account", {reinterpret_cast<const char*>(&key), sizeof key}, "rule"},
        {1, 1}, {&body, 1}, &unit->stored);
  }

  // Nothing in it can be compressed.
  static void Begin(uint32_t key, uint64_t hash, Unit* unit) {
    unit->is_there = true;
    unit->key_group = cep::KeyGroupOf(hash);
    for (size_t at = 0; at < kBodyBytes; at += 8) {
      const uint64_t word = Mix64(uint64_t{key} * 1000 + at + 1);
      std::memcpy(unit->body + at, &word, sizeof word);
    }
  }

  const bool keeps_changes_;
  std::vector<Unit, LargeAllocator<Unit>> units_;
  std::vector<uint32_t> changed_;
  std::vector<uint32_t> saving_;
  size_t saved_ = 0;
  uint8_t changing_in_ = 1;
  uint8_t saving_in_ = 2;
  cep::UnitWriter* writer_ = nullptr;
  uint32_t restored_ = 0;
};

class NoSink : public cep::RecordSink {
 public:
  void OnMatch(const cep::Match&) override {}
  bool WantsRuleError(uint32_t, std::string_view) override { return false; }
  void OnRuleError(const cep::RuleError&) override {}
  std::vector<cep::Record> Take() override { return {}; }
};

class NoRejects : public cep::RejectRenderer {
 public:
  cep::Record RenderLate(const cep::Batch&, uint32_t, int64_t) override { return {}; }
  cep::Record RenderRejected(const cep::Rejected&, int64_t) override { return {}; }
};

// The longest round of a barrier and its commit: as time passed, and the thread's own.
struct Pause {
  double ms = 0;
  double cpu_ms = 0;
};

double P99(std::vector<Pause> pauses, double Pause::*field) {
  std::sort(pauses.begin(), pauses.end(),
            [field](const Pause& a, const Pause& b) { return a.*field < b.*field; });
  return pauses[pauses.size() * 99 / 100].*field;
}

// A job of one shard, on the caller's thread, over the state at `path`; empty: without commits.
class Job {
 public:
  Job(const std::vector<uint32_t>* drawn, const std::string& path, int64_t bound_ms)
      : is_durable_(!path.empty()) {
    auto layout = std::make_shared<cep::Layout>();
    layout->Add("account", cep::Type(cep::TypeKind::kInt));
    cep::LiveJobOptions options;
    options.layout = layout;
    options.key_exprs = {{0}};
    options.rule_keys = {{0}};
    const double began = static_cast<double>(clock_.SteadyUs());
    const double cpu = CpuSeconds();
    if (is_durable_) OpenState(path, &options);
    auto source = std::make_unique<PacedSource>(drawn, &clock_);
    source_ = source.get();
    std::vector<cep::LiveInput> inputs;
    inputs.push_back({.source = std::move(source),
                      .time = {.bound_ms = bound_ms},
                      .max_future_ms = int64_t{1} << 50,
                      .name = "s"});
    cep::LiveJobCallbacks callbacks;
    callbacks.output = [](const std::vector<cep::Record>&) { return absl::OkStatus(); };
    callbacks.on_commit = [this](const cep::CommitPoint&, std::vector<cep::ShardChanges> changes) {
      has_committed_ = true;
      return is_durable_ ? state_->Submit(job_->status(), std::move(changes)) : absl::OkStatus();
    };
    callbacks.on_barrier = [this] {
      if (is_durable_) state_->Cut();
    };
    callbacks.is_commit_due = [this](int64_t since_ms) {
      return is_durable_ ? state_->IsCommitDue(since_ms) : since_ms >= 200;
    };
    callbacks.has_room = [] { return true; };
    callbacks.on_time_event = [](const cep::TimeEvent&, const cep::Partition&) {};
    job_ = std::make_unique<cep::LiveJob>(
        std::move(options), std::move(inputs),
        [this] {
          auto made = std::make_unique<BodyOperator>(is_durable_);
          operator_ = made.get();
          return made;
        },
        [] { return std::make_unique<NoSink>(); }, &rejects_, std::move(callbacks), &clock_,
        &wakeup_);
    OrDie(job_->Start());
    if (is_durable_) state_->Start();
    start_s_ = (static_cast<double>(clock_.SteadyUs()) - began) / 1e6;
    start_cpu_s_ = CpuSeconds() - cpu;
  }
  ~Job() {
    job_.reset();
    state_.reset();
  }

  // Rounds until `end` has been read, at `rate`; 0: as fast as they go.
  void Run(double rate, uint64_t end, std::vector<Pause>* pauses) {
    source_->SetEnd(end);
    source_->SetRate(rate);
    Pause longest;
    while (source_->next_offset() < end) {
      bool more = false;
      has_committed_ = false;
      const int64_t began = clock_.SteadyUs();
      const double cpu = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
      OrDie(job_->Step(&more));
      longest.ms = std::max(longest.ms, static_cast<double>(clock_.SteadyUs() - began) / 1e3);
      longest.cpu_ms = std::max(longest.cpu_ms, (CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - cpu) * 1e3);
      if (has_committed_) {
        if (pauses != nullptr) pauses->push_back(longest);
        longest = {};
      }
      if (!more) std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }
  // All that was read is durable.
  void Settle() {
    if (!is_durable_) return;
    OrDie(state_->Flush());
    job_->AskForBarrier();
    bool more = false;
    for (has_committed_ = false; !has_committed_;) {
      OrDie(job_->Step(&more));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    OrDie(state_->Flush());
  }
  // The first that no run has read.
  uint64_t next_offset() const { return std::max(source_->next_offset(), resumed_); }
  double start_s() const { return start_s_; }
  double start_cpu_s() const { return start_cpu_s_; }
  uint32_t restored() const { return operator_->restored(); }

 private:
  void OpenState(const std::string& path, cep::LiveJobOptions* options) {
    StatusOr<std::unique_ptr<state::Store>> store = state::OpenRocksDbStore(path);
    OrDie(store.status());
    daemon::DurableStateOptions durable;
    durable.config.checkpoint_every_ms = 0;
    durable.places = [] { return std::vector<daemon::SinkPlace>(); };
    durable.on_commit = [this] { wakeup_.Notify(); };
    auto opened = daemon::DurableState::Open(*std::move(store), std::move(durable), &log_, &clock_);
    OrDie(opened.status());
    state_ = *std::move(opened);
    options->make_packer = daemon::MakeChunkPackers(kSeed);
    if (state_->found().number == 0) return;
    std::vector<std::string> given_up;
    StatusOr<cep::JobResume> resume =
        daemon::MakeResume(state_->found(), {}, {"s"}, false, &given_up);
    OrDie(resume.status());
    auto restorer = state_->log().MakeRestorer();
    OrDie(restorer.status());
    resume->read_units = daemon::ReadUnitsOf(*std::move(restorer), kSeed, true);
    options->resume = *std::move(resume);
    resumed_ = options->resume->partitions[0].next_offset;
  }

  const bool is_durable_;
  SystemClock clock_;
  Wakeup wakeup_;
  daemon::Log log_{daemon::LogFormat::kText, spdlog::level::off};
  NoRejects rejects_;
  bool has_committed_ = false;
  uint64_t resumed_ = 0;
  double start_s_ = 0;
  double start_cpu_s_ = 0;
  PacedSource* source_ = nullptr;
  BodyOperator* operator_ = nullptr;
  std::unique_ptr<daemon::DurableState> state_;
  std::unique_ptr<cep::LiveJob> job_;
};

struct Options {
  double seconds = 20;
  uint64_t events = 90'000'000;
  int64_t bound_ms = 0;
  bool checks = false;
};

bool Report(const char* what, double found, double limit, const char* unit) {
  const bool is_met = found <= limit;
  std::printf("  %-58s %8.2f %-4s limit %.2f: %s\n", what, found, unit, limit,
              is_met ? "met" : "OVER");
  std::fflush(stdout);
  return is_met;
}

// CPU seconds a second of a paced run.
double MeasureRun(Job* job, double seconds, std::vector<Pause>* pauses) {
  job->Run(0, kKeys, nullptr);  // every key is there
  job->Settle();
  job->Run(kRate, job->next_offset() + static_cast<uint64_t>(kRate * 3), nullptr);  // warm
  const double cpu = CpuSeconds();
  job->Run(kRate, job->next_offset() + static_cast<uint64_t>(kRate * seconds), pauses);
  return (CpuSeconds() - cpu) / seconds;
}

bool MeasureKeys(Keys keys, const Options& options, const std::string& path) {
  const std::vector<uint32_t> drawn = Draw(keys);
  std::printf("%s\n", keys == Keys::kSkewed ? "keys with weight rank^-0.5" : "all keys alike");
  double off = 0;
  {
    Job job(&drawn, "", options.bound_ms);
    off = MeasureRun(&job, options.seconds, nullptr);
  }
  bool is_met = true;
  {
    Job job(&drawn, path, options.bound_ms);
    std::vector<Pause> pauses;
    const double on = MeasureRun(&job, options.seconds, &pauses);
    std::printf("  CPU seconds a second: %.2f without commits, %.2f with %zu of them\n", off, on,
                pauses.size());
    if (pauses.empty()) OrDie(absl::InternalError("no commit was made"));
    is_met &= Report("CPU seconds a second that commits add", on - off, kMaxCpu, "s");
    is_met &= Report("pause of a commit, p99", P99(pauses, &Pause::ms), kMaxPauseMs, "ms");
    std::printf("    of which the thread's own CPU time, p99: %.2f ms\n",
                P99(pauses, &Pause::cpu_ms));
    job.Settle();
  }
  {
    Job job(&drawn, path, options.bound_ms);
    if (job.restored() != kKeys) OrDie(absl::DataLossError("keys are missing"));
    is_met &= Report("taking back 1,000,000 keys", job.start_s(), kMaxRestoreS, "s");
    std::printf("    of which CPU time: %.2f s\n", job.start_cpu_s());
    const uint64_t end = job.next_offset() + options.events;
    int64_t most = 0;
    while (job.next_offset() < end) {
      job.Run(0, std::min(end, job.next_offset() + 2'000'000), nullptr);
      most = std::max(most, FolderBytes(path));
    }
    job.Settle();
    const double live = double{kKeys} * kBodyBytes;
    std::printf("  %llu events more\n", static_cast<unsigned long long>(options.events));
    is_met &= Report("state on disk to live bytes, then",
                     static_cast<double>(RestingBytes(path)) / live, kMaxDiskFactor, "");
    std::printf("    at the most, as fast as they go: %.2f\n", static_cast<double>(most) / live);
  }
  return is_met;
}

}  // namespace
}  // namespace vigil

int main(int argc, char** argv) {
  vigil::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--check") {
      options.checks = true;
    } else if (name == "--seconds" && i + 1 < argc) {
      options.seconds = std::atof(argv[++i]);
    } else if (name == "--bound" && i + 1 < argc) {
      options.bound_ms = std::atoll(argv[++i]);
    } else if (name == "--events" && i + 1 < argc) {
      options.events = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: %s [--seconds N] [--events N] [--bound MS] [--check]\n",
                   argv[0]);
      return 2;
    }
  }
  bool is_met = true;
  for (const vigil::Keys keys : {vigil::Keys::kSkewed, vigil::Keys::kUniform}) {
    std::string folder = (vigil::fs::temp_directory_path() / "vigil-bench-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) return 1;
    is_met &= vigil::MeasureKeys(keys, options, folder + "/state");
    vigil::fs::remove_all(folder);
  }
  return options.checks && !is_met ? 1 : 0;
}
