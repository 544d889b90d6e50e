// Job: lateness row by row, several sources, order of results, independence of the number of
// shards.
#include "cep/runtime/job.h"

#include <atomic>
#include <random>

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

constexpr uint32_t kKeySlot = 0;

struct Input {
  int64_t ts;
  std::string key;
};

std::shared_ptr<Layout> KeyLayout() {
  auto layout = std::make_shared<Layout>();
  layout->Add("key", Type(TypeKind::kString));
  return layout;
}

// Serves rows from memory, `batch_rows` at a time; an empty key stands for a record that cannot be
// decoded.
class FakeSource : public Source {
 public:
  FakeSource(const Partition* partition, std::vector<Input> rows, uint32_t batch_rows)
      : partition_(partition), rows_(std::move(rows)), batch_rows_(batch_rows) {}

  Status Read(Batch* batch, bool* end) override {
    batch->Clear();
    for (uint32_t n = 0; n < batch_rows_ && next_ < rows_.size(); ++n, ++next_) {
      const Input& input = rows_[next_];
      if (input.key.empty()) {
        batch->rejected.push_back({partition_, next_, batch->rows, "bad", ""});
        continue;
      }
      batch->ts[batch->rows] = input.ts;
      batch->columns[kKeySlot].Set(batch->rows, Value::String(input.key));
      batch->offsets[batch->rows] = next_;
      batch->partitions[batch->rows] = partition_;
      ++batch->rows;
    }
    *end = next_ == rows_.size();
    return absl::OkStatus();
  }

 private:
  const Partition* partition_;
  std::vector<Input> rows_;
  uint32_t batch_rows_;
  size_t next_ = 0;
};

// Collects a record for every row that an operator sees, and for every time that it is told.
class CollectingSink : public RecordSink {
 public:
  void OnMatch(const Match& match) override {
    Record record;
    record.instant = match.instant;
    record.has_rule = true;
    record.key = std::string(match.key);
    record.id = HashBytes128(record.key + std::to_string(match.at));
    record.head = std::to_string(match.instant) + record.key;
    records_.push_back(std::move(record));
  }
  bool WantsRuleError(uint32_t, std::string_view) override { return false; }
  void OnRuleError(const RuleError&) override {}
  std::vector<Record> Take() override { return std::exchange(records_, {}); }

 private:
  std::vector<Record> records_;
};

// Rows that an operator got after its time had passed theirs. Operators run on the shards' threads,
// where Catch must not be used.
std::atomic<int> rows_behind_time = 0;

class EchoOperator : public Operator {
 public:
  void ProcessRows(const OrderedBlock& rows, MatchSink* out) override {
    for (uint32_t r = 0; r < rows.rows; ++r) {
      if (rows.ts[r] <= watermark_) ++rows_behind_time;
      if (rows.key_hashes[0][r] == kNoKey) continue;
      Match match;
      match.instant = rows.ts[r];
      match.at = static_cast<int64_t>(rows.refs[r].batch->offsets[rows.refs[r].row]);
      const std::string key(rows.columns[0].strings()[r]);
      match.key = key;
      out->OnMatch(match);
    }
  }
  void AdvanceTime(int64_t watermark, MatchSink*) override {
    // Within a released run of rows a shard moves time to the last row: rows at that very time may
    // follow.
    if (watermark > kMinTime) watermark_ = std::max(watermark_, watermark - 1);
  }

 private:
  int64_t watermark_ = kMinTime;
};

class PlainRejects : public RejectRenderer {
 public:
  Record RenderLate(const Batch& batch, uint32_t row, int64_t) override {
    Record record;
    record.kind = RecordKind::kLate;
    record.head = "late " + std::to_string(batch.ts[row]);
    return record;
  }
  Record RenderRejected(const Rejected& rejected, int64_t) override {
    Record record;
    record.kind = RecordKind::kError;
    record.head = "bad " + std::to_string(rejected.offset);
    return record;
  }
};

struct Outcome {
  std::vector<std::string> lines;
  Ledger ledger;
};

struct RunOptions {
  std::vector<std::string> source_names;  // of the inputs; the rest has none
  std::map<std::string, int64_t> disorder_by_source;
};

Outcome RunJob(const std::vector<std::vector<Input>>& inputs, int64_t disorder, uint32_t shards,
               uint32_t batch_rows = 3, const RunOptions& more = {}) {
  std::vector<Partition> partitions;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    const std::string name = i < more.source_names.size() ? more.source_names[i] : "";
    partitions.push_back({name, "", i, std::to_string(i)});
  }
  std::vector<JobSource> sources;
  for (size_t i = 0; i < inputs.size(); ++i) {
    sources.push_back(
        {std::make_unique<FakeSource>(&partitions[i], inputs[i], batch_rows),
         {KnownPartition{.place = partitions[i].place, .source = partitions[i].source}}});
  }
  Outcome outcome;
  PlainRejects rejects;
  JobOptions options;
  options.shards = shards;
  options.disorder_ms = disorder;
  options.disorder_ms_by_source = more.disorder_by_source;
  options.layout = KeyLayout();
  options.key_exprs = {{0}};
  options.rule_keys = {{0}};
  Job job(
      options, std::move(sources), [] { return std::make_unique<EchoOperator>(); },
      [] { return std::make_unique<CollectingSink>(); }, &rejects,
      [&](std::vector<Record> records) {
        for (Record& record : records) outcome.lines.push_back(std::move(record.head));
        return absl::OkStatus();
      });
  REQUIRE(job.Run([](const Job&) {}).ok());
  REQUIRE(rows_behind_time == 0);
  outcome.ledger = job.ledger();
  return outcome;
}

TEST_CASE("Job: rows come out by time, late and bad ones when the engine's time stood there",
          "[cep][unit]") {
  const Outcome outcome =
      RunJob({{{100, "a"}, {300, "b"}, {150, "c"}, {0, ""}, {250, "d"}, {400, "e"}}}, 100, 1);
  CHECK(outcome.lines ==
        std::vector<std::string>{"100a", "late 150", "bad 3", "250d", "300b", "400e"});
  CHECK(outcome.ledger.read == 6);
  CHECK(outcome.ledger.processed == 4);
  CHECK(outcome.ledger.late == 1);
  CHECK(outcome.ledger.quarantined == 1);
}

TEST_CASE("Job: several inputs are merged by time, equal times by input, then by record",
          "[cep][unit]") {
  const Outcome outcome =
      RunJob({{{10, "a"}, {20, "b"}, {20, "c"}}, {{5, "d"}, {20, "e"}, {500, "f"}}}, 0, 1);
  CHECK(outcome.lines == std::vector<std::string>{"5d", "10a", "20b", "20c", "20e", "500f"});
  CHECK(outcome.ledger.late == 0);
}

TEST_CASE("Job: a source may have its own bound", "[cep][unit]") {
  const std::vector<std::vector<Input>> inputs = {{{100, "a"}, {70, "b"}, {200, "c"}},
                                                  {{101, "d"}, {71, "e"}, {201, "f"}}};
  const RunOptions own = {.source_names = {"wide", "other"}, .disorder_by_source = {{"wide", 50}}};
  CHECK(RunJob(inputs, 0, 1, 3, own).lines ==
        std::vector<std::string>{"70b", "100a", "late 71", "101d", "200c", "201f"});
  const RunOptions zero = {.source_names = {"wide", "exact"}, .disorder_by_source = {{"exact", 0}}};
  CHECK(RunJob(inputs, 50, 2, 3, zero).ledger.late == 1);
}

TEST_CASE("Job: an empty input is a job that ends", "[cep][unit]") {
  CHECK(RunJob({{}}, 0, 1).lines.empty());
  CHECK(RunJob({{}, {{1, "a"}}}, 0, 2).lines == std::vector<std::string>{"1a"});
}

TEST_CASE("Job: output does not depend on shards or batch sizes", "[cep][property]") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::vector<Input>> inputs(1 + random() % 3);
    for (std::vector<Input>& input : inputs) {
      int64_t ts = 1000;
      for (size_t i = random() % 300; i > 0; --i) {
        ts += static_cast<int64_t>(random() % 5);
        const int64_t shift = static_cast<int64_t>(random() % 40);
        input.push_back({ts - shift, random() % 20 == 0 ? "" : "k" + std::to_string(random() % 9)});
      }
    }
    // One input: late and bad records stand in the same places whatever the batches are.
    const bool one = inputs.size() == 1;
    const Outcome expected = RunJob(inputs, 30, 1);
    for (uint32_t shards : {1u, 2u, 7u}) {
      const Outcome outcome = RunJob(inputs, 30, shards, one ? 1 + random() % 50 : 3);
      REQUIRE(outcome.lines == expected.lines);
      REQUIRE(outcome.ledger.late == expected.ledger.late);
    }
  }
}

}  // namespace
}  // namespace vigil::cep
