#include "cep/runtime/job.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <absl/strings/str_cat.h>

#include "cep/runtime/batch_pool.h"

namespace vigil::cep {
namespace {

// `state` the checkpoint's: what is missing of what waited there.
Status WaitingGone(const std::string& place, const ResumedPartition& resumed, size_t missing) {
  return absl::FailedPreconditionError(
      absl::StrCat(place, ": ", missing, " records that waited for time are not in the input, of ",
                   "offsets ", resumed.waiting.front(), " to ", resumed.waiting.back(),
                   "; give an input that begins there; --accept-loss goes on without them"));
}

}  // namespace

Job::Job(JobOptions options, std::vector<JobSource> sources, const MakeOperator& make_operator,
         const MakeSink& make_sink, RejectRenderer* rejects, Output output)
    : options_(std::move(options)),
      rejects_(rejects),
      keys_(options_.key_exprs, options_.rule_keys),
      pool_(std::make_shared<BatchPool>(options_.layout)) {
  for (JobSource& source : sources) {
    for (const KnownPartition& known : source.partitions) {
      const auto [found, is_new] = partitions_.emplace(
          known.place,
          PartitionState{NewWatermark(known.source), {}, known, true, PunctuatedOf(known.source)});
      if (is_new) continue;
      KnownPartition& all = found->second.known;
      all.has_end = all.has_end && known.has_end;
      all.last_offset = std::max(all.last_offset, known.last_offset);
      if (all.first_offset && known.first_offset) {
        all.first_offset = std::min(*all.first_offset, *known.first_offset);
      }
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
      [](uint64_t) { return absl::OkStatus(); },
      [](uint64_t, const std::vector<ShardChanges>&) { return absl::OkStatus(); });
}

// The commit's units, positions and time, and what the journal says of partitions.
Status Job::GoOn() {
  const JobResume& resume = *options_.resume;
  uint64_t processed = 0;
  for (const ResumedPartition& partition : resume.partitions) {
    processed += partition.ledger.processed;
    RETURN_IF_ERROR(GoOn(partition));
  }
  for (const MarkedPartition& marked : options_.marks) {
    const auto found = partitions_.find(PlaceOf(marked.source, marked.topic, marked.number));
    if (found == partitions_.end()) continue;  // nothing of it is read
    PartitionState& state = found->second;
    if (state.past == nullptr) state.past = std::make_unique<Past>();
    std::vector<TimeMark>& marks = state.past->marks;
    marks.insert(marks.end(), marked.marks.begin(), marked.marks.end());
    state.past->refused = marked.refused;
  }
  for (auto& [place, state] : partitions_) {
    RETURN_IF_ERROR(CheckPast(place, state));
    const Past& past = *state.past;
    state.watermark.Join(past.is_known ? past.resumed.watermark : kMinTime);
    // Of one that the commit does not know, what is said first tells: one that was there from the
    // start falls silent before it joins.
    const bool takes_part =
        past.is_known ? !past.resumed.is_idle : !past.marks.empty() && !past.marks.front().joins;
    state.is_active = takes_part || !JoinsLater(past);
    // One that is silent, and nobody knows until when, might come back at once.
    if (state.is_active && state.past->resumed.is_idle) state.watermark.Join(resume.watermark);
  }
  engine_watermark_ = resume.watermark;
  sent_watermark_ = resume.watermark;
  newest_ts_ = std::max(newest_ts_, resume.newest_ts);
  return shards_->Restore(resume.read_units, processed);
}

Status Job::GoOn(const ResumedPartition& resumed) {
  const std::string place = PlaceOf(resumed.source, resumed.topic, resumed.number);
  const auto found = partitions_.find(place);
  if (found == partitions_.end()) {
    // Where nothing of it waits, it has been silent since.
    if (resumed.waiting.empty() || options_.resume->accepts_loss) return absl::OkStatus();
    return WaitingGone(place, resumed, resumed.waiting.size());
  }
  Past& past = *(found->second.past = std::make_unique<Past>());
  past.resumed = resumed;
  past.is_known = true;
  past.is_behind = !resumed.waiting.empty();
  return absl::OkStatus();
}

Status Job::CheckPast(const std::string& place, const PartitionState& state) const {
  if (state.past == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        place, " is not in the checkpoint, and no journal says when it joined: name a later state ",
        "of the job with --journal, or leave the partition out of the input"));
  }
  if (!state.past->is_known) return absl::OkStatus();
  const ResumedPartition& resumed = state.past->resumed;
  const uint64_t from = resumed.waiting.empty() ? resumed.next_offset : resumed.waiting.front();
  const std::optional<uint64_t> first = state.known.first_offset;
  if (!first || *first <= from || options_.resume->accepts_loss) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      place, ": the input begins at offset ", *first, ", the checkpoint goes on at ", from,
      ": give an input that begins there; --accept-loss goes on without what ", "is missing"));
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
    PartitionState fresh{NewWatermark(partition.source),
                         {},
                         {.place = partition.place},
                         false,
                         PunctuatedOf(partition.source)};
    state = &partitions_.emplace(partition.place, std::move(fresh)).first->second;
  }
  last_partition_ = &partition;
  last_state_ = state;
  return *state;
}

// Where the partition holds time; kMaxTime: nowhere.
int64_t Job::HoldOf(const PartitionState& state) const {
  if (state.has_ended) return kMaxTime;
  if (state.past != nullptr && state.past->is_behind) return options_.resume->watermark;
  if (state.is_active) return state.watermark.watermark();
  if (state.past == nullptr) return kMaxTime;
  // It will join at a W that E had not passed then.
  const TimeMark* const joins = JoinsLater(*state.past);
  return joins == nullptr ? kMaxTime : joins->watermark;
}

// Where the partition takes part in time again; null: nobody knows.
const TimeMark* Job::JoinsLater(const Past& past) {
  const auto next = std::find_if(past.marks.begin() + static_cast<ptrdiff_t>(past.next_mark),
                                 past.marks.end(), [](const TimeMark& m) { return m.joins; });
  return next == past.marks.end() ? nullptr : &*next;
}

int64_t Job::MinimumOfOthers(const PartitionState* except) const {
  int64_t minimum = kMaxTime;
  for (const auto& [place, state] : partitions_) {
    if (&state != except) minimum = std::min(minimum, HoldOf(state));
  }
  return minimum;
}

// The partition's watermark has moved; the engine's may follow.
void Job::MoveEngineWatermark(const PartitionState& state) {
  if (others_except_ != &state) {
    others_except_ = &state;
    others_minimum_ = MinimumOfOthers(&state);
  }
  const int64_t own = state.past == nullptr ? state.watermark.watermark() : HoldOf(state);
  const int64_t minimum = std::min(own, others_minimum_);
  // Where all are silent time stands.
  if (minimum == kMaxTime && options_.resume) return;
  engine_watermark_ = std::max(engine_watermark_, minimum);
}

void Job::EndPartition(PartitionState* state) {
  state->is_active = false;
  state->has_ended = true;
  others_except_ = nullptr;
}

// A partition that has been read to its end holds time back no longer.
void Job::NoteEnd(uint64_t offset, PartitionState* state) {
  if (state->known.has_end && offset >= state->known.last_offset) EndPartition(state);
}

// Rows of one partition that the live run has read: only those that waited are used, as they were
// judged then. Returns the first row that is not one of them.
uint32_t Job::TakeAgain(const Batch& batch, uint32_t row, uint32_t end, PartitionState* state,
                        RoutedBatch* routed) {
  Past& past = *state->past;
  const std::vector<uint64_t>& waiting = past.resumed.waiting;
  const Partition* partition = batch.partitions[row];
  for (; row < end && batch.partitions[row] == partition; ++row) {
    const uint64_t offset = batch.offsets[row];
    if (offset >= past.resumed.next_offset) break;
    if (std::binary_search(waiting.begin(), waiting.end(), offset)) {
      routed->in_time.Set(row);
      newest_ts_ = std::max(newest_ts_, batch.ts[row]);
      ++past.read_again;
    }
    if (past.is_behind && past.read_again == waiting.size()) CatchUp(state);
    NoteEnd(offset, state);
  }
  return row;
}

// Whether a clock had the live run quarantine the record.
bool Job::IsRefused(uint64_t offset, const Past& past) {
  const auto behind =
      std::upper_bound(past.refused.begin(), past.refused.end(), offset,
                       [](uint64_t o, const OffsetRange& range) { return o < range.first; });
  return behind != past.refused.begin() && offset < std::prev(behind)->end;
}

void Job::Refuse(const Batch& batch, uint32_t row, PartitionState* state,
                 std::vector<Record>* turned_away) {
  ++state->ledger.read;
  ++state->ledger.quarantined;
  const std::string reason = absl::StrCat("its time ", batch.ts[row], " was further ahead of the ",
                                          "clock than `max_future`, as the journal says");
  turned_away->push_back(
      rejects_->RenderRejected({batch.partitions[row], batch.offsets[row], row, reason,
                                std::string(batch.raw[row].substr(0, size_t{64} << 10))},
                               engine_watermark_));
  turned_away->back().instant = engine_watermark_;
  NoteEnd(batch.offsets[row], state);
}

void Job::CatchUp(PartitionState* state) {
  state->past->is_behind = false;
  others_except_ = nullptr;
}

// A record comes next that the live run had not read at its commit.
void Job::GoPast(uint64_t offset, PartitionState* state) {
  Past& past = *state->past;
  if (past.is_behind) {
    const size_t missing = past.resumed.waiting.size() - past.read_again;
    if (!options_.resume->accepts_loss && failure_.ok()) {
      failure_ = WaitingGone(state->known.place, past.resumed, missing);
    }
    CatchUp(state);
  }
  FollowMarks(offset, true, state);
}

// What happened to the partition before its record at `offset`; without `joins`, up to where it
// came back. One that fell silent for good, as far as anybody knows, stays as it is: that holds
// time back longer than the live run did, and changes nothing else.
void Job::FollowMarks(uint64_t offset, bool joins, PartitionState* state) {
  Past& past = *state->past;
  for (; past.next_mark < past.marks.size(); ++past.next_mark) {
    const TimeMark& mark = past.marks[past.next_mark];
    if (mark.offset > offset || (mark.joins && !joins)) return;
    if (mark.joins) state->watermark.Join(mark.watermark);
    state->is_active = !state->has_ended && (mark.joins || JoinsLater(past) == nullptr);
    others_except_ = nullptr;
  }
}

// Judges rows of one partition from `row` on, up to `end` at most; returns the first row not
// judged. The engine's watermark is brought up to date where somebody can see it: at a row that is
// turned away, and at the end.
uint32_t Job::JudgeRun(const Batch& batch, uint32_t row, uint32_t end, RoutedBatch* routed,
                       std::vector<Record>* turned_away) {
  const Partition* partition = batch.partitions[row];
  PartitionState& state = StateOf(*partition);
  if (state.past != nullptr) {
    const Past& past = *state.past;
    if (batch.offsets[row] < past.resumed.next_offset) {
      return TakeAgain(batch, row, end, &state, routed);
    }
    GoPast(batch.offsets[row], &state);
    if (IsRefused(batch.offsets[row], past)) {
      Refuse(batch, row, &state, turned_away);
      return row + 1;
    }
    // As far as nothing else happened to the partition.
    const auto happens_at = [&](uint64_t offset) {
      return offset < past.resumed.next_offset || IsRefused(offset, past) ||
             (past.next_mark < past.marks.size() && past.marks[past.next_mark].offset <= offset);
    };
    uint32_t r = row + 1;
    while (r < end && batch.partitions[r] == partition && !happens_at(batch.offsets[r])) ++r;
    end = r;
  } else if (!state.is_active && state.ledger.processed + state.ledger.late == 0) {
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
  if (state.past != nullptr) FollowMarks(batch.offsets[row - 1] + 1, false, &state);
  if (state.known.has_end) {
    for (uint32_t r = first; r < row; ++r) NoteEnd(batch.offsets[r], &state);
  }
  return row;
}

void Job::TurnAway(const Rejected& rejected, std::vector<Record>* turned_away) {
  PartitionState& state = StateOf(*rejected.partition);
  if (state.past != nullptr && rejected.offset < state.past->resumed.next_offset) {
    Past& past = *state.past;
    const std::vector<uint64_t>& waiting = past.resumed.waiting;
    if (!std::binary_search(waiting.begin(), waiting.end(), rejected.offset)) {
      NoteEnd(rejected.offset, &state);
      return;
    }
    // It waited, and does not decode any more.
    if (++past.read_again == waiting.size()) CatchUp(&state);
  } else if (state.past != nullptr) {
    GoPast(rejected.offset, &state);
  }
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
  const int64_t minimum = MinimumOfOthers(nullptr);
  if (minimum == kMaxTime && options_.resume) return;
  engine_watermark_ = std::max(engine_watermark_, minimum);
}

// With the last source every partition has ended, announced or not.
Status Job::EndAll() {
  for (const auto& [place, state] : partitions_) {
    if (state.past == nullptr || !state.past->is_behind || options_.resume->accepts_loss) continue;
    const ResumedPartition& resumed = state.past->resumed;
    return WaitingGone(place, resumed, resumed.waiting.size() - state.past->read_again);
  }
  engine_watermark_ = kMaxTime;
  return absl::OkStatus();
}

// Gives a batch to the shards, with time as it stands; other rules take over on the way.
Status Job::Send(RoutedBatch routed, std::vector<Record> turned_away) {
  routed.newest_ts = newest_ts_;
  for (; next_swap_ < options_.swaps.size(); ++next_swap_) {
    JobSwap& swap = options_.swaps[next_swap_];
    if (swap.watermark > engine_watermark_) break;
    sent_watermark_ = std::max(sent_watermark_, swap.watermark);
    routed.watermark = sent_watermark_;
    RETURN_IF_ERROR(shards_->Dispatch(std::exchange(routed, {}), std::exchange(turned_away, {})));
    RETURN_IF_ERROR(shards_->MergeReady(true));
    shards_->Swap(swap.remake, swap.make_sink, swap.layout, options_.key_exprs.size(), false);
    keys_ = KeyUsage(options_.key_exprs, swap.rule_keys);
    swap.on_swap();
    routed.batch = pool_->Get();
    routed.newest_ts = newest_ts_;
  }
  sent_watermark_ = std::max(sent_watermark_, engine_watermark_);
  routed.watermark = sent_watermark_;
  return shards_->Dispatch(std::move(routed), std::move(turned_away));
}

Job::SourceState* Job::NextSource() {
  SourceState* next = nullptr;
  int64_t lowest = kMaxTime;
  for (SourceState& source : sources_) {
    if (source.has_ended) continue;
    int64_t watermark = kMaxTime;
    for (const KnownPartition& known : source.spec.partitions) {
      const PartitionState& state = partitions_.at(known.place);
      watermark = std::min(watermark, HoldOf(state));
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
  RETURN_IF_ERROR(failure_);
  keys_.CountMissing(*batch, routed.in_time);
  if (source->has_ended) {
    for (const KnownPartition& known : source->spec.partitions) {
      PartitionState& state = partitions_.at(known.place);
      if (!state.known.has_end) EndPartition(&state);
    }
  }
  UpdateEngineWatermark();
  if (NextSource() == nullptr) RETURN_IF_ERROR(EndAll());
  routed.batch = std::move(batch);
  return Send(std::move(routed), std::move(turned_away));
}

Status Job::Run(const Progress& progress) {
  if (options_.resume) RETURN_IF_ERROR(GoOn());
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
