#include "daemon/durable_state.h"

#include <algorithm>
#include <future>
#include <malloc.h>

#include <absl/strings/str_cat.h>

#include "cep/base/encoding.h"
#include "cep/base/random.h"
#include "state/checkpoint.h"
#include "state/chunk.h"

namespace vigil::daemon {
namespace {

constexpr int64_t kLongestIntervalMs = 2'000;
constexpr size_t kUncommittedBytes = size_t{32} << 20;  // of records that wait for their commit
constexpr int kKeptBytes = 256 << 20;
constexpr int kMappedBytes = 4 << 20;
constexpr std::chrono::milliseconds kOutboxFull{100};
constexpr std::chrono::milliseconds kLook{100};  // whether a commit has taken too long
constexpr std::chrono::seconds kCheckpointLimit{60};

std::optional<int64_t> TimeOrNone(int64_t ms) {
  if (ms == cep::kMinTime) return std::nullopt;
  return ms;
}

state::PartitionPosition PositionOf(const cep::PartitionPoint& point, bool is_drained) {
  state::PartitionPosition position;
  position.source = point.partition->source;
  position.topic = point.partition->topic;
  position.partition = point.partition->number;
  position.next_offset = static_cast<int64_t>(point.next_offset);
  for (const uint64_t offset : point.waiting) position.waiting.Append(static_cast<int64_t>(offset));
  if (!is_drained) {
    position.watermark = TimeOrNone(point.watermark);
    position.is_idle = point.is_idle;
  }
  if (point.last.is_known) {
    position.fingerprint = point.last.fingerprint;
    position.fingerprint_offset = static_cast<int64_t>(point.last.offset);
  }
  const cep::Ledger& ledger = point.ledger;
  position.ledger = {ledger.read,        ledger.processed,    ledger.late,
                     ledger.quarantined, ledger.rate_limited, ledger.lost};
  return position;
}

}  // namespace

StatusOr<std::unique_ptr<DurableState>> DurableState::Open(std::unique_ptr<state::Store> store,
                                                           DurableStateOptions options, Log* log,
                                                           const Clock* clock) {
  std::unique_ptr<DurableState> state(new DurableState(std::move(options), log, clock));
  ASSIGN_OR_RETURN(state->log_, state::CommitLog::Open(std::move(store), state->options_.log));
  state->found_ = state->log_->head();
  state->boot_ = RandomNumber();
  RETURN_IF_ERROR(state->log_->StartBoot(state->boot_));
  state->boots_ = state->log_->head().boots;
  state->end_ = state->log_->head().outbox_end;
  state->counters_.outbox_bytes = state->found_.outbox_bytes;
  state->counters_.last_commit_number = state->found_.number;
  return state;
}

DurableState::~DurableState() { Stop(); }

void DurableState::Stop() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  if (committing_.joinable()) committing_.join();
}

void DurableState::Start() {
  // A commit's chunks come and go several times a second: their memory is to stay with the process
  // rather than be given back and faulted in again.
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  last_checkpoint_ms_ = clock_->SteadyMs();
  if (!options_.config.path.empty()) {
    const StatusOr<std::vector<uint64_t>> kept = state::ListCheckpoints(options_.config.path);
    has_checkpoints_ = kept.ok() && !kept->empty();
  }
  committing_ = std::thread([this] { Work(); });
}

std::optional<state::OutboxPosition> DurableState::KnownPlace(const std::string& sink) const {
  for (const state::SinkCursor& cursor : found_.cursors) {
    if (cursor.sink == sink) return cursor.position;
  }
  return std::nullopt;
}

StatusOr<state::OutboxPosition> DurableState::PlaceOf(
    const std::string& sink, const std::optional<state::OutboxPosition>& target) const {
  const std::optional<state::OutboxPosition> known = target ? target : KnownPlace(sink);
  if (!known) return log_->OutboxEnd();
  RETURN_IF_ERROR(log_->CheckCursor(sink, *known));
  return *known;
}

void DurableState::Add(state::OutboxRecord record) {
  added_.outbox_bytes += sizeof record + record.body.size();
  added_.outbox.push_back(std::move(record));
}

void DurableState::AddJournal(JournalKind kind, int64_t watermark, std::string body) {
  added_.journal.push_back({static_cast<uint64_t>(kind), watermark, std::move(body)});
}

uint64_t DurableState::AddFromOutside(state::OutboxRecord record) {
  const std::lock_guard lock(mutex_);
  from_outside_.push_back(std::move(record));
  return ++outside_added_;
}

bool DurableState::HasFromOutside() const {
  const std::lock_guard lock(mutex_);
  return !from_outside_.empty();
}

// With the lock.
void DurableState::TakeFromOutside(Pending* pending) {
  for (state::OutboxRecord& record : from_outside_) {
    pending->commit.outbox.push_back(std::move(record));
  }
  from_outside_.clear();
  pending->outside = outside_added_;
}

void DurableState::Cut() { cut_ = std::exchange(added_, {}); }

Status DurableState::Submit(std::shared_ptr<const cep::CommitPoint> point,
                            std::vector<cep::ShardChanges> changes) {
  if (!cut_) Cut();
  Added added = *std::move(cut_);
  cut_.reset();
  Pending pending;
  state::Commit& commit = pending.commit;
  commit.is_drained = point->watermark == cep::kMaxTime;
  if (!commit.is_drained) {
    commit.watermark = TimeOrNone(point->watermark);
    commit.newest_ts = TimeOrNone(point->newest_ts);
  }
  for (cep::ShardChanges& shard : changes) {
    commit.shards.push_back({shard.shard, std::move(shard.chunks)});
  }
  for (const cep::PartitionPoint& partition : point->partitions) {
    const cep::Partition& id = *partition.partition;
    for (const cep::KeptRow& row : partition.kept) {
      commit.rows.push_back(
          {id.source, id.topic, id.number, static_cast<int64_t>(row.offset), row.bytes});
    }
  }
  for (const cep::TimeEvent& event : point->time_events) {
    commit.journal.push_back(EntryOf(event, *point->partitions[event.partition].partition));
  }
  for (const cep::PartitionPoint& partition : point->partitions) {
    if (partition.refused.empty()) continue;
    commit.journal.push_back(
        EntryOfRefused(*partition.partition, partition.refused, point->watermark));
  }
  for (state::JournalEntry& entry : added.journal) commit.journal.push_back(std::move(entry));
  if (commit.is_drained) {
    commit.journal.push_back({static_cast<uint64_t>(JournalKind::kEnded), cep::kMaxTime, ""});
  }
  commit.rule_set = std::move(added.rules);
  commit.outbox = std::move(added.outbox);
  pending.point = std::move(point);
  {
    std::unique_lock lock(mutex_);
    RETURN_IF_ERROR(WaitFor(&lock, [this] { return queue_.empty(); }));
    TakeFromOutside(&pending);
    queue_.push_back(std::move(pending));
  }
  changed_.notify_all();
  return absl::OkStatus();
}

bool DurableState::IsCommitDue(int64_t since_ms) const {
  if (has_failed_) return true;  // the barrier tells the job
  {
    const std::lock_guard lock(mutex_);
    if (is_writing_ || !queue_.empty()) return false;
  }
  // A commit is to take no more than a fifth of the time.
  const int64_t stretched = std::min(5 * last_commit_ms_, kLongestIntervalMs);
  if (since_ms < std::max(options_.config.commit_interval_ms, stretched)) return false;
  return clock_->SteadyMs() - last_commit_end_ >= options_.config.min_pause_ms;
}

bool DurableState::HasRoom() const {
  const size_t bytes = added_.outbox_bytes + (cut_ ? cut_->outbox_bytes : 0);
  return bytes < kUncommittedBytes && !has_failed_;
}

std::shared_ptr<const cep::CommitPoint> DurableState::Committed() const {
  const std::lock_guard lock(mutex_);
  return committed_;
}

Status DurableState::status() const {
  const std::lock_guard lock(mutex_);
  return StatusLocked();
}

Status DurableState::StatusLocked() const {
  if (!status_.ok()) return status_;
  const int64_t since = writing_since_;
  const int64_t limit = options_.config.commit_timeout_ms;
  if (since >= 0 && clock_->SteadyMs() - since > limit) is_stuck_ = true;
  if (!is_stuck_) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("a commit to ", options_.config.path, " was not written within ", limit / 1000,
                   " s (state: {commit_timeout}): the disk does not answer"));
}

template <typename Condition>
Status DurableState::WaitFor(std::unique_lock<std::mutex>* lock, Condition condition) const {
  while (true) {
    RETURN_IF_ERROR(StatusLocked());
    if (changed_.wait_for(*lock, kLook, condition)) return StatusLocked();
  }
}

StateCounters DurableState::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

Status DurableState::Flush() {
  std::unique_lock lock(mutex_);
  return WaitFor(&lock, [this] { return queue_.empty() && !is_writing_; });
}

Status DurableState::CommitPlaces() {
  {
    std::unique_lock lock(mutex_);
    if (committed_ == nullptr) return StatusLocked();
    RETURN_IF_ERROR(StatusLocked());
    Pending pending;
    pending.point = committed_;
    pending.commit.is_drained = last_.is_drained;
    pending.commit.watermark = last_.watermark;
    pending.commit.newest_ts = last_.newest_ts;
    TakeFromOutside(&pending);
    queue_.push_back(std::move(pending));
  }
  changed_.notify_all();
  return Flush();
}

bool DurableState::WaitPast(uint64_t sequence, int64_t ms) {
  std::unique_lock lock(mutex_);
  if (end_ > sequence) return true;
  changed_.wait_for(lock, std::chrono::milliseconds(ms));
  return end_ > sequence;
}

StatusOr<std::vector<std::pair<uint64_t, state::OutboxRecord>>> DurableState::ReadOutbox(
    uint64_t sequence, size_t max_bytes) const {
  const uint64_t end = end_;
  ASSIGN_OR_RETURN(auto records, log_->ReadOutbox(sequence, max_bytes));
  while (!records.empty() && records.back().first >= end) records.pop_back();
  return records;
}

bool DurableState::Knows(const state::OutboxPosition& position) const {
  for (size_t i = 0; i < boots_.size(); ++i) {
    if (boots_[i].id != position.boot) continue;
    const uint64_t end = i + 1 < boots_.size() ? boots_[i + 1].first_sequence : end_.load();
    return position.sequence >= boots_[i].first_sequence && position.sequence <= end;
  }
  return false;
}

uint64_t DurableState::BootOf(uint64_t sequence) const {
  uint64_t id = 0;
  for (const state::Boot& boot : boots_) {
    if (boot.first_sequence <= sequence) id = boot.id;
  }
  return id;
}

StatusOr<std::string> DurableState::CheckpointNow() {
  auto made = std::make_shared<std::promise<StatusOr<std::string>>>();
  std::future<StatusOr<std::string>> answer = made->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (is_closing_ || !status_.ok()) return absl::UnavailableError("the state is closed");
    checkpoint_requests_.push_back(
        [made](StatusOr<std::string> path) { made->set_value(std::move(path)); });
  }
  changed_.notify_all();
  if (answer.wait_for(kCheckpointLimit) != std::future_status::ready) {
    return absl::DeadlineExceededError("no checkpoint was made in time");
  }
  return answer.get();
}

void DurableState::Fail(Status status) {
  logger_->Error("state", {{"error", std::string(status.message())}});
  {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    has_failed_ = true;
  }
  changed_.notify_all();
  options_.on_commit();
}

void DurableState::Work() {
  while (true) {
    Pending pending;
    std::vector<std::function<void(StatusOr<std::string>)>> requests;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return !queue_.empty() || !checkpoint_requests_.empty() || is_closing_ || !status_.ok();
      });
      requests.swap(checkpoint_requests_);
      const bool is_over = queue_.empty() && is_closing_;
      if ((is_over || !status_.ok()) && requests.empty()) return;
      if (!queue_.empty() && status_.ok()) {
        pending = std::move(queue_.front());
        queue_.pop_front();
        is_writing_ = true;
      }
    }
    changed_.notify_all();
    for (const auto& request : requests) {
      std::string path;
      const Status status = MakeCheckpoint(&path);
      request(status.ok() ? StatusOr<std::string>(path) : status);
    }
    if (pending.point == nullptr) continue;
    const Status status = Write(&pending);
    {
      const std::lock_guard lock(mutex_);
      is_writing_ = false;
    }
    if (!status.ok()) {
      Fail(status);
      return;
    }
    changed_.notify_all();
    options_.on_commit();
  }
}

void DurableState::AddPlaces(state::Commit* commit) const {
  const std::vector<SinkPlace> places = options_.places();
  commit->cursors.clear();
  commit->overflow = state::OutboxOverflow::kRefuse;
  const state::CommitHead& head = log_->head();
  uint64_t slowest = head.outbox_end;
  uint64_t slowest_blocking = head.outbox_end;
  for (const SinkPlace& place : places) {
    commit->cursors.emplace_back(place.sink, place.position);
    slowest = std::min(slowest, place.position.sequence);
    if (!place.may_drop) slowest_blocking = std::min(slowest_blocking, place.position.sequence);
  }
  // Where only sinks that may drop hold the oldest records, these go.
  if (slowest_blocking > slowest) commit->overflow = state::OutboxOverflow::kDropOldest;
}

Status DurableState::Write(Pending* pending) {
  state::Commit& commit = pending->commit;
  const int64_t began = clock_->SteadyMs();
  for (const cep::PartitionPoint& partition : pending->point->partitions) {
    commit.positions.push_back(PositionOf(partition, commit.is_drained));
  }
  // Without checkpoints nobody replays from one.
  const bool keeps_journal = options_.config.checkpoint_every_ms > 0 || has_checkpoints_;
  commit.journal_from = keeps_journal ? journal_from_ : log_->head().number + 1;
  bool was_full = false;
  StatusOr<uint64_t> number = absl::ResourceExhaustedError("");
  while (true) {
    AddPlaces(&commit);
    writing_since_ = clock_->SteadyMs();
    number = log_->Commit(commit);
    writing_since_ = -1;
    // An outbox that is too large is refused before anything is written.
    if (!absl::IsResourceExhausted(number.status()) || log_->has_failed()) break;
    if (!std::exchange(was_full, true)) {
      logger_->Warn("the outbox is full: the job waits until sinks have caught up");
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kOutboxFull);
    if (is_closing_) return absl::CancelledError("closed while the outbox was full");
  }
  RETURN_IF_ERROR(number.status());
  const int64_t ended = clock_->SteadyMs();
  // Waiting for sinks is not writing.
  last_commit_ms_ = was_full ? last_commit_ms_.load() : ended - began;
  last_commit_end_ = ended;
  end_ = log_->head().outbox_end;
  durable_barrier_ = pending->point->number;
  outside_durable_ = pending->outside;
  uint64_t changed_bytes = 0;
  for (const state::ShardChunks& shard : commit.shards) {
    for (const std::string& chunk : shard.chunks) {
      changed_bytes += state::PackedChunk(chunk).chunk().size();
    }
  }
  last_.is_drained = commit.is_drained;
  last_.watermark = commit.watermark;
  last_.newest_ts = commit.newest_ts;
  {
    const std::lock_guard lock(mutex_);
    committed_ = pending->point;
    ++counters_.commits;
    counters_.last_commit_ms = ended - began;
    counters_.last_commit_bytes = changed_bytes;
    counters_.last_commit_number = *number;
    counters_.outbox_bytes = log_->head().outbox_bytes;
    counters_.live_bytes = log_->live_bytes();
    counters_.chunk_bytes = log_->chunk_bytes();
  }
  const int64_t every = options_.config.checkpoint_every_ms;
  if (every <= 0 || ended - last_checkpoint_ms_ < every) return absl::OkStatus();
  last_checkpoint_ms_ = ended;
  std::string path;
  const Status made = MakeCheckpoint(&path);
  // The commits go on without it.
  if (!made.ok()) {
    logger_->Error("cannot make a checkpoint", {{"error", std::string(made.message())}});
  }
  return absl::OkStatus();
}

Status DurableState::MakeCheckpoint(std::string* path) {
  if (options_.config.path.empty()) return absl::UnimplementedError("the state is in memory");
  const std::string& folder = options_.config.path;
  ASSIGN_OR_RETURN(*path, state::MakeCheckpoint(*log_, folder, options_.config.checkpoints_kept));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> kept, state::ListCheckpoints(folder));
  if (!kept.empty()) journal_from_ = kept.front() + 1;
  has_checkpoints_ = !kept.empty();
  const std::lock_guard lock(mutex_);
  ++counters_.checkpoints;
  return absl::OkStatus();
}

}  // namespace vigil::daemon
