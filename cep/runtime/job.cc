#include "cep/runtime/job.h"

#include <algorithm>

#include "cep/runtime/batch_pool.h"

namespace vigil::cep {

Job::Job(JobOptions options, std::vector<JobSource> sources, const MakeOperator& make_operator,
         const MakeSink& make_sink, RejectRenderer* rejects, Output output)
    : options_(std::move(options)),
      rejects_(rejects),
      keys_(options_.key_exprs, options_.rule_keys),
      pool_(std::make_shared<BatchPool>(options_.layout)) {
  for (JobSource& source : sources) {
    for (const KnownPartition& known : source.partitions) {
      partitions_.emplace(
          known.place,
          PartitionState{NewWatermark(known.source), {}, known, true, PunctuatedOf(known.source)});
    }
    sources_.push_back({std::move(source), false});
  }
  ShardGroup::Options shards{.shards = options_.shards,
                             .disorder_ms = options_.disorder_ms,
                             .layout = options_.layout,
                             .key_exprs = options_.key_exprs.size(),
                             .on_result = {}};
  for (const auto& [name, ms] : options_.disorder_ms_by_source) {
    shards.disorder_ms = std::max(shards.disorder_ms, ms);
  }
  // A replay has no barriers.
  shards_ = std::make_unique<ShardGroup>(
      shards, make_operator, make_sink, std::move(output),
      [](uint64_t, const ShardGroup::AtBarrier&) { return absl::OkStatus(); });
}

BoundedWatermark Job::NewWatermark(const std::string& source) const {
  const auto own = options_.disorder_ms_by_source.find(source);
  return BoundedWatermark(own == options_.disorder_ms_by_source.end() ? options_.disorder_ms
                                                                      : own->second);
}

const Expression* Job::PunctuatedOf(const std::string& source) const {
  const auto own = options_.punctuated_by_source.find(source);
  return own == options_.punctuated_by_source.end() ? options_.punctuated.get() : own->second.get();
}

bool Job::IsMark(const Expression& punctuated, const Batch& batch, uint32_t row) {
  EvalContext context;
  context.block = &batch;
  context.row = row;
  context.arena = &arena_;
  const bool is_mark = punctuated.EvalBool(context) == Tri::kTrue;
  arena_.Reset();
  return is_mark;
}

Job::PartitionState& Job::StateOf(const Partition& partition) {
  if (&partition == last_partition_) return *last_state_;
  PartitionState*& state = state_of_[&partition];
  if (state == nullptr) {
    const PartitionState fresh{NewWatermark(partition.source),
                               {},
                               {.place = partition.place},
                               false,
                               PunctuatedOf(partition.source)};
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
    const bool is_mark = state.punctuated == nullptr || IsMark(*state.punctuated, batch, row);
    if (is_mark ? state.watermark.Observe(batch.ts[row]) : state.watermark.IsInTime(batch.ts[row]))
        [[likely]] {
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
  keys_.Hash(batch.get());
  RoutedBatch routed;
  std::vector<Record> turned_away;
  JudgeRows(*batch, &routed, &turned_away);
  keys_.CountMissing(*batch, routed.in_time);
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
  return shards_->Dispatch(std::move(routed), std::move(turned_away));
}

Status Job::Run(const Progress& progress) {
  while (SourceState* source = NextSource()) {
    RETURN_IF_ERROR(ReadBatch(source));
    total_ = Ledger();
    for (const auto& [place, state] : partitions_) total_.Add(state.ledger);
    progress(*this);
  }
  RETURN_IF_ERROR(shards_->MergeReady(true));
  shards_->Stop();
  return absl::OkStatus();
}

}  // namespace vigil::cep
