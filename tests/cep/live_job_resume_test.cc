// A live job that goes on from its last commit, as often as it is cut off, with any number of
// shards: what comes out, and the ledger, are those of a job that nothing happened to.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "cep/base/check.h"
#include "cep/runtime/live_job.h"
#include "tests/cep/live_job_support.h"

namespace vigil::cep {
namespace {

using namespace testing;

// What a source reads, which outlives every job: offsets are places in it.
using PartitionLog = std::vector<Input>;

// A source over logs that can begin anywhere, or only has what was kept of the records that it
// gave. Every partition ends where its log ends.
class LogSource : public LiveSource {
 public:
  LogSource(std::vector<PartitionLog>* logs, bool ends, bool keeps_rows)
      : logs_(logs), ends_(ends), keeps_rows_(keeps_rows), kept_(logs->size()) {
    for (uint32_t p = 0; p < logs->size(); ++p) {
      ids_.push_back({"s", "t", p, "s/t/" + std::to_string(p)});
    }
    for (const Partition& id : ids_) {
      live_.push_back({.partition = &id, .at_start = true, .is_connected = true});
    }
    Update();
  }

  Status Start(Wakeup*) override { return absl::OkStatus(); }
  bool can_seek() const override { return !keeps_rows_; }
  bool keeps_rows() const override { return keeps_rows_; }
  void Keep(const Batch& from, uint32_t row, std::string* out) const override {
    *out += "row " + std::to_string(from.offsets[row]);
  }
  void Resume(std::vector<ResumeFrom> partitions, bool) override {
    for (const ResumeFrom& from : partitions) {
      live_[from.number].next_offset = from.from;
      if (keeps_rows_) {
        for (const KeptRow& kept : from.kept) {
          CHECK(kept.bytes == "row " + std::to_string(kept.offset));
          kept_[from.number].push_back(kept.offset);
        }
        kept_[from.number].push_back(from.next_offset);
        live_[from.number].next_offset = kept_[from.number].front();
        continue;
      }
      if (from.last.is_known) CHECK(from.last.fingerprint.lo == from.last.offset);
    }
    Update();
  }
  Status Serve() override {
    Update();
    return absl::OkStatus();
  }
  bool has_started() const override { return true; }
  bool has_ended() const override { return ends_; }
  const std::vector<LivePartition>& partitions() const override { return live_; }
  size_t Read(size_t partition, size_t max, Batch* batch) override {
    LivePartition& live = live_[partition];
    size_t count = 0;
    for (; count < std::min<size_t>(max, 7); ++count) {
      if (live.next_offset == (*logs_)[partition].size()) break;
      const uint64_t offset = live.next_offset++;
      std::deque<uint64_t>& kept = kept_[partition];
      if (!kept.empty()) kept.pop_front();
      if (!kept.empty()) live.next_offset = kept.front();
      const Input& input = (*logs_)[partition][offset];
      if (!keeps_rows_) live.last = {true, offset, {0, offset}};
      if (input.key.empty()) {
        batch->rejected.push_back({&ids_[partition], offset, batch->rows, "bad", ""});
        continue;
      }
      batch->ts[batch->rows] = input.ts;
      batch->columns[0].Set(batch->rows, Value::String(input.key));
      batch->offsets[batch->rows] = offset;
      batch->partitions[batch->rows] = &ids_[partition];
      batch->raw[batch->rows] = input.key;
      ++batch->rows;
    }
    Update();
    return count;
  }
  const std::vector<int64_t>& append_times() const override { return append_times_; }
  void DecodeAgain(const Batch&, const uint32_t*, size_t, Batch*) override {}
  void Publish(const std::vector<uint64_t>&) override {}

 private:
  void Update() {
    for (size_t p = 0; p < live_.size(); ++p) {
      live_[p].has_rows = live_[p].next_offset < (*logs_)[p].size();
      live_[p].is_at_end = !live_[p].has_rows;
      live_[p].has_ended = ends_ && !live_[p].has_rows;
    }
  }

  std::vector<PartitionLog>* logs_;
  bool ends_;
  bool keeps_rows_;
  std::vector<std::deque<uint64_t>> kept_;  // to be given, and where to go on behind them
  std::deque<Partition> ids_;
  std::vector<LivePartition> live_;
  std::vector<int64_t> append_times_;
};

// Numbers the rows of each key; the numbers are its state.
class CountOperator : public Operator {
 public:
  void ProcessRows(const OrderedBlock& rows, MatchSink* out) override {
    for (uint32_t r = 0; r < rows.rows; ++r) {
      const uint64_t hash = rows.key_hashes[0][r];
      if (hash == kNoKey) continue;
      const std::string key(rows.columns[0].strings()[r]);
      Count& count = counts_[key];
      Save(key, &count);
      count.key_group = KeyGroupOf(hash);
      count.is_changed = true;
      // Every tenth row leaves nothing behind.
      count.n = count.n == 9 ? 0 : count.n + 1;
      Match match;
      match.instant = match.at = rows.ts[r];
      const std::string text = key + "#" + std::to_string(count.n);
      match.key = text;
      out->OnMatch(match);
    }
  }
  void AdvanceTime(int64_t, MatchSink*) override {}
  Status BeginSnapshot(UnitWriter* out) override {
    writer_ = out;
    for (auto& [key, count] : counts_) {
      if (!std::exchange(count.is_changed, false)) continue;
      count.is_unsaved = true;
      unsaved_.push_back(key);
    }
    return absl::OkStatus();
  }
  // One at a time, however many are asked for, so that rows come in between.
  StatusOr<bool> ContinueSnapshot(size_t units) override {
    do {
      if (unsaved_.empty()) return true;
      Save(unsaved_.back(), &counts_[unsaved_.back()]);
      unsaved_.pop_back();
    } while (units == SIZE_MAX);
    return unsaved_.empty();
  }
  Status Restore(const RestoredUnit& unit) override {
    Count& count = counts_[std::string(unit.name.key_values)];
    count.key_group = unit.name.key_group;
    count.n = std::stoi(std::string(unit.body));
    count.stored = unit.stored;
    return absl::OkStatus();
  }

 private:
  struct Count {
    uint32_t key_group = 0;
    int n = 0;
    bool is_changed = false;
    bool is_unsaved = false;
    StoredParts stored;
  };
  void Save(const std::string& key, Count* count) {
    if (!std::exchange(count->is_unsaved, false)) return;
    const UnitName name{count->key_group, "key", key, "rule"};
    const std::string body = std::to_string(count->n);
    const std::string_view segment = body;
    const Status status = count->n == 0 ? writer_->Remove(name, &count->stored)
                                        : writer_->Put(name, {1, 1}, {&segment, 1}, &count->stored);
    CEP_CHECK(status.ok());  // Catch's own may not be used by several threads
  }

  std::map<std::string, Count> counts_;
  UnitWriter* writer_ = nullptr;
  std::vector<std::string> unsaved_;
};

// A chunk of one unit: key group, key, body.
class PlainPacker : public UnitPacker {
 public:
  Status Put(const UnitName& name, const UnitKind&, std::span<const std::string_view> segments,
             StoredParts* stored) override {
    stored->assign(segments.size(), 1);
    chunks_.push_back(std::to_string(name.key_group) + " " + std::string(name.key_values) + " " +
                      std::string(segments[0]));
    return absl::OkStatus();
  }
  Status Remove(const UnitName& name, StoredParts* stored) override {
    // What never was stored leaves nothing to take away.
    if (!stored->empty()) chunks_.push_back("- " + std::string(name.key_values) + " -");
    stored->clear();
    return absl::OkStatus();
  }
  std::vector<std::string> Take() override { return std::exchange(chunks_, {}); }

 private:
  std::vector<std::string> chunks_;
};

struct Stored {
  uint32_t key_group;
  std::string body;
};

// The last commit, and what had come out before it.
struct Disk {
  std::optional<CommitPoint> point;
  std::vector<ResumedPartition> partitions;
  std::map<std::string, Stored> units;
  std::vector<std::string> out;
  std::map<uint32_t, std::map<uint64_t, std::string>> kept;  // rows, by partition and offset
};

JobResume ResumeOf(const Disk& disk) {
  JobResume resume;
  resume.watermark = disk.point->watermark;
  resume.newest_ts = disk.point->newest_ts;
  resume.partitions = disk.partitions;
  for (ResumedPartition& partition : resume.partitions) {
    const auto kept = disk.kept.find(partition.number);
    if (kept == disk.kept.end()) continue;
    for (const auto& [offset, bytes] : kept->second) partition.kept.push_back({offset, bytes});
  }
  resume.read_units = [units = disk.units](
                          const KeyGroupRange& groups, UnitPacker*,
                          const std::function<Status(const RestoredUnit&)>& unit) -> Status {
    for (const auto& [key, stored] : units) {
      if (stored.key_group < groups.first || stored.key_group >= groups.end) continue;
      RETURN_IF_ERROR(unit({{stored.key_group, "key", key, "rule"}, {1, 1}, stored.body, {1}}));
    }
    return absl::OkStatus();
  };
  return resume;
}

// A job over the logs that goes on from `disk` and writes to it.
class DurableDriver {
 public:
  DurableDriver(std::vector<PartitionLog>* logs, bool ends, uint32_t shards, Disk* disk,
                bool keeps_rows = false)
      : disk_(disk), out_(disk->out), keeps_rows_(keeps_rows) {
    auto layout = std::make_shared<Layout>();
    layout->Add("key", Type(TypeKind::kString));
    LiveJobOptions options;
    options.shards = shards;
    options.layout = layout;
    options.key_exprs = {{0}};
    options.rule_keys = {{0}};
    options.commit_interval_ms = 20;
    if (disk->point) options.resume = ResumeOf(*disk);
    options.make_packer = [](uint32_t) { return std::make_unique<PlainPacker>(); };
    std::vector<LiveInput> inputs;
    inputs.push_back({std::make_unique<LogSource>(logs, ends, keeps_rows),
                      {.bound_ms = 30, .idle_after_ms = 1'000'000, .max_ahead_ms = 200},
                      60'000,
                      true,
                      "s"});
    LiveJobCallbacks callbacks;
    callbacks.output = [this](const std::vector<Record>& records) {
      for (const Record& record : records) out_.push_back(record.head);
      return absl::OkStatus();
    };
    callbacks.on_barrier = [this] { out_at_barrier_ = out_; };
    callbacks.on_commit = [this](const CommitPoint& point, std::vector<ShardChanges> changes) {
      Commit(point, std::move(changes));
      return absl::OkStatus();
    };
    callbacks.has_room = [] { return true; };
    callbacks.on_time_event = [](const TimeEvent&, const Partition&) {};
    job_ = std::make_unique<LiveJob>(
        std::move(options), std::move(inputs), [] { return std::make_unique<CountOperator>(); },
        [] { return std::make_unique<EchoSink>(); }, &rejects_, std::move(callbacks), &clock_,
        &wakeup_);
    REQUIRE(job_->Start().ok());
  }

  void Rounds(int count) {
    for (int i = 0; i < count && !job_->is_done(); ++i) {
      bool more = false;
      REQUIRE(job_->Step(&more).ok());
      clock_.now += 5;
    }
  }
  void RunToEnd() {
    while (!job_->is_done()) Rounds(1);
  }

 private:
  void Commit(const CommitPoint& point, std::vector<ShardChanges> changes) {
    CHECK(point.total().IsClosed());
    disk_->point = point;
    disk_->partitions.clear();
    for (const PartitionPoint& p : point.partitions) {
      disk_->partitions.push_back({p.partition->source,
                                   p.partition->topic,
                                   p.partition->number,
                                   p.next_offset,
                                   p.waiting,
                                   p.watermark,
                                   p.is_idle,
                                   p.last,
                                   p.ledger,
                                   {}});
      std::map<uint64_t, std::string>& kept = disk_->kept[p.partition->number];
      for (const KeptRow& row : p.kept) CHECK(kept.emplace(row.offset, row.bytes).second);
      std::erase_if(kept, [&p](const auto& row) {
        return !std::binary_search(p.waiting.begin(), p.waiting.end(), row.first);
      });
      CHECK(kept.size() == (keeps_rows_ ? p.waiting.size() : 0));
    }
    for (const ShardChanges& shard : changes) {
      for (const std::string& chunk : shard.chunks) {
        std::istringstream fields(chunk);
        std::string group, key, body;
        fields >> group >> key >> body;
        if (group == "-") {
          disk_->units.erase(key);
        } else {
          disk_->units[key] = {static_cast<uint32_t>(std::stoi(group)), body};
        }
      }
    }
    disk_->out = out_at_barrier_;
  }

  Disk* disk_;
  std::vector<std::string> out_;
  std::vector<std::string> out_at_barrier_;
  bool keeps_rows_;
  ManualClock clock_;
  Wakeup wakeup_;
  PlainRejects rejects_;
  std::unique_ptr<LiveJob> job_;
};

std::vector<PartitionLog> RandomLogs(std::mt19937* random, size_t rows) {
  const auto up = [random](int below) {
    return std::uniform_int_distribution<int>(0, below - 1)(*random);
  };
  std::vector<PartitionLog> logs(4);
  std::vector<int64_t> time(logs.size(), 1000);
  for (size_t i = 0; i < rows; ++i) {
    const auto p = static_cast<size_t>(up(static_cast<int>(logs.size())));
    time[p] += up(6);
    const bool is_bad = up(40) == 0;
    const bool is_late = up(30) == 0;
    logs[p].push_back(
        {time[p] - (is_late ? 60 : up(25)), is_bad ? "" : "k" + std::to_string(up(30))});
  }
  return logs;
}

// Alerts only: where among them a late row is told depends on how far time had come.
std::vector<std::string> Alerts(const std::vector<std::string>& out) {
  std::vector<std::string> alerts;
  for (const std::string& line : out) {
    if (line.rfind("late", 0) != 0 && line.rfind("bad", 0) != 0) alerts.push_back(line);
  }
  return alerts;
}

TEST_CASE(
    "LiveJob: cut off anywhere, on any number of shards, it gives what an undisturbed one does",
    "[cep][property]") {
  const auto seed = static_cast<uint32_t>(std::random_device()());
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    const bool keeps_rows = round % 2 == 1;
    INFO("keeps rows: " << keeps_rows);
    std::vector<PartitionLog> logs = RandomLogs(&random, 1500);
    Disk calm;
    DurableDriver(&logs, true, 1, &calm).RunToEnd();
    Disk disk;
    const uint32_t shards[] = {1, 2, 7, 1};
    for (int i = 0; i < 8; ++i) {
      DurableDriver driver(&logs, false, shards[i % 4], &disk, keeps_rows);
      driver.Rounds(std::uniform_int_distribution<int>(1, 120)(random));
    }
    DurableDriver(&logs, true, shards[round % 4], &disk, keeps_rows).RunToEnd();
    REQUIRE(Alerts(disk.out) == Alerts(calm.out));
    REQUIRE(disk.out.size() == calm.out.size());
    REQUIRE(disk.units.size() == calm.units.size());
    const Ledger a = disk.point->total();
    const Ledger b = calm.point->total();
    REQUIRE(a.IsClosed());
    REQUIRE(a.read == b.read);
    REQUIRE(a.processed == b.processed);
    REQUIRE(a.late == b.late);
    REQUIRE(a.quarantined == b.quarantined);
    REQUIRE(b.late > 0);
    REQUIRE(b.quarantined > 0);
  }
}

// p0 has come to 100 and a row of 80 waits there; p1 stands at 50. Read again, 80 is used although
// it is below p0's watermark, 10 is not, since it was late, and p1 overtakes nobody meanwhile.
TEST_CASE("LiveJob: of what was read before, exactly what waited is used again", "[cep][unit]") {
  std::vector<PartitionLog> logs = {
      {{100, "a"}, {131, "b"}, {80 + 30, "w"}, {10, "late"}, {0, ""}, {140, "new"}},
      {{81, "c"}, {300, "d"}}};
  Disk disk;
  disk.point.emplace();
  disk.point->watermark = 50;
  // Read up to 5 and 1; 1 and 2 of the first wait; the row of 100 was processed.
  ResumedPartition first{"s", "t", 0, 5, {1, 2}, 100, false, {true, 4, {0, 4}}, {}, {}};
  first.ledger.read = 5;
  first.ledger.late = 1;
  first.ledger.quarantined = 1;
  ResumedPartition second{"s", "t", 1, 1, {}, 50, false, {}, {}, {}};
  second.ledger.read = 1;
  second.ledger.processed = 1;
  disk.partitions = {first, second};
  disk.units["b"] = {0, "4"};
  DurableDriver(&logs, true, 1, &disk).RunToEnd();
  // `b`'s state is not of this key group's shard only where there are several; with one it counts
  // on.
  CHECK(disk.out == std::vector<std::string>{"w#1@110", "b#5@131", "new#1@140", "d#1@300"});
  const Ledger total = disk.point->total();
  CHECK(total.read == 8);
  CHECK(total.late == 1);
  CHECK(total.quarantined == 1);
  CHECK(total.processed == 6);
}

TEST_CASE("LiveJob: waiting records that are gone are refused, or counted as lost", "[cep][unit]") {
  for (const bool accepts_loss : {false, true}) {
    auto* source = new FakeLive("s");
    source->AddPartition();
    Setup setup;
    setup.options.resume.emplace();
    setup.options.resume->watermark = 50;
    setup.options.resume->accepts_loss = accepts_loss;
    ResumedPartition partition{"s", "t", 0, 2, {0, 1}, 60, false, {}, {}, {}};
    partition.ledger.read = 2;
    setup.options.resume->partitions = {partition};
    setup.options.resume->read_units = [](const KeyGroupRange&, UnitPacker*, const auto&) {
      return absl::OkStatus();
    };
    source->live(0).next_offset = 1;  // the first of them is not there any more
    Driver driver({source}, setup);
    source->Push(0, {{70, "b"}});
    source->Push(0, {{90, "c"}});
    Status status;
    for (int i = 0; i < 50 && status.ok(); ++i, driver.clock.now += 10) {
      bool more = false;
      status = driver.job->Step(&more);
    }
    if (!accepts_loss) {
      CHECK(absl::IsFailedPrecondition(status));
      CHECK(std::string(status.message()).find("s/t/0: 1 records") == 0);
      CHECK(driver.points.empty());
      continue;
    }
    CHECK(status.ok());
    CHECK(driver.out == std::vector<std::string>{"b@70"});
    CHECK(driver.points.back().total().lost == 1);
    CHECK(driver.points.back().total().IsClosed());
  }
}

}  // namespace
}  // namespace vigil::cep
