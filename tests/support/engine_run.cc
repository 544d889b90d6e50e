#include "tests/support/engine_run.h"

#include <algorithm>
#include <utility>

#include "cep/base/check.h"
#include "cep/base/hash.h"
#include "cep/event/key.h"
#include "cep/runtime/job.h"
#include "cep/runtime/shard.h"
#include "patterns/pattern_operator.h"

namespace vigil::testing {
namespace {

const cep::Partition kPartition{"", "", 0, "case"};

class CaseSource : public cep::Source {
 public:
  CaseSource(const std::vector<CaseEvent>& events, uint32_t batch_rows)
      : events_(events), batch_rows_(batch_rows) {}

  Status Read(cep::Batch* batch, bool* end) override {
    batch->Clear();
    const size_t stop = std::min(events_.size(), next_ + batch_rows_);
    for (; next_ < stop; ++next_) AppendRow(events_[next_], next_, kPartition, batch);
    *end = next_ == events_.size();
    return absl::OkStatus();
  }

 private:
  const std::vector<CaseEvent>& events_;
  const size_t batch_rows_;
  size_t next_ = 0;
};

// Makes a record with the result's text of every match.
class TextSink : public cep::RecordSink {
 public:
  TextSink(const rules::RuleSet& rules, const std::vector<CaseEvent>& events)
      : rules_(rules), events_(events) {}

  void OnMatch(const cep::Match& match) override {
    ResultParts parts;
    parts.rule = &rules_.rules[match.rule].info;
    parts.key = match.key;
    parts.is_timeout = match.kind == cep::MatchKind::kTimeout;
    parts.due = match.at;
    for (uint32_t i = 0; i < match.event_count; ++i) {
      const uint64_t offset = match.events[i].event->offset;
      const int64_t id =
          offset < events_.size() ? events_[offset].id : static_cast<int64_t>(offset);
      parts.events.emplace_back(match.events[i].stage, id);
    }
    cep::Record record;
    record.instant = match.instant;
    record.rule = match.rule;
    record.has_rule = true;
    record.key = std::string(match.key);
    record.head = ResultText(parts);
    record.id = HashBytes128(record.head);  // the job drops what repeats
    records_.push_back(std::move(record));
  }
  bool WantsRuleError(uint32_t, std::string_view) override { return false; }
  void OnRuleError(const cep::RuleError&) override {}
  std::vector<cep::Record> Take() override { return std::exchange(records_, {}); }

 private:
  const rules::RuleSet& rules_;
  const std::vector<CaseEvent>& events_;
  std::vector<cep::Record> records_;
};

// No event of a case is late or broken.
class NoRejects : public cep::RejectRenderer {
 public:
  cep::Record RenderLate(const cep::Batch&, uint32_t, int64_t) override {
    CEP_CHECK(false);
    return {};
  }
  cep::Record RenderRejected(const cep::Rejected&, int64_t) override {
    CEP_CHECK(false);
    return {};
  }
};

cep::JobOptions JobOptionsOf(const LoadedCase& loaded, const EngineOptions& options) {
  cep::JobOptions job;
  job.shards = options.shards;
  job.disorder_ms = options.disorder_ms;
  job.layout = loaded.rules->layout;
  job.key_exprs = loaded.patterns->key_exprs;
  job.rule_keys.resize(loaded.rules->rules.size());
  for (const patterns::RuleBlock& block : loaded.patterns->blocks) {
    for (uint32_t rule : block.rules) {
      job.rule_keys[rule] = loaded.patterns->key_spaces[block.key_space].variants;
    }
  }
  return job;
}

uint64_t DroppedBy(const std::vector<const patterns::PatternOperator*>& operators, size_t rules) {
  std::vector<patterns::RuleCounters> counters(rules);
  for (const patterns::PatternOperator* op : operators) op->AddCounters(&counters);
  uint64_t dropped = 0;
  for (const patterns::RuleCounters& rule : counters) {
    dropped += rule.dropped_partials + rule.dropped_long_partials + rule.dropped_matches;
  }
  return dropped;
}

std::vector<cep::Record> RunJob(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                                const EngineOptions& options, uint64_t* dropped = nullptr) {
  std::vector<cep::JobSource> sources;
  sources.push_back({std::make_unique<CaseSource>(events, options.batch_rows),
                     {cep::KnownPartition{kPartition.place}}});
  std::vector<cep::Record> all;
  NoRejects rejects;
  std::vector<const patterns::PatternOperator*> operators;  // the job owns them
  cep::Job job(
      JobOptionsOf(loaded, options), std::move(sources),
      [&] {
        auto op = std::make_unique<patterns::PatternOperator>(loaded.patterns);
        operators.push_back(op.get());
        return op;
      },
      [&] { return std::make_unique<TextSink>(*loaded.rules, events); }, &rejects,
      [&](std::vector<cep::Record> records) {
        std::move(records.begin(), records.end(), std::back_inserter(all));
        return absl::OkStatus();
      });
  const Status status = job.Run([](const cep::Job&) {});
  CEP_CHECK(status.ok());
  if (dropped != nullptr) *dropped = DroppedBy(operators, loaded.rules->rules.size());
  return all;
}

}  // namespace

std::vector<std::string> RunEngine(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                                   const EngineOptions& options) {
  std::vector<std::string> lines;
  for (const cep::Record& record : RunJob(loaded, events, options)) {
    lines.push_back(std::to_string(record.instant) + " " + record.head);
  }
  return lines;
}

Results EngineResults(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                      uint64_t* dropped) {
  Results results;
  for (cep::Record& record : RunJob(loaded, events, {}, dropped)) {
    results.insert(std::move(record.head));
  }
  return results;
}

std::unique_ptr<cep::RecordSink> MakeTextSink(const rules::RuleSet& rules,
                                              const std::vector<CaseEvent>& events) {
  return std::make_unique<TextSink>(rules, events);
}

const cep::Partition& CasePartition() { return kPartition; }

cep::RoutedBatch RouteEvents(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                             size_t first, size_t end, int64_t watermark) {
  auto batch = std::make_shared<cep::Batch>(loaded.rules->layout);
  cep::RoutedBatch routed;
  for (size_t i = first; i < end; ++i) {
    routed.in_time.Set(batch->rows);
    AppendRow(events[i], i, kPartition, batch.get());
  }
  for (const cep::KeyExpr& key : loaded.patterns->key_exprs) {
    batch->key_hashes.emplace_back(cep::kBatchRows);
    cep::HashKeys(*batch, key, batch->key_hashes.back().data());
  }
  routed.batch = batch;
  routed.watermark = watermark;
  routed.newest_ts = events.empty() ? 0 : events.back().ts;
  return routed;
}

LiveState StateAt(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                  int64_t watermark) {
  const cep::RoutedBatch routed = RouteEvents(loaded, events, 0, events.size(), watermark);
  cep::ShardOptions options;
  options.layout = loaded.rules->layout;
  options.key_exprs = loaded.patterns->key_exprs.size();
  auto owned = std::make_unique<patterns::PatternOperator>(loaded.patterns);
  const patterns::PatternOperator& op = *owned;
  cep::Shard shard(options, std::move(owned), std::make_unique<TextSink>(*loaded.rules, events));
  shard.Apply(routed);
  return {op.live_keys(), op.live_events()};
}

}  // namespace vigil::testing
