#include "cep/runtime/job.h"

#include <algorithm>
#include <bit>
#include <set>

#include "cep/runtime/batch_pool.h"

namespace vigil::cep {
namespace {

// Batches under way to a shard: enough to keep it busy, few enough to bound memory.
constexpr size_t kChannelCapacity = 8;

void Add(const Ledger& from, Ledger* to) {
  to->read += from.read;
  to->processed += from.processed;
  to->late += from.late;
  to->quarantined += from.quarantined;
  to->rate_limited += from.rate_limited;
}

// Drops repetitions from `records`, which are in order: the same match or timeout at the same
// instant. They need not be neighbours, but are of one rule and key.
void DropRepetitions(std::vector<Record>* records) {
  const auto is_of_group = [](const Record& a, const Record& b) {
    return a.kind == RecordKind::kAlert && b.kind == RecordKind::kAlert && !ComesBefore(a, b);
  };
  std::set<Hash128> seen;
  size_t kept = 0;
  for (size_t i = 0; i < records->size(); ++i) {
    Record& record = (*records)[i];
    if (kept > 0 && is_of_group((*records)[kept - 1], record)) {
      if (seen.empty()) seen.insert((*records)[kept - 1].id);
      if (!seen.insert(record.id).second) continue;
    } else {
      seen.clear();
    }
    if (kept != i) (*records)[kept] = std::move(record);
    ++kept;
  }
  records->resize(kept);
}

}  // namespace

Job::Job(JobOptions options, std::vector<JobSource> sources, const MakeOperator& make_operator,
         const MakeSink& make_sink, RejectRenderer* rejects, Output output)
    : options_(std::move(options)),
      rejects_(rejects),
      output_(std::move(output)),
      pending_(options_.shards),
      pool_(std::make_shared<BatchPool>(options_.layout)) {
  std::map<std::vector<uint32_t>, std::vector<size_t>> rules_by_keys;
  for (size_t rule = 0; rule < options_.rule_keys.size(); ++rule) {
    rules_by_keys[options_.rule_keys[rule]].push_back(rule);
  }
  for (auto& [keys, rules] : rules_by_keys) key_uses_.push_back({keys, std::move(rules)});
  for (JobSource& source : sources) {
    for (const KnownPartition& known : source.partitions) {
      partitions_.emplace(known.place, PartitionState{NewWatermark(known.source), {}, known, true});
    }
    sources_.push_back({std::move(source), false});
  }
  int64_t widest = options_.disorder_ms;
  for (const auto& [name, ms] : options_.disorder_ms_by_source) widest = std::max(widest, ms);
  for (uint32_t i = 0; i < options_.shards; ++i) {
    const ShardOptions shard{i, options_.shards, widest, options_.layout,
                             options_.key_exprs.size()};
    shards_.push_back(
        {std::make_unique<Shard>(shard, make_operator(), make_sink()), nullptr, nullptr, {}});
  }
  if (options_.shards == 1) return;
  for (ShardThread& shard : shards_) {
    shard.in = std::make_unique<Channel<std::shared_ptr<const RoutedBatch>>>(kChannelCapacity);
    shard.out = std::make_unique<Channel<std::vector<Record>>>(2 * kChannelCapacity);
    shard.thread =
        std::thread([worker = shard.shard.get(), in = shard.in.get(), out = shard.out.get()] {
          while (std::optional<std::shared_ptr<const RoutedBatch>> routed = in->Pop()) {
            out->Push(worker->Apply(**routed));
          }
        });
  }
}

Job::~Job() { StopThreads(); }

void Job::StopThreads() {
  for (ShardThread& shard : shards_) {
    if (!shard.thread.joinable()) continue;
    shard.in->Close();
    while (shard.out->TryPop().has_value()) {
    }
    shard.thread.join();
  }
}

std::vector<const Operator*> Job::operators() const {
  std::vector<const Operator*> operators;
  for (const ShardThread& shard : shards_) operators.push_back(&shard.shard->op());
  return operators;
}

BoundedWatermark Job::NewWatermark(const std::string& source) const {
  const auto own = options_.disorder_ms_by_source.find(source);
  return BoundedWatermark(own == options_.disorder_ms_by_source.end() ? options_.disorder_ms
                                                                      : own->second);
}

Job::PartitionState& Job::StateOf(const Partition& partition) {
  if (&partition == last_partition_) return *last_state_;
  PartitionState*& state = state_of_[&partition];
  if (state == nullptr) {
    const PartitionState fresh{
        NewWatermark(partition.source), {}, {.place = partition.place}, false};
    state = &partitions_.emplace(partition.place, fresh).first->second;
  }
  last_partition_ = &partition;
  last_state_ = state;
  return *state;
}

int64_t Job::MinimumOfOthers(const PartitionState* except) const {
  int64_t minimum = kMaxTime;
  for (const auto& [place, state] : partitions_) {
    if (&state != except && state.is_active) {
      minimum = std::min(minimum, state.watermark.watermark());
    }
  }
  return minimum;
}

// The partition's watermark has moved; the engine's may follow.
void Job::MoveEngineWatermark(const PartitionState& state) {
  if (others_except_ != &state) {
    others_except_ = &state;
    others_minimum_ = MinimumOfOthers(&state);
  }
  engine_watermark_ =
      std::max(engine_watermark_, std::min(state.watermark.watermark(), others_minimum_));
}

// A partition that has been read to its end holds time back no longer.
void Job::NoteEnd(uint64_t offset, PartitionState* state) {
  if (!state->known.has_end || offset < state->known.last_offset) return;
  state->is_active = false;
  others_except_ = nullptr;
}

// Judges rows of one partition from `row` on, up to `end` at most; returns the first row not
// judged. The engine's watermark is brought up to date where somebody can see it: at a row that is
// turned away, and at the end.
uint32_t Job::JudgeRun(const Batch& batch, uint32_t row, uint32_t end, RoutedBatch* routed,
                       std::vector<Record>* turned_away) {
  const Partition* partition = batch.partitions[row];
  PartitionState& state = StateOf(*partition);
  if (!state.is_active && state.ledger.processed + state.ledger.late == 0) {
    // First rows of a partition that nobody announced: it joins where the engine stands.
    state.watermark.Join(engine_watermark_);
    state.is_active = true;
    others_except_ = nullptr;
  }
  const uint32_t first = row;
  uint64_t late = 0;
  int64_t newest = newest_ts_;
  for (; row < end && batch.partitions[row] == partition; ++row) {
    if (state.watermark.Observe(batch.ts[row])) [[likely]] {
      routed->in_time.Set(row);
      newest = std::max(newest, batch.ts[row]);
      continue;
    }
    ++late;
    MoveEngineWatermark(state);
    turned_away->push_back(rejects_->RenderLate(batch, row, state.watermark.watermark()));
    turned_away->back().instant = engine_watermark_;
  }
  newest_ts_ = newest;
  state.ledger.read += row - first;
  state.ledger.late += late;
  state.ledger.processed += row - first - late;
  MoveEngineWatermark(state);
  if (state.known.has_end) {
    for (uint32_t r = first; r < row; ++r) NoteEnd(batch.offsets[r], &state);
  }
  return row;
}

void Job::TurnAway(const Rejected& rejected, std::vector<Record>* turned_away) {
  PartitionState& state = StateOf(*rejected.partition);
  ++state.ledger.read;
  ++state.ledger.quarantined;
  turned_away->push_back(rejects_->RenderRejected(rejected, engine_watermark_));
  turned_away->back().instant = engine_watermark_;
  NoteEnd(rejected.offset, &state);
}

// Judges rows and counts rejected records in the order in which they were read.
void Job::JudgeRows(const Batch& batch, RoutedBatch* routed, std::vector<Record>* turned_away) {
  uint32_t row = 0;
  for (const Rejected& rejected : batch.rejected) {
    while (row < rejected.before_row)
      row = JudgeRun(batch, row, rejected.before_row, routed, turned_away);
    TurnAway(rejected, turned_away);
  }
  while (row < batch.rows) row = JudgeRun(batch, row, batch.rows, routed, turned_away);
}

void Job::CountMissingKeys(const Batch& batch, const RowBits& in_time) {
  for (KeyUse& use : key_uses_) {
    for (uint32_t row = 0; row < batch.rows; ++row) {
      uint64_t any = 0;
      for (uint32_t k : use.keys) any |= batch.key_hashes[k][row];
      if (any == kNoKey && in_time.Test(row)) ++use.missing;
    }
  }
}

std::vector<uint64_t> Job::no_key() const {
  std::vector<uint64_t> by_rule(options_.rule_keys.size());
  for (const KeyUse& use : key_uses_) {
    for (size_t rule : use.rules) by_rule[rule] = use.missing;
  }
  return by_rule;
}

void Job::UpdateEngineWatermark() {
  engine_watermark_ = std::max(engine_watermark_, MinimumOfOthers(nullptr));
}

Job::SourceState* Job::NextSource() {
  SourceState* next = nullptr;
  int64_t lowest = kMaxTime;
  for (SourceState& source : sources_) {
    if (source.has_ended) continue;
    int64_t watermark = kMaxTime;
    for (const KnownPartition& known : source.spec.partitions) {
      const PartitionState& state = partitions_.at(known.place);
      if (state.is_active) watermark = std::min(watermark, state.watermark.watermark());
    }
    if (next == nullptr || watermark < lowest) {
      next = &source;
      lowest = watermark;
    }
  }
  return next;
}

Status Job::ReadBatch(SourceState* source) {
  std::shared_ptr<Batch> batch = pool_->Get();
  RETURN_IF_ERROR(source->spec.source->Read(batch.get(), &source->has_ended));
  batch->key_hashes.resize(options_.key_exprs.size());
  for (size_t k = 0; k < options_.key_exprs.size(); ++k) {
    batch->key_hashes[k].resize(kBatchRows);
    HashKeys(*batch, options_.key_exprs[k], batch->key_hashes[k].data());
  }
  RoutedBatch routed;
  std::vector<Record> turned_away;
  JudgeRows(*batch, &routed, &turned_away);
  CountMissingKeys(*batch, routed.in_time);
  if (source->has_ended) {
    for (const KnownPartition& known : source->spec.partitions) {
      if (!known.has_end) partitions_.at(known.place).is_active = false;
    }
    others_except_ = nullptr;
  }
  UpdateEngineWatermark();
  // With the last source every partition has ended, announced or not.
  if (NextSource() == nullptr) engine_watermark_ = kMaxTime;
  routed.watermark = engine_watermark_;
  routed.newest_ts = newest_ts_;
  routed.batch = std::move(batch);
  return Dispatch(std::move(routed), std::move(turned_away));
}

Status Job::Dispatch(RoutedBatch routed, std::vector<Record> turned_away) {
  if (shards_.size() == 1) {
    std::vector<std::vector<Record>> streams;
    streams.push_back(shards_[0].shard->Apply(routed));
    streams.push_back(std::move(turned_away));
    return Emit(std::move(streams));
  }
  turned_away_.push_back(std::move(turned_away));
  const auto shared = std::make_shared<const RoutedBatch>(std::move(routed));
  for (ShardThread& shard : shards_) shard.in->Push(shared);
  return MergeReady(false);
}

// Merges the results of every batch that all shards are done with.
Status Job::MergeReady(bool wait_for_all) {
  while (!turned_away_.empty()) {
    for (size_t s = 0; s < shards_.size(); ++s) {
      if (!pending_[s].empty()) continue;
      std::optional<std::vector<Record>> records =
          wait_for_all ? shards_[s].out->Pop() : shards_[s].out->TryPop();
      if (!records.has_value()) return absl::OkStatus();
      pending_[s].push_back(*std::move(records));
    }
    std::vector<std::vector<Record>> streams;
    for (std::deque<std::vector<Record>>& pending : pending_) {
      streams.push_back(std::move(pending.front()));
      pending.pop_front();
    }
    streams.push_back(std::move(turned_away_.front()));
    turned_away_.pop_front();
    RETURN_IF_ERROR(Emit(std::move(streams)));
  }
  return absl::OkStatus();
}

// Merges streams that are each in order.
Status Job::Emit(std::vector<std::vector<Record>> streams) {
  std::vector<Record> merged;
  for (std::vector<Record>& stream : streams) {
    const auto middle = static_cast<ptrdiff_t>(merged.size());
    std::move(stream.begin(), stream.end(), std::back_inserter(merged));
    std::inplace_merge(merged.begin(), merged.begin() + middle, merged.end(), ComesBefore);
  }
  if (merged.empty()) return absl::OkStatus();
  DropRepetitions(&merged);
  return output_(std::move(merged));
}

Status Job::Run(const Progress& progress) {
  while (SourceState* source = NextSource()) {
    RETURN_IF_ERROR(ReadBatch(source));
    total_ = Ledger();
    for (const auto& [place, state] : partitions_) Add(state.ledger, &total_);
    progress(*this);
  }
  RETURN_IF_ERROR(MergeReady(true));
  StopThreads();
  return absl::OkStatus();
}

}  // namespace vigil::cep
