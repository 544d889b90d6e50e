#include "daemon/outbox_sink.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "daemon/outbox_record.h"

namespace vigil::daemon {
namespace {

constexpr size_t kBatchBytes = size_t{4} << 20;
constexpr int64_t kIdleMs = 200;
// A transactional sink without records of its own moves its cursor so often, that the outbox can be
// trimmed; and one that stands still so often, since groups without members forget offsets.
constexpr std::chrono::seconds kMoveEvery{5};
constexpr std::chrono::hours kRenewEvery{1};

}  // namespace

OutboxSink::OutboxSink(OutboxSinkOptions options, DurableState* state,
                       std::unique_ptr<alerts::Sink> plain,
                       std::unique_ptr<alerts::TransactionalSink> transactional)
    : options_(std::move(options)),
      state_(state),
      plain_(std::move(plain)),
      transactional_(std::move(transactional)),
      thread_([this] { Work(); }) {}

OutboxSink::~OutboxSink() {
  GiveUp();
  thread_.join();
}

void OutboxSink::GiveUp() {
  is_giving_up_ = true;
  changed_.notify_all();
  state_->WakeReaders();
}

SinkPlace OutboxSink::place() const {
  const std::lock_guard lock(mutex_);
  return {options_.name, position_, options_.drops_when_full};
}

alerts::SinkCounters OutboxSink::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

bool OutboxSink::Drain(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline,
                             [this] { return is_ready_ && position_.sequence >= state_->end(); });
}

void OutboxSink::MoveTo(uint64_t sequence) {
  {
    const std::lock_guard lock(mutex_);
    position_ = At(sequence);
  }
  changed_.notify_all();
  options_.on_progress();
}

bool OutboxSink::WaitBeforeRetry(std::chrono::milliseconds* backoff) {
  std::unique_lock lock(mutex_);
  ++counters_.failures;
  changed_.wait_for(lock, *backoff, [this] { return is_giving_up_.load(); });
  *backoff = std::min(2 * *backoff, options_.backoff_max);
  return !is_giving_up_;
}

// Where the target says it stands.
StatusOr<state::OutboxPosition> OutboxSink::TransactionalPlace(bool is_first) {
  ASSIGN_OR_RETURN(const std::optional<alerts::TargetCursor> cursor,
                   transactional_->Open(is_giving_up_));
  is_open_ = true;
  if (cursor && cursor->skips) RETURN_IF_ERROR(FindSkipped());
  std::optional<state::OutboxPosition> target;
  if (cursor) target = {cursor->boot, cursor->sequence};
  if (!is_first) {
    if (!target) return absl::FailedPreconditionError(options_.name + " has lost its cursor");
    const std::lock_guard lock(mutex_);
    // The state is in use: what this run wrote is all that can be there.
    if (target->sequence < position_.sequence || target->boot != state_->BootOf(target->sequence)) {
      return absl::FailedPreconditionError(
          absl::StrCat("sink ", options_.name, ": its target stands at record ", target->sequence,
                       ", which this daemon did not write"));
    }
    return *target;
  }
  const std::optional<state::OutboxPosition> known = state_->KnownPlace(options_.name);
  const bool is_behind = known && target && target->sequence < known->sequence;
  if (known && (!target || is_behind)) {
    // The group has forgotten it: the records themselves tell.
    ASSIGN_OR_RETURN(const std::optional<alerts::TargetCursor> last,
                     transactional_->FindLast(is_giving_up_));
    if (last && last->sequence >= known->sequence) {
      target = {last->boot, last->sequence};
    } else if (last || known->sequence == state_->found().outbox_end) {
      // All that it could have been given is older.
      target = known;
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat("sink ", options_.name,
                       ": its cursor at the target is gone, and no record "
                       "there tells it; the state knows it at record ",
                       known->sequence, "; --after-rollback=redeliver goes on from there"));
    }
  }
  return state_->PlaceOf(options_.name, target);
}

// What the target holds of a past that the state knows nothing of.
Status OutboxSink::FindSkipped() {
  ASSIGN_OR_RETURN(skipped_, transactional_->FindIds(
                                 [this](const alerts::TargetCursor& at) {
                                   return !state_->Knows({at.boot, at.sequence});
                                 },
                                 is_giving_up_));
  return absl::OkStatus();
}

Status OutboxSink::Begin() {
  StatusOr<state::OutboxPosition> place =
      transactional_ ? TransactionalPlace(true) : state_->PlaceOf(options_.name, std::nullopt);
  if (absl::IsFailedPrecondition(place.status())) {
    if (options_.after_rollback == AfterRollback::kRefuse) {
      return absl::FailedPreconditionError(
          absl::StrCat(std::string(place.status().message()),
                       "; was an older state restored? --after-rollback=skip-delivered goes on "
                       "from there without what the target has, --after-rollback=redeliver "
                       "delivers again what is raised again"));
    }
    if (transactional_ && options_.after_rollback == AfterRollback::kSkipDelivered) {
      RETURN_IF_ERROR(FindSkipped());
    }
    const std::optional<state::OutboxPosition> known = state_->KnownPlace(options_.name);
    place = known ? state_->PlaceOf(options_.name, known)
                  : state_->PlaceOf(options_.name, At(state_->end()));
  }
  if (absl::IsOutOfRange(place.status())) place = At(state_->found().outbox_begin);
  RETURN_IF_ERROR(place.status());
  next_ = place->sequence;
  if (transactional_) {
    // From here on the target knows the sink.
    RETURN_IF_ERROR(transactional_->Deliver(nullptr, {At(next_).boot, next_, !skipped_.empty()},
                                            is_giving_up_));
    renewed_ = std::chrono::steady_clock::now();
  } else {
    repeats_end_ = state_->end();
    RETURN_IF_ERROR(plain_->ExpectRepeats(repeats_end_ > next_ ? state_->found().outbox_bytes : 0));
  }
  MoveTo(next_);
  return absl::OkStatus();
}

StatusOr<OutboxSink::Batch> OutboxSink::Read(uint64_t from) {
  ASSIGN_OR_RETURN(const auto stored, state_->ReadOutbox(from, kBatchBytes));
  Batch batch;
  batch.end = from;
  for (const auto& [sequence, record] : stored) {
    if (batch.records.size() == alerts::TransactionalSink::kMaxRecords) break;
    batch.end = sequence + 1;
    if (record.output != options_.output) continue;
    ASSIGN_OR_RETURN(alerts::Outgoing outgoing, DecodeOutboxRecord(record, options_.key_field));
    if (skipped_.erase(outgoing.id) > 0) continue;
    outgoing.sequence = sequence;
    outgoing.boot = absl::StrCat(absl::Hex(state_->BootOf(sequence), absl::kZeroPad16));
    batch.records.push_back(std::move(outgoing));
  }
  return batch;
}

// Records that are refused for good go elsewhere before the cursor passes them.
bool OutboxSink::BuryRefused(Batch* batch) {
  for (alerts::Outgoing& record : batch->records) {
    if (record.refusal.empty() || record.is_delivered) continue;
    if (!options_.dead_letter(record)) return false;
    record.is_delivered = true;
    const std::lock_guard lock(mutex_);
    ++counters_.refused;
  }
  return true;
}

Status OutboxSink::DeliverOnce(Batch* batch) {
  if (plain_) {
    const uint64_t refused = plain_->refused();
    RETURN_IF_ERROR(plain_->Write(&batch->records, is_giving_up_));
    const std::lock_guard lock(mutex_);
    counters_.refused += plain_->refused() - refused;
    return absl::OkStatus();
  }
  if (!is_open_) {
    ASSIGN_OR_RETURN(const state::OutboxPosition place, TransactionalPlace(false));
    // What became of the transaction: all of it happened, or nothing.
    if (place.sequence >= batch->end) return absl::OkStatus();
  }
  const Status status = transactional_->Deliver(
      &batch->records, {At(batch->end).boot, batch->end, !skipped_.empty()}, is_giving_up_);
  if (absl::IsInvalidArgument(status)) {
    if (!BuryRefused(batch)) return absl::CancelledError("giving up");
    return DeliverOnce(batch);
  }
  if (!status.ok()) is_open_ = false;
  return status;
}

Status OutboxSink::Deliver(Batch* batch) {
  std::chrono::milliseconds backoff = options_.backoff_min;
  bool has_failed = false;
  while (true) {
    const Status status = DeliverOnce(batch);
    if (status.ok()) break;
    const bool is_final = absl::IsAborted(status) || absl::IsFailedPrecondition(status);
    if (is_final || is_giving_up_) return status;
    has_failed = true;
    options_.on_failure(options_.name, status);
    if (!WaitBeforeRetry(&backoff)) return absl::CancelledError("giving up");
  }
  if (has_failed) options_.on_failure(options_.name, absl::OkStatus());
  renewed_ = std::chrono::steady_clock::now();
  next_ = batch->end;
  {
    const std::lock_guard lock(mutex_);
    counters_.accepted += batch->records.size();
    counters_.delivered += static_cast<uint64_t>(
        std::count_if(batch->records.begin(), batch->records.end(),
                      [](const alerts::Outgoing& record) { return record.refusal.empty(); }));
  }
  MoveTo(next_);
  return absl::OkStatus();
}

void OutboxSink::Work() {
  std::chrono::milliseconds backoff = options_.backoff_min;
  Status status;
  bool has_failed = false;
  while (!is_giving_up_) {
    status = Begin();
    if (status.ok() || absl::IsFailedPrecondition(status) || absl::IsAborted(status)) break;
    has_failed = true;
    options_.on_failure(options_.name, status);
    if (!WaitBeforeRetry(&backoff)) return;
  }
  if (is_giving_up_) return;
  if (status.ok()) {
    if (has_failed) options_.on_failure(options_.name, status);
    is_ready_ = true;
    options_.on_progress();
  }
  while (status.ok() && !is_giving_up_) {
    if (plain_ && repeats_end_ > 0 && next_ >= repeats_end_) {
      plain_->ForgetRepeats();
      repeats_end_ = 0;
    }
    if (!state_->WaitPast(next_, kIdleMs)) {
      if (plain_) plain_->Idle().IgnoreError();  // what is wrong shows at the next write
      const bool is_old = std::chrono::steady_clock::now() - renewed_ > kRenewEvery;
      if (transactional_ && (is_old || place().position.sequence < next_)) {
        Batch none;
        none.end = next_;
        status = Deliver(&none);
      }
      continue;
    }
    StatusOr<Batch> batch = Read(next_);
    status = batch.status();
    if (!status.ok()) break;
    const bool may_wait = transactional_ && batch->records.empty() &&
                          std::chrono::steady_clock::now() - renewed_ < kMoveEvery;
    if (may_wait) {
      next_ = batch->end;
      continue;
    }
    status = Deliver(&*batch);
  }
  if (!status.ok() && !is_giving_up_) options_.on_fatal(status);
}

}  // namespace vigil::daemon
