#include "daemon/durable_job.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "alerts/json_writer.h"
#include "cep/base/random.h"
#include "daemon/outbox_record.h"
#include "daemon/resume.h"
#include "daemon/state_units.h"
#include "state/rocksdb_store.h"

namespace vigil::daemon {
namespace {

constexpr size_t kBuriedBytes = size_t{64} << 10;  // of a refused record that `errors` shows
constexpr int64_t kBuryPollMs = 100;

StatusOr<std::unique_ptr<state::Store>> OpenStore(const StateConfig& config) {
  state::RocksDbOptions options;
  options.block_cache_bytes = config.cache_bytes;
  options.write_buffer_bytes = config.write_buffer_bytes;
  using Compression = StateConfig::Compression;
  options.compression = config.compression == Compression::kNone  ? state::Compression::kNone
                        : config.compression == Compression::kLz4 ? state::Compression::kLz4
                                                                  : state::Compression::kZstd;
  return state::OpenRocksDbStore(config.path, options);
}

}  // namespace

StatusOr<std::unique_ptr<DurableJob>> DurableJob::Open(const Config& config,
                                                       DurableJobOptions options,
                                                       alerts::Delivery* delivery, Wakeup* wakeup,
                                                       Log* log, const Clock* clock) {
  std::unique_ptr<DurableJob> job(
      new DurableJob(config, std::move(options), delivery, wakeup, log));
  job->seed_ = RandomNumber();
  ASSIGN_OR_RETURN(std::unique_ptr<state::Store> store, job->options_.open_store
                                                            ? job->options_.open_store()
                                                            : OpenStore(*config.state));
  DurableStateOptions state;
  state.config = *config.state;
  state.log.max_outbox_bytes = config.state->outbox_bytes;
  state.log.kill_point = job->options_.kill_point;
  state.places = [owner = job.get()] { return owner->Places(); };
  state.on_commit = [wakeup] { wakeup->Notify(); };
  ASSIGN_OR_RETURN(job->state_, DurableState::Open(std::move(store), std::move(state), log, clock));
  ASSIGN_OR_RETURN(const std::optional<std::string> rules, job->state_->log().ReadRuleSet());
  if (rules) {
    ASSIGN_OR_RETURN(job->rules_, DecodeRuleRecord(*rules));
  }
  const state::CommitHead& found = job->state_->found();
  log->Info("state opened",
            {{"path", config.state->path},
             {"commit", std::to_string(found.number)},
             {"boot", std::to_string(job->state_->log().head().boots.back().number)}});
  return job;
}

DurableJob::~DurableJob() {
  is_closing_ = true;
  for (const auto& sink : sinks_) sink->GiveUp();
  // A commit that is under way asks where the sinks stand; without them it would drop what they
  // have not delivered.
  if (state_ != nullptr) state_->Stop();
  sinks_.clear();
}

bool DurableJob::IsDurable(const std::string& output, const SinkConfig& sink) {
  return !sink.is_immediate && output != "audit" && output != "metrics";
}

void DurableJob::AddSink(const std::string& output, const SinkConfig& sink,
                         std::unique_ptr<alerts::Sink> plain,
                         std::unique_ptr<alerts::TransactionalSink> transactional) {
  outputs_.insert(output);
  OutboxSinkOptions options;
  options.name = config_.name + "/" + output + "/" + sink.name;
  options.output = output;
  options.key_field = sink.key;
  options.drops_when_full = sink.drops_when_full;
  options.after_rollback = options_.after_rollback;
  options.on_failure = [log = log_](const std::string& name, const Status& status) {
    if (status.ok()) {
      log->Info("sink delivers again", {{"sink", name}});
    } else {
      log->Warn("sink fails, trying again",
                {{"sink", name}, {"error", std::string(status.message())}});
    }
  };
  options.on_fatal = [this](const Status& status) { SetFatal(status); };
  options.on_progress = [wakeup = wakeup_] { wakeup->Notify(); };
  options.dead_letter = [this, name = options.name, output](const alerts::Outgoing& record) {
    return Bury(name, output, record);
  };
  sinks_.push_back(std::make_unique<OutboxSink>(std::move(options), state_.get(), std::move(plain),
                                                std::move(transactional)));
}

void DurableJob::SetFatal(const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (fatal_.ok()) fatal_ = status;
  }
  has_failed_ = true;
  wakeup_->Notify();
}

Status DurableJob::status() const {
  {
    const std::lock_guard lock(mutex_);
    if (!fatal_.ok()) return fatal_;
  }
  return state_->status();
}

// On the sink's thread.
bool DurableJob::Bury(const std::string& sink, const std::string& output,
                      const alerts::Outgoing& record) {
  log_->Error("a sink's target refuses a record for good",
              {{"sink", sink}, {"id", record.id}, {"reason", record.refusal}});
  // Nobody is left to tell it to.
  if (output == "errors" || outputs_.count("errors") == 0) return true;
  std::string line = "{\"output\":\"errors\",\"kind\":\"error\",\"place\":";
  alerts::AppendJsonString(absl::StrCat(sink, "/", record.sequence), &line);
  line.append(",\"reason\":");
  alerts::AppendJsonString(record.refusal, &line);
  line.append(",\"id\":");
  alerts::AppendJsonString(record.id, &line);
  line.append(",\"record\":");
  alerts::AppendJsonString(std::string_view(record.line).substr(0, kBuriedBytes), &line);
  line.push_back('}');
  const uint64_t end = state_->end();
  const uint64_t number = state_->AddFromOutside(
      {"errors", HashBytes128(sink + record.id), EncodeOutboxBody({}, line)});
  while (state_->durable_from_outside() < number) {
    if (is_closing_ || !status().ok()) return false;
    if (is_started_) ask_for_barrier_();
    state_->WaitPast(end, kBuryPollMs);
  }
  return true;
}

StoredRules DurableJob::Fit(const rules::RuleSet& rules) const {
  std::vector<std::string> dropped;
  StoredRules stored = FitRules(rules_, rules, &dropped);
  for (const std::string& id : dropped) {
    log_->Warn("what was open of a rule is dropped: it has changed or is gone", {{"rule", id}});
  }
  for (const StoredDraining& former : stored.draining) {
    log_->Info("a former version of a rule finishes what it began",
               {{"rule", former.rule.info.id}, {"rule_set", former.rule.info.rule_set}});
  }
  return stored;
}

StatusOr<std::optional<cep::JobResume>> DurableJob::Resume(const RunningRules& rules) {
  const state::CommitHead& found = state_->found();
  std::vector<std::string> sources;
  for (const SourceConfig& source : config_.sources) sources.push_back(source.name);
  std::vector<std::string> given_up;
  ASSIGN_OR_RETURN(std::vector<state::KeptRow> rows, state_->log().ReadRows());
  ASSIGN_OR_RETURN(cep::JobResume resume,
                   MakeResume(found, std::move(rows), sources, options_.accepts_loss, &given_up));
  for (const std::string& what : given_up) {
    log_->Warn("given up: the configuration has no such source", {{"position", what}});
  }
  const uint64_t memory =
      std::min(state::kRestoreBytes, config_.state->memory_bytes.value_or(state::kRestoreBytes));
  ASSIGN_OR_RETURN(std::shared_ptr<const state::Restorer> restorer,
                   state_->log().MakeRestorer(memory, config_.shards.value_or(1)));
  resume.read_units = ReadUnitsOf(std::move(restorer), seed_, !found.is_drained);
  const RuleRecord before = std::exchange(rules_, RecordOf(rules));
  if (!(rules_ == before)) state_->SetRuleSet({rules_.version, EncodeRuleRecord(rules_)});
  if (found.number > 0 && rules_.version != before.version) {
    state_->AddJournal(JournalKind::kRules, resume.watermark, EncodeRuleRecord(rules_));
  }
  if (found.number > 0) {
    log_->Info(found.is_drained ? "goes on from a drained state: nothing is open, time is unset"
                                : "goes on",
               {{"commit", std::to_string(found.number)},
                {"partitions", std::to_string(resume.partitions.size())},
                {"outbox", std::to_string(found.outbox_end - found.outbox_begin)}});
  }
  WarnOfForgottenSinks();
  if (found.number == 0) return std::optional<cep::JobResume>();
  return std::optional<cep::JobResume>(std::move(resume));
}

void DurableJob::WarnOfForgottenSinks() const {
  for (const state::SinkCursor& cursor : state_->found().cursors) {
    const bool is_there = std::any_of(sinks_.begin(), sinks_.end(), [&](const auto& sink) {
      return sink->name() == cursor.sink;
    });
    if (is_there) continue;
    log_->Warn("a sink that the configuration does not have any more is forgotten",
               {{"sink", cursor.sink},
                {"records_behind",
                 std::to_string(state_->found().outbox_end - cursor.position.sequence)}});
  }
}

void DurableJob::Start(std::function<void()> ask_for_barrier) {
  ask_for_barrier_ = std::move(ask_for_barrier);
  state_->Start();
  is_started_ = true;
}

cep::MakeUnitPacker DurableJob::MakePackers() const { return MakeChunkPackers(seed_); }

std::shared_ptr<const cep::UnitReader> DurableJob::MakeReader() const {
  if (!config_.state->memory_bytes) return nullptr;
  return MakeUnitReader(state_.get(), seed_);
}

void DurableJob::SetRules(const RunningRules& next, int64_t watermark) {
  const std::string before = std::exchange(rules_, RecordOf(next)).version;
  const std::string record = EncodeRuleRecord(rules_);
  state_->SetRuleSet({rules_.version, record});
  // A version that has drained leaves without a trace in any result.
  if (rules_.version != before) state_->AddJournal(JournalKind::kRules, watermark, record);
}

void DurableJob::Write(const std::string& output, const cep::Record& record,
                       std::string_view line) {
  delivery_->Write(output, record, line);
  if (outputs_.count(output) == 0) return;
  state_->Add({output, record.id, EncodeOutboxBody(delivery_->KeyFieldsOf(record), line)});
}

Status DurableJob::Submit(std::shared_ptr<const cep::CommitPoint> point,
                          std::vector<cep::ShardChanges> changes) {
  RETURN_IF_ERROR(status());
  return state_->Submit(std::move(point), std::move(changes));
}

bool DurableJob::MayCommit() const {
  return !has_failed_ && state_->status().ok() &&
         std::all_of(sinks_.begin(), sinks_.end(),
                     [](const auto& sink) { return sink->is_ready(); });
}

std::vector<SinkPlace> DurableJob::Places() const {
  std::vector<SinkPlace> places;
  for (const auto& sink : sinks_) places.push_back(sink->place());
  return places;
}

std::map<std::string, alerts::SinkCounters> DurableJob::sinks() const {
  std::map<std::string, alerts::SinkCounters> counters;
  for (const auto& sink : sinks_) counters[sink->name()] = sink->counters();
  return counters;
}

bool DurableJob::Drain(std::chrono::steady_clock::time_point deadline) {
  if (!is_started_ || !state_->Flush().ok()) return false;
  bool is_drained = false;
  while (!is_drained && status().ok() && std::chrono::steady_clock::now() < deadline) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBuryPollMs);
    is_drained = true;
    for (const auto& sink : sinks_) is_drained &= sink->Drain(std::min(next, deadline));
    // What a target refused goes with a commit of its own: the job makes no more.
    if (!is_drained && state_->HasFromOutside() && !state_->CommitPlaces().ok()) return false;
  }
  if (!is_drained) return false;
  return state_->CommitPlaces().ok();
}

}  // namespace vigil::daemon
