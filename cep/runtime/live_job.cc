#include "cep/runtime/live_job.h"

#include <algorithm>

namespace vigil::cep {
namespace {

// Records taken from one partition before the next one is chosen: few enough to keep partitions
// abreast, many enough to make choosing cheap.
constexpr size_t kGroup = 128;
// A round that comes later than this was delayed by us: no more of it counts as listening.
constexpr int64_t kMaxListenMs = 1000;
// How long the driving thread sleeps at most; what it waits for wakes it earlier.
constexpr int64_t kMaxSleepMs = 50;
// A batch that is not full waits for more rows; results wait for the watermark in any case, so a
// small part of the bound costs little and keeps the number of batches that wait small.
constexpr int64_t kLingerParts = 128;
constexpr int64_t kMinLingerMs = 5;
constexpr int64_t kMaxLingerMs = 1000;
// Batches that are looked through for rows that wait, a round.
constexpr size_t kLookedAtASlice = 32;

// What a batch of this layout takes besides its records' bytes.
size_t FixedBytes(const Layout& layout, size_t key_exprs) {
  size_t per_row = sizeof(int64_t) + sizeof(uint64_t) + sizeof(void*) + sizeof(std::string_view) +
                   1 + key_exprs * sizeof(uint64_t);
  for (const Slot& slot : layout.slots()) {
    switch (slot.kind) {
      case ColumnKind::kInt:
      case ColumnKind::kDouble:
        per_row += sizeof(int64_t);
        break;
      case ColumnKind::kBool:
        per_row += 1;
        break;
      case ColumnKind::kString:
        per_row += sizeof(std::string_view);
        break;
      case ColumnKind::kValue:
        per_row += sizeof(Value);
        break;
    }
  }
  return per_row * kBatchRows;
}

std::string FutureReason(int64_t ts, int64_t clock_ms) {
  return "its time " + std::to_string(ts) + " is " + std::to_string(ts - clock_ms) +
         " ms ahead of the clock, more than `max_future`";
}

// The batch whose last row is the oldest is on top of a heap.
constexpr auto IsNewer = [](const auto& a, const auto& b) { return a->newest_ts > b->newest_ts; };

}  // namespace

LiveJob::LiveJob(LiveJobOptions options, std::vector<LiveInput> inputs,
                 const ShardGroup::MakeOperator& make_operator,
                 const ShardGroup::MakeSink& make_sink, RejectRenderer* rejects,
                 LiveJobCallbacks callbacks, const Clock* clock, Wakeup* wakeup)
    : options_(std::move(options)),
      inputs_(std::move(inputs)),
      rejects_(rejects),
      callbacks_(std::move(callbacks)),
      clock_(clock),
      wakeup_(wakeup),
      time_(options_.idle_advance),
      keys_(options_.key_exprs, options_.rule_keys),
      pool_(std::make_shared<BatchPool>(options_.layout)),
      numbers_(inputs_.size()),
      batch_bytes_(FixedBytes(*options_.layout, options_.key_exprs.size())),
      time_use_(clock) {
  int64_t widest = 0;
  for (const LiveInput& input : inputs_) widest = std::max(widest, input.time.bound_ms);
  linger_ms_ = std::clamp(widest / kLingerParts, kMinLingerMs, kMaxLingerMs);
  ShardGroup::Options shards{.shards = options_.shards,
                             .disorder_ms = widest,
                             .layout = options_.layout,
                             .key_exprs = options_.key_exprs.size(),
                             .on_result = [wakeup] { wakeup->Notify(); },
                             .make_packer = options_.make_packer,
                             .unit_reader = options_.unit_reader,
                             .state_bytes = options_.state_bytes,
                             .clock = clock};
  shards_ = std::make_unique<ShardGroup>(
      shards, make_operator, make_sink, callbacks_.output,
      [this](uint64_t) {
        if (callbacks_.on_barrier) callbacks_.on_barrier();
        return absl::OkStatus();
      },
      [this](uint64_t, std::vector<ShardChanges> changes) {
        sent_->changes = std::move(changes);
        return absl::OkStatus();
      });
  NewOpenBatch();
}

LiveJob::~LiveJob() { shards_->Stop(); }

Status LiveJob::Start() {
  if (options_.resume) {
    const JobResume& resume = *options_.resume;
    uint64_t processed = 0;
    for (const ResumedPartition& partition : resume.partitions) {
      processed += partition.ledger.processed;
    }
    RETURN_IF_ERROR(shards_->Restore(resume.read_units, processed));
    options_.resume->read_units = nullptr;
    time_.Resume(resume.watermark);
    sent_engine_ = resume.watermark;
    newest_ts_ = std::max(newest_ts_, resume.newest_ts);
    for (LiveInput& input : inputs_) {
      std::vector<ResumeFrom> from;
      for (ResumedPartition& p : options_.resume->partitions) {
        if (p.source != input.name) continue;
        const uint64_t first = p.waiting.empty() ? p.next_offset : p.waiting.front();
        from.push_back(
            {p.topic, p.number, first, p.next_offset, p.last, std::exchange(p.kept, {})});
      }
      input.source->Resume(std::move(from), resume.accepts_loss);
    }
  }
  for (LiveInput& input : inputs_) RETURN_IF_ERROR(input.source->Start(wakeup_));
  last_barrier_ms_ = clock_->SteadyMs();
  return absl::OkStatus();
}

std::vector<NamedTimeUse> LiveJob::time_uses() const {
  std::vector<NamedTimeUse> uses = {{"job", time_use_.totals()}};
  for (NamedTimeUse& use : shards_->time_uses()) uses.push_back(std::move(use));
  return uses;
}

void LiveJob::Stop() {
  is_stopping_ = true;
  wakeup_->Notify();
}

void LiveJob::AtBarrier(std::function<Status(LiveJob*)> change) {
  {
    const std::lock_guard lock(mutex_);
    changes_.push_back(std::move(change));
  }
  wakeup_->Notify();
}

void LiveJob::AtRest(std::function<void(const LiveJob&)> look) {
  {
    const std::lock_guard lock(mutex_);
    looks_.push_back(std::move(look));
  }
  wakeup_->Notify();
}

void LiveJob::AskForBarrier() {
  is_barrier_asked_for_ = true;
  wakeup_->Notify();
}

// Not while what waits has not been read again in whole, nor before all partitions are known.
bool LiveJob::MayCommit() const {
  if (time_.is_any_behind() || (options_.make_packer && !is_started_)) return false;
  return !callbacks_.may_commit || callbacks_.may_commit();
}

std::shared_ptr<const CommitPoint> LiveJob::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

Status LiveJob::Run(const std::function<void()>& after_round) {
  time_use_.Restart();
  while (!is_done_ && !is_stopping_) {
    bool more = false;
    RETURN_IF_ERROR(Step(&more));
    after_round();
    time_use_.Spent(TimeUse::Part::kBusy);
    if (more || is_done_) continue;
    wakeup_->Wait(open_.is_empty() ? kMaxSleepMs : std::min(kMaxSleepMs, linger_ms_));
    time_use_.Spent(had_room_ ? TimeUse::Part::kIdle : TimeUse::Part::kBackPressured);
  }
  if (!is_done_) RETURN_IF_ERROR(Finish());
  after_round();
  return absl::OkStatus();
}

Status LiveJob::Step(bool* more) {
  *more = false;
  const int64_t now = clock_->SteadyMs();
  wall_ms_ = clock_->WallMs();
  // Where we did not take what there was, or came late, silence is ours.
  if (now - last_step_ms_ > kMaxListenMs) could_listen_ = false;
  last_step_ms_ = now;
  // Between two barriers there is a round for those who wait for the first one's commit.
  const bool is_committing = sent_.has_value();
  RETURN_IF_ERROR(RunLooks());
  RETURN_IF_ERROR(RunChanges());
  RETURN_IF_ERROR(ServeSources());
  RETURN_IF_ERROR(shards_->MergeReady(false));
  RETURN_IF_ERROR(ContinueCommit(kLookedAtASlice));
  if (!is_started_) return absl::OkStatus();
  RETURN_IF_ERROR(NoteCaughtUp());
  Listen(now);
  TellTimeEvents();  // before anything is read
  could_listen_ = false;
  // One batch a round at most, so that the sources are served in between.
  had_room_ = shards_->HasRoom() && callbacks_.has_room();
  if (had_room_) {
    *more = Fill(now);
    could_listen_ = !*more;
  }
  NoteEnds();
  time_.UpdateEngine();
  TellTimeEvents();
  const bool have_ended = std::all_of(inputs_.begin(), inputs_.end(), [](const LiveInput& input) {
    return input.source->has_ended();
  });
  if (have_ended && MayCommit() &&
      std::all_of(partitions_.begin(), partitions_.end(),
                  [](const PartitionState& p) { return p.has_ended; })) {
    const bool drains = std::all_of(inputs_.begin(), inputs_.end(),
                                    [](const LiveInput& input) { return input.drains; });
    // What is open must not be overtaken by the end of time.
    RETURN_IF_ERROR(Flush(false));
    if (drains) time_.Finish();
    is_done_ = true;
    return Finish();
  }
  if (is_barrier_asked_for_.exchange(false)) has_changed_ = true;
  const int64_t since_ms = now - last_barrier_ms_;
  const bool is_barrier_due = has_changed_ && !is_committing && !sent_ && MayCommit() &&
                              shards_->HasRoom() &&
                              (callbacks_.is_commit_due ? callbacks_.is_commit_due(since_ms)
                                                        : since_ms >= options_.commit_interval_ms);
  if (is_barrier_due || (IsFlushDue(now) && shards_->HasRoom())) {
    RETURN_IF_ERROR(Flush(is_barrier_due));
  }
  *more |= shards_->IsSavingInline() || (sent_ && sent_->looked_at < sent_->waiting.size());
  return absl::OkStatus();
}

Status LiveJob::ServeSources() {
  bool have_started = true;
  for (LiveInput& input : inputs_) {
    RETURN_IF_ERROR(input.source->Serve());
    have_started = have_started && input.source->has_started();
  }
  // Before all sources know their partitions, nothing is read: time must wait for all of them.
  if (have_started) {
    AddPartitions();
    NoteLost();
    is_started_ = true;
  }
  return absl::OkStatus();
}

void LiveJob::AddPartitions() {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const std::vector<LivePartition>& found = inputs_[i].source->partitions();
    for (size_t index = numbers_[i].size(); index < found.size(); ++index) {
      partitions_.push_back({i, index, {}, false, last_step_ms_, {}, 0, 0, {}});
      AddPartition(i, found[index]);
      has_changed_ = true;
    }
  }
}

void LiveJob::AddPartition(size_t input, const LivePartition& found) {
  const Partition& id = *found.partition;
  if (options_.resume) {
    for (ResumedPartition& resumed : options_.resume->partitions) {
      if (resumed.source != id.source || resumed.topic != id.topic || resumed.number != id.number) {
        continue;
      }
      if (found.is_replaced) {
        resumed.ledger.lost += std::exchange(resumed.waiting, {}).size();
        resumed.next_offset = 0;
        resumed.last = {};
      }
      const bool is_behind = !resumed.waiting.empty();
      numbers_[input].push_back(
          time_.AddResumed(inputs_[input].time, resumed.watermark, resumed.is_idle, is_behind));
      partitions_.back().ledger = resumed.ledger;
      partitions_.back().resumed = std::move(resumed);
      return;
    }
  }
  // One that no former run knew joins where E stands, however early it is found.
  const bool at_start = found.at_start && time_.engine() == kMinTime;
  numbers_[input].push_back(time_.Add(inputs_[input].time, at_start));
}

// Partitions that have been read up to where the former run stood: what waited and did not come is
// gone.
Status LiveJob::NoteCaughtUp() {
  if (!time_.is_any_behind()) return absl::OkStatus();
  for (uint32_t p = 0; p < partitions_.size(); ++p) {
    PartitionState& state = partitions_[p];
    if (!time_.is_behind(p)) continue;
    const LivePartition& live = Of(state);
    const size_t lost = state.resumed->waiting.size() - state.read_again;
    const bool is_read = live.next_offset >= state.resumed->next_offset || live.has_ended;
    if (lost > 0 && !is_read) continue;
    if (lost > 0 && !options_.resume->accepts_loss) {
      return absl::FailedPreconditionError(live.partition->place + ": " + std::to_string(lost) +
                                           " records that waited for time are gone, of offsets " +
                                           std::to_string(state.resumed->waiting.front()) + " to " +
                                           std::to_string(state.resumed->waiting.back()) +
                                           "; --accept-loss counts them as lost and goes on");
    }
    state.ledger.lost += lost;
    time_.CatchUp(p);
  }
  return absl::OkStatus();
}

// Counts silence up to where it is proven: the last answer of whoever holds the partition.
void LiveJob::Listen(int64_t now_ms) {
  int64_t all_answered_ms = now_ms;
  bool are_all_silent = could_listen_;
  for (uint32_t p = 0; p < partitions_.size(); ++p) {
    PartitionState& state = partitions_[p];
    const LivePartition& live = Of(state);
    const bool is_silent = live.is_at_end && live.is_connected && !live.has_rows;
    if (!could_listen_ || !is_silent) state.heard_ms = now_ms;
    const int64_t answered_ms = std::min(live.answered_ms, now_ms);
    const int64_t elapsed_ms = std::max<int64_t>(answered_ms - state.heard_ms, 0);
    state.heard_ms = std::max(state.heard_ms, answered_ms);
    time_.Listen(p, elapsed_ms, is_silent);
    if (state.has_ended) continue;
    are_all_silent = are_all_silent && is_silent;
    all_answered_ms = std::min(all_answered_ms, answered_ms);
  }
  if (!are_all_silent) all_heard_ms_ = now_ms;
  time_.AdvanceIdle(std::max<int64_t>(all_answered_ms - all_heard_ms_, 0));
  all_heard_ms_ = std::max(all_heard_ms_, all_answered_ms);
}

void LiveJob::NoteEnds() {
  for (uint32_t p = 0; p < partitions_.size(); ++p) {
    PartitionState& state = partitions_[p];
    const LivePartition& live = Of(state);
    if (state.has_ended || !live.has_ended || live.has_rows) continue;
    state.has_ended = true;
    has_changed_ = true;
    time_.End(p, inputs_[state.input].drains);
  }
}

// The partition to read from: of those that have rows and are not held, the one furthest behind; or
// -1.
int LiveJob::NextPartition() const {
  const int64_t slowest = time_.slowest();
  const bool is_full = waiting_bytes_ + open_.bytes >= options_.waiting_bytes_max;
  int next = -1;
  int64_t lowest = kMaxTime;
  for (uint32_t p = 0; p < partitions_.size(); ++p) {
    const LivePartition& live = Of(partitions_[p]);
    if (!live.has_rows) continue;
    if (time_.is_any_behind()) {
      if (time_.is_behind(p)) return static_cast<int>(p);
      continue;
    }
    int64_t own = time_.watermark(p);
    if (time_.is_idle(p)) own = std::max(own, time_.engine());
    if (time_.IsAhead(p, slowest) || (is_full && own > slowest)) continue;
    if (next >= 0 && own >= lowest) continue;
    next = static_cast<int>(p);
    lowest = own;
  }
  return next;
}

// Fills the open batch. Returns true if there may be more to read at once.
bool LiveJob::Fill(int64_t now_ms) {
  while (open_.batch->rows + open_.batch->rejected.size() < kBatchRows) {
    const int next = NextPartition();
    if (next < 0) {
      ReleaseStuck();
      return false;
    }
    const auto partition = static_cast<uint32_t>(next);
    // A batch has one renderer, so it holds rows of one source.
    if (!open_.is_empty() && open_.input != partitions_[partition].input) return true;
    ReadFrom(partition, now_ms);
    NoteEnds();
  }
  return true;
}

// Nothing can be read although accepted rows take all the memory they may: if the only reason is
// a partition that has ended but stays in the minimum, it is given up.
void LiveJob::ReleaseStuck() {
  if (waiting_bytes_ + open_.bytes < options_.waiting_bytes_max) return;
  const int holder = time_.holder();
  if (holder < 0 || !partitions_[static_cast<size_t>(holder)].has_ended) return;
  time_.ForceIdle(static_cast<uint32_t>(holder));
}

size_t LiveJob::ReadFrom(uint32_t partition, int64_t now_ms) {
  PartitionState& state = partitions_[partition];
  Batch* batch = open_.batch.get();
  const uint32_t first_row = batch->rows;
  const size_t first_rejected = batch->rejected.size();
  const size_t room = kBatchRows - first_row - first_rejected;
  const bool was_empty = open_.is_empty();
  LiveSource& source = *inputs_[state.input].source;
  const size_t count = source.Read(state.index, std::min(room, kGroup), batch);
  if (count == 0) return 0;
  if (was_empty) {
    open_.since_ms = now_ms;
    open_.input = state.input;
    open_.bytes += batch_bytes_;
  }
  has_changed_ = true;
  const Ledger before = state.ledger;
  state.ledger.read += count;
  Judge(partition, first_row, first_rejected);
  source.NoteVerdicts(state.index, {.read = state.ledger.read - before.read,
                                    .late = state.ledger.late - before.late,
                                    .quarantined = state.ledger.quarantined - before.quarantined});
  for (uint32_t row = first_row; row < batch->rows; ++row) open_.bytes += batch->raw[row].size();
  return count;
}

// What a former run has read: only what waited then is used, as it was judged then.
void LiveJob::TakeAgain(uint32_t partition, uint32_t* row, size_t* rejected) {
  PartitionState& state = partitions_[partition];
  const Batch& batch = *open_.batch;
  const std::vector<uint64_t>& waiting = state.resumed->waiting;
  const auto waited = [&](uint64_t offset) {
    --state.ledger.read;
    if (!std::binary_search(waiting.begin(), waiting.end(), offset)) return false;
    ++state.read_again;
    return true;
  };
  const uint64_t end = state.resumed->next_offset;
  for (; *row < batch.rows && batch.offsets[*row] < end; ++*row) {
    if (!waited(batch.offsets[*row])) continue;
    open_.routed.in_time.Set(*row);
    open_.newest_ts = std::max(open_.newest_ts, batch.ts[*row]);
  }
  // One that waited and does not decode any more.
  for (; *rejected < batch.rejected.size() && batch.rejected[*rejected].offset < end; ++*rejected) {
    if (waited(batch.rejected[*rejected].offset)) TurnAway(batch.rejected[*rejected], partition);
  }
}

// Judges what was read of a partition, in the order in which it was read.
void LiveJob::Judge(uint32_t partition, uint32_t first_row, size_t first_rejected) {
  const Batch& batch = *open_.batch;
  const std::vector<int64_t>& append_times =
      inputs_[partitions_[partition].input].source->append_times();
  uint32_t row = first_row;
  size_t rejected = first_rejected;
  if (partitions_[partition].resumed) TakeAgain(partition, &row, &rejected);
  if (row == batch.rows && rejected == batch.rejected.size()) return;
  const bool is_row_next =
      rejected == batch.rejected.size() || batch.rejected[rejected].before_row > row;
  time_.Join(partition);
  TellTimeEvents(is_row_next ? batch.offsets[row] : batch.rejected[rejected].offset);
  for (; row <= batch.rows; ++row) {
    while (rejected < batch.rejected.size() && batch.rejected[rejected].before_row <= row) {
      TurnAway(batch.rejected[rejected++], partition);
    }
    if (row == batch.rows) break;
    JudgeRow(partition, row, append_times.empty() ? wall_ms_ : append_times[row - first_row]);
  }
  time_.UpdateEngine();
}

void LiveJob::JudgeRow(uint32_t partition, uint32_t row, int64_t clock_ms) {
  const Batch& batch = *open_.batch;
  const int64_t ts = batch.ts[row];
  const LiveInput& input = inputs_[partitions_[partition].input];
  if (ts > clock_ms && ts - clock_ms > input.max_future_ms) {
    partitions_[partition].refused.push_back(batch.offsets[row]);
    TurnAway({batch.partitions[row], batch.offsets[row], row, FutureReason(ts, clock_ms),
              std::string(batch.raw[row].substr(0, size_t{64} << 10))},
             partition);
    return;
  }
  const bool is_mark = input.punctuated == nullptr || IsMark(*input.punctuated, row);
  if (time_.Observe(partition, ts, is_mark)) {
    open_.routed.in_time.Set(row);
    open_.newest_ts = std::max(open_.newest_ts, ts);
    return;
  }
  ++partitions_[partition].ledger.late;
  open_.turned_away.push_back(rejects_->RenderLate(batch, row, time_.watermark(partition)));
  open_.turned_away.back().instant = time_.engine();
}

bool LiveJob::IsMark(const Expression& punctuated, uint32_t row) {
  EvalContext context;
  context.block = open_.batch.get();
  context.row = row;
  context.arena = &arena_;
  const bool is_mark = punctuated.EvalBool(context) == Tri::kTrue;
  arena_.Reset();
  return is_mark;
}

// Records that were deleted before they were read count as lost, and `errors` says so.
void LiveJob::NoteLost() {
  for (PartitionState& state : partitions_) {
    const LivePartition& live = Of(state);
    if (live.lost == state.lost) continue;
    uint64_t lost = live.lost - state.lost;
    state.lost = live.lost;
    if (state.resumed.has_value()) {
      // What had been read before is in the ledger; of that, what waited is lost (TakeAgain()).
      const uint64_t read = state.resumed->next_offset;
      lost = std::min(lost, live.next_offset - std::min(read, live.next_offset));
      if (lost == 0) continue;
    }
    state.ledger.read += lost;
    state.ledger.lost += lost;
    const uint64_t first = live.next_offset - std::min(lost, live.next_offset);
    open_.turned_away.push_back(rejects_->RenderRejected(
        {live.partition, first, 0,
         "lost: the records from " + std::to_string(first) + " to " +
             std::to_string(live.next_offset - 1) + " were deleted before they were read",
         ""},
        time_.engine()));
    open_.turned_away.back().instant = time_.engine();
    has_changed_ = true;
  }
}

void LiveJob::TurnAway(const Rejected& rejected, uint32_t partition) {
  ++partitions_[partition].ledger.quarantined;
  open_.turned_away.push_back(rejects_->RenderRejected(rejected, time_.engine()));
  open_.turned_away.back().instant = time_.engine();
}

bool LiveJob::IsFlushDue(int64_t now_ms) const {
  if (open_.batch->rows + open_.batch->rejected.size() >= kBatchRows) return true;
  if (!open_.is_empty()) return now_ms - open_.since_ms >= linger_ms_;
  return time_.engine() != sent_engine_ && now_ms - last_flush_ms_ >= linger_ms_;
}

void LiveJob::NewOpenBatch() {
  open_ = OpenBatch();
  open_.batch = pool_->Get();
}

// Hands the open batch and the watermark to the shards, a barrier behind it if asked for.
Status LiveJob::Flush(bool with_barrier) {
  const int64_t now = clock_->SteadyMs();
  OpenBatch open = std::move(open_);
  NewOpenBatch();
  newest_ts_ = std::max(newest_ts_, open.newest_ts);
  last_flush_ms_ = now;
  keys_.Hash(open.batch.get());
  keys_.CountMissing(*open.batch, open.routed.in_time);
  if (open.newest_ts > time_.engine()) {
    open.routed.batch = open.batch;
    AddWaiting(open.routed, open.newest_ts, open.bytes);
  }
  ForgetApplied();
  if (options_.make_packer && open.batch->rows > 0 && inputs_[open.input].source->keeps_rows()) {
    unkept_.push_back(open.batch);
  }
  open.routed.batch = std::move(open.batch);
  open.routed.watermark = time_.engine();
  open.routed.newest_ts = newest_ts_;
  if (sent_engine_ != time_.engine()) has_changed_ = true;
  sent_engine_ = time_.engine();
  if (with_barrier) {
    last_barrier_ms_ = now;
    has_changed_ = false;
    open.routed.barrier = ++barriers_;
    CEP_CHECK(!sent_);
    SentPoint& sent = sent_.emplace(SentPoint());
    sent.batches = std::exchange(unkept_, {});
    sent.waiting = waiting_;
    CommitPoint& point = sent.point;
    point.number = barriers_;
    point.watermark = time_.engine();
    point.newest_ts = newest_ts_;
    point.holder = time_.holder();
    point.is_final = is_done_ || is_stopping_;
    for (uint32_t p = 0; p < partitions_.size(); ++p) {
      point.partitions.push_back(PointOf(p));
      point.partitions.back().refused = std::exchange(partitions_[p].refused, {});
    }
    point.time_events = std::exchange(time_events_, {});
  }
  RETURN_IF_ERROR(shards_->Dispatch(std::move(open.routed), std::move(open.turned_away)));
  // A small commit is complete at once.
  return with_barrier ? ContinueCommit(kLookedAtASlice) : absl::OkStatus();
}

// The first record that no run has read.
uint64_t LiveJob::NextOffsetOf(uint32_t partition) const {
  const PartitionState& state = partitions_[partition];
  const uint64_t next = Of(state).next_offset;
  // A source that went back further than it had to has not come to where we stand.
  return state.resumed ? std::max(next, state.resumed->next_offset) : next;
}

// As far as the driving thread knows it.
PartitionPoint LiveJob::PointOf(uint32_t partition) const {
  const PartitionState& state = partitions_[partition];
  const LivePartition& live = Of(state);
  PartitionPoint point{.input = state.input,
                       .index = state.index,
                       .partition = live.partition,
                       .next_offset = NextOffsetOf(partition),
                       .waiting_from = NextOffsetOf(partition),
                       .waiting = {},
                       .watermark = time_.watermark(partition),
                       .is_idle = time_.is_idle(partition),
                       .end_offset = live.end_offset,
                       .last = live.last,
                       .ledger = state.ledger};
  if (live.next_offset < point.next_offset) point.last = state.resumed->last;
  if (state.resumed && !point.last.is_known) point.last = state.resumed->last;
  return point;
}

void LiveJob::AddWaiting(const RoutedBatch& routed, int64_t newest_ts, size_t bytes) {
  waiting_.push_back(std::make_shared<const WaitingBatch>(
      WaitingBatch{routed.batch, routed.in_time, newest_ts, bytes}));
  std::push_heap(waiting_.begin(), waiting_.end(), IsNewer);
  waiting_bytes_ += bytes;
}

// Batches whose last row the engine's watermark has passed take no memory any more.
void LiveJob::ForgetApplied() {
  while (!waiting_.empty() && waiting_.front()->newest_ts <= time_.engine()) {
    waiting_bytes_ -= waiting_.front()->bytes;
    std::pop_heap(waiting_.begin(), waiting_.end(), IsNewer);
    waiting_.pop_back();
  }
}

// Goes on with the commit of the barrier that was sent: looks at so many batches more, and hands it
// on when nothing is missing any more.
Status LiveJob::ContinueCommit(size_t batches) {
  if (!sent_) return absl::OkStatus();
  RETURN_IF_ERROR(shards_->Save(false));
  FindWaiting(batches);
  if (!sent_->changes || sent_->looked_at < sent_->waiting.size()) return absl::OkStatus();
  return HandOnCommit();
}

// Offsets of rows that no shard had applied at the barrier: those in time, behind E, that have a
// key.
void LiveJob::FindWaiting(size_t batches) {
  std::vector<PartitionPoint>& partitions = sent_->point.partitions;
  PartitionPoint* point = nullptr;
  for (; batches > 0 && sent_->looked_at < sent_->waiting.size(); --batches, ++sent_->looked_at) {
    const WaitingBatch& waiting = *sent_->waiting[sent_->looked_at];
    const Batch& batch = *waiting.batch;
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (batch.ts[row] <= sent_->point.watermark || !waiting.in_time.Test(row)) continue;
      const bool has_key =
          std::any_of(batch.key_hashes.begin(), batch.key_hashes.end(),
                      [row](const std::vector<uint64_t>& hashes) { return hashes[row] != kNoKey; });
      if (!has_key) continue;
      if (point == nullptr || point->partition != batch.partitions[row]) {
        point = &*std::find_if(partitions.begin(), partitions.end(), [&](const PartitionPoint& p) {
          return p.partition == batch.partitions[row];
        });
      }
      point->waiting.push_back(batch.offsets[row]);
    }
  }
}

Status LiveJob::HandOnCommit() {
  CommitPoint point = std::move(sent_->point);
  const std::vector<std::shared_ptr<const Batch>> batches = std::move(sent_->batches);
  std::vector<ShardChanges> changes = *std::move(sent_->changes);
  sent_.reset();
  for (PartitionPoint& partition : point.partitions) {
    if (!std::is_sorted(partition.waiting.begin(), partition.waiting.end())) {
      std::sort(partition.waiting.begin(), partition.waiting.end());
    }
    if (!partition.waiting.empty()) partition.waiting_from = partition.waiting.front();
    Ledger& ledger = partition.ledger;
    ledger.waiting = partition.waiting.size();
    ledger.processed = ledger.read - ledger.late - ledger.quarantined - ledger.rate_limited -
                       ledger.waiting - ledger.lost;
  }
  KeepRows(batches, &point);
  const auto shared = std::make_shared<const CommitPoint>(std::move(point));
  {
    const std::lock_guard lock(mutex_);
    status_ = shared;
  }
  return callbacks_.on_commit(*shared, std::move(changes));
}

// What former runs have read was kept by them.
void LiveJob::KeepRows(const std::vector<std::shared_ptr<const Batch>>& batches,
                       CommitPoint* point) const {
  for (size_t p = 0; p < point->partitions.size(); ++p) {
    PartitionPoint& partition = point->partitions[p];
    const LiveSource& source = *inputs_[partition.input].source;
    if (partition.waiting.empty() || !source.keeps_rows()) continue;
    const std::optional<ResumedPartition>& resumed = partitions_[p].resumed;
    const uint64_t first = resumed ? resumed->next_offset : 0;
    for (const std::shared_ptr<const Batch>& batch : batches) {
      for (uint32_t row = 0; row < batch->rows; ++row) {
        const uint64_t offset = batch->offsets[row];
        if (batch->partitions[row] != partition.partition || offset < first) continue;
        if (!std::binary_search(partition.waiting.begin(), partition.waiting.end(), offset)) {
          continue;
        }
        KeptRow& kept = partition.kept.emplace_back();
        kept.offset = offset;
        source.Keep(*batch, row, &kept.bytes);
      }
    }
  }
}

// A barrier, and its commit as a whole; everything that was read has passed when it returns.
Status LiveJob::CommitNow() {
  const auto complete = [this]() -> Status {
    RETURN_IF_ERROR(shards_->MergeReady(true));
    RETURN_IF_ERROR(shards_->Save(true));
    return ContinueCommit(SIZE_MAX);
  };
  RETURN_IF_ERROR(complete());  // the one before
  RETURN_IF_ERROR(Flush(true));
  return complete();
}

Status LiveJob::RunLooks() {
  std::vector<std::function<void(const LiveJob&)>> looks;
  {
    const std::lock_guard lock(mutex_);
    if (looks_.empty() || sent_) return absl::OkStatus();
    looks.swap(looks_);
  }
  RETURN_IF_ERROR(shards_->MergeReady(true));
  for (const auto& look : looks) look(*this);
  return absl::OkStatus();
}

Status LiveJob::RunChanges() {
  if (!MayCommit() || sent_) return absl::OkStatus();
  std::vector<std::function<Status(LiveJob*)>> changes;
  {
    const std::lock_guard lock(mutex_);
    changes.swap(changes_);
  }
  if (changes.empty()) return absl::OkStatus();
  change_began_us_ = clock_->SteadyUs();
  RETURN_IF_ERROR(CommitNow());
  for (const auto& change : changes) RETURN_IF_ERROR(change(this));
  return absl::OkStatus();
}

bool LiveJob::KeepsRows(const LiveRules& rules) const {
  return rules.key_exprs == options_.key_exprs && rules.layout->HasSameColumns(*options_.layout);
}

Status LiveJob::Swap(LiveRules rules) {
  const bool keeps_rows = KeepsRows(rules);
  std::vector<HeldRow> waiting;
  if (!keeps_rows) waiting = shards_->WaitingRows();
  shards_->Swap(rules.remake, rules.make_sink, rules.layout, rules.key_exprs.size(), !keeps_rows);
  keys_ = KeyUsage(rules.key_exprs, rules.rule_keys);
  time_.set_idle_advance(rules.idle_advance);
  options_.rule_keys = std::move(rules.rule_keys);
  options_.key_exprs = std::move(rules.key_exprs);
  if (keeps_rows) return absl::OkStatus();
  options_.layout = std::move(rules.layout);
  pool_ = std::make_shared<BatchPool>(options_.layout);
  batch_bytes_ = FixedBytes(*options_.layout, options_.key_exprs.size());
  NewOpenBatch();
  waiting_.clear();
  waiting_bytes_ = 0;
  return SendAgain(waiting);
}

// Rows that wait go to the shards once more; they have been judged and counted.
Status LiveJob::SendAgain(const std::vector<HeldRow>& rows) {
  std::vector<uint32_t> numbers;
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    const Batch& from = *rows[begin].batch;
    const Partition* partition = from.partitions[rows[begin].row];
    numbers.clear();
    for (; end < rows.size() && rows[end].batch.get() == &from; ++end) {
      if (from.partitions[rows[end].row] != partition) break;
      numbers.push_back(rows[end].row);
    }
    uint32_t number = 0;
    while (Of(partitions_[number]).partition != partition) ++number;
    const std::shared_ptr<Batch> to = pool_->Get();
    // What the new batch points into lives as long as it does.
    to->chunks.emplace_back(rows[begin].batch, nullptr);
    inputs_[partitions_[number].input].source->DecodeAgain(from, numbers.data(), numbers.size(),
                                                           to.get());
    std::vector<Record> turned_away;
    for (const Rejected& rejected : to->rejected) {
      ++partitions_[number].ledger.quarantined;
      turned_away.push_back(rejects_->RenderRejected(rejected, time_.engine()));
      turned_away.back().instant = time_.engine();
    }
    keys_.Hash(to.get());
    RoutedBatch routed;
    for (uint32_t row = 0; row < to->rows; ++row) routed.in_time.Set(row);
    keys_.CountMissing(*to, routed.in_time);
    routed.batch = to;
    int64_t newest_ts = kMinTime;
    size_t bytes = batch_bytes_;
    for (uint32_t row = 0; row < to->rows; ++row) {
      newest_ts = std::max(newest_ts, to->ts[row]);
      bytes += to->raw[row].size();
    }
    if (newest_ts > sent_engine_) AddWaiting(routed, newest_ts, bytes);
    routed.watermark = sent_engine_;
    routed.newest_ts = newest_ts_;
    RETURN_IF_ERROR(shards_->Dispatch(std::move(routed), std::move(turned_away)));
  }
  has_changed_ = true;
  return shards_->MergeReady(true);
}

// The last barrier; everything that was read has passed when it returns.
Status LiveJob::Finish() {
  // The former commit stays the last one.
  if (!MayCommit()) {
    RETURN_IF_ERROR(Flush(false));
    is_done_ = true;
    return shards_->MergeReady(true);
  }
  RETURN_IF_ERROR(CommitNow());
  is_done_ = true;
  return absl::OkStatus();
}

// `offset`: of the partition that they are about; else each comes before the next record to read.
void LiveJob::TellTimeEvents(std::optional<uint64_t> offset) {
  for (TimeEvent& event : time_.TakeEvents()) {
    if (event.kind == TimeEvent::Kind::kIdle) has_changed_ = true;
    const LivePartition& live = Of(partitions_[event.partition]);
    event.offset = offset.value_or(NextOffsetOf(event.partition));
    callbacks_.on_time_event(event, *live.partition);
    time_events_.push_back(event);
  }
}

}  // namespace vigil::cep
