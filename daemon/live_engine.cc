#include "daemon/live_engine.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>

#include "alerts/json_writer.h"
#include "alerts/sink_kafka.h"
#include "alerts/sink_kafka_exact.h"
#include "alerts/sink_rotating_file.h"
#include "alerts/time_text.h"
#include "cep/base/random.h"
#include "daemon/json_parts.h"
#include "daemon/text_sink.h"

namespace vigil::daemon {
namespace {

constexpr int64_t kMetricsEveryMs = 10'000;
// How often whoever waits for the job looks whether it has ended.
constexpr std::chrono::milliseconds kEndCheck{50};
constexpr int64_t kAliveMs = 30'000;     // without a round for so long, the job is stuck
constexpr int64_t kCountEveryMs = 1000;  // counters cost a look at all shards
constexpr std::chrono::milliseconds kCountLimit{2000};

std::string NewBootId() { return ToHex(Hash128{RandomNumber(), RandomNumber()}); }

std::string TimeText(int64_t ms) {
  if (ms == cep::kMinTime) return "none";
  if (ms == cep::kMaxTime) return "end";
  std::string text;
  alerts::AppendTimeMs(ms, &text);
  return text;
}

uint64_t LagOf(const cep::PartitionPoint& partition) {
  const auto next = static_cast<int64_t>(partition.next_offset);
  return partition.end_offset > next ? static_cast<uint64_t>(partition.end_offset - next) : 0;
}

// All but whether time goes on without events.
cep::LiveRules LiveRulesOf(const RunningRules& running) {
  cep::LiveRules rules;
  rules.layout = running.rules->layout;
  rules.key_exprs = running.key_exprs;
  rules.rule_keys = running.rule_keys;
  rules.remake = running.Remake();
  rules.make_sink = running.MakeBuilders();
  return rules;
}

}  // namespace

StatusOr<std::unique_ptr<LiveEngine>> LiveEngine::Create(
    const Config& config, std::shared_ptr<const rules::RuleSet> rules, Log* log, const Clock* clock,
    DurableJobOptions durable) {
  std::unique_ptr<LiveEngine> engine(new LiveEngine(config, log, clock));
  ASSIGN_OR_RETURN(engine->rules_, FollowRules(nullptr, std::move(rules)));
  engine->boot_ = NewBootId();
  engine->delivery_ = std::make_unique<alerts::Delivery>(
      engine->rules_->context, [wakeup = &engine->wakeup_] { wakeup->Notify(); },
      [log](const std::string& sink, const Status& status) {
        if (status.ok()) {
          log->Info("sink delivers again", {{"sink", sink}});
        } else {
          log->Warn("sink fails, trying again",
                    {{"sink", sink}, {"error", std::string(status.message())}});
        }
      });
  if (config.state) {
    ASSIGN_OR_RETURN(engine->durable_,
                     DurableJob::Open(config, std::move(durable), engine->delivery_.get(),
                                      &engine->wakeup_, log, clock));
    const StoredRules stored = engine->durable_->Fit(*engine->rules_->rules);
    ASSIGN_OR_RETURN(engine->rules_, FollowRules(nullptr, engine->rules_->rules, &stored));
    // With those that drain.
    engine->delivery_->SetContext(engine->rules_->context);
    engine->boot_ = absl::StrCat(absl::Hex(engine->durable_->state()->boot(), absl::kZeroPad16));
  }
  engine->rejects_ = std::make_unique<alerts::Rejects>(engine->rules_->context);
  engine->router_ = std::make_unique<alerts::Router>(engine->rules_->context, engine->writer());
  RETURN_IF_ERROR(engine->OpenSinks());
  return engine;
}

LiveEngine::~LiveEngine() = default;

alerts::RecordWriter* LiveEngine::writer() const {
  if (durable_ != nullptr) return durable_.get();
  return delivery_.get();
}

Status LiveEngine::OpenSinks() {
  for (const auto& [output, sinks] : config_.outputs) {
    for (const SinkConfig& sink : sinks) {
      if (durable_ != nullptr && DurableJob::IsDurable(output, sink)) {
        RETURN_IF_ERROR(OpenDurableSink(output, sink));
        continue;
      }
      ASSIGN_OR_RETURN(std::unique_ptr<alerts::Sink> opened, OpenSink(sink));
      alerts::SinkQueueOptions options;
      options.name = config_.name + "/" + output + "/" + sink.name;
      options.bytes_max = sink.buffer_bytes;
      options.when_full = sink.drops_when_full ? alerts::WhenFull::kDrop : alerts::WhenFull::kBlock;
      delivery_->AddSink(output, std::move(options), sink.key, std::move(opened));
    }
  }
  return absl::OkStatus();
}

Status LiveEngine::OpenDurableSink(const std::string& output, const SinkConfig& sink) {
  if (sink.kind != SinkConfig::Kind::kKafka) {
    ASSIGN_OR_RETURN(std::unique_ptr<alerts::Sink> plain, OpenSink(sink));
    durable_->AddSink(output, sink, std::move(plain), nullptr);
    return absl::OkStatus();
  }
  alerts::ExactKafkaSinkOptions options;
  options.name = config_.name + "/" + output + "/" + sink.name;
  options.brokers = sink.brokers;
  options.properties = sink.properties;
  config_.UseSourceAccess(&options.brokers, &options.properties);
  options.topic = sink.topic;
  options.log = [log = log_](int level, const std::string& text) { log->WriteSyslog(level, text); };
  ASSIGN_OR_RETURN(std::unique_ptr<alerts::ExactKafkaSink> exact,
                   alerts::ExactKafkaSink::Create(std::move(options)));
  durable_->AddSink(output, sink, nullptr, std::move(exact));
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<alerts::Sink>> LiveEngine::OpenSink(const SinkConfig& sink) {
  if (sink.kind != SinkConfig::Kind::kKafka) {
    ASSIGN_OR_RETURN(std::unique_ptr<alerts::Sink> file,
                     alerts::RotatingFileSink::Open(
                         {.path = sink.kind == SinkConfig::Kind::kStdout ? "-" : sink.path,
                          .size_max = sink.rotate_bytes,
                          .age_max_ms = sink.rotate_every_ms,
                          .keep = sink.rotate_keep,
                          .now = [clock = clock_] { return clock->WallMs(); }}));
    if (sink.is_text) return std::make_unique<TextSink>(std::move(file));
    return file;
  }
  alerts::KafkaSinkOptions options;
  options.brokers = sink.brokers;
  options.properties = sink.properties;
  config_.UseSourceAccess(&options.brokers, &options.properties);
  options.topic = sink.topic;
  options.boot = boot_;
  options.log = [log = log_](int level, const std::string& text) { log->WriteSyslog(level, text); };
  return alerts::KafkaSink::Create(std::move(options));
}

// Asked for by a source, or wanted by rules whose results are due without an event.
bool LiveEngine::IdleAdvance(const RunningRules& running) const {
  bool is_said = false;
  bool is_asked_for = false;
  for (const SourceConfig& source : config_.sources) {
    is_said |= source.watermark.idle_advance.has_value();
    is_asked_for |= source.watermark.idle_advance.value_or(false);
  }
  if (is_said) return is_asked_for;
  const auto& rules = running.rules->rules;
  return std::any_of(rules.begin(), rules.end(), [](const rules::CompiledRule& rule) {
    const patterns::Pattern& pattern = rule.pattern;
    return pattern.emit_timeouts ||
           pattern.stages.back().contiguity == patterns::Contiguity::kNotFollowedBy;
  });
}

Status LiveEngine::Start() {
  ASSIGN_OR_RETURN(std::vector<cep::LiveInput> inputs,
                   MakeLiveInputs(config_, *rules_->rules, &source_log_, clock_, &formats_));
  cep::LiveJobOptions options;
  options.shards = config_.shards.value_or(1);
  options.layout = rules_->rules->layout;
  options.key_exprs = rules_->key_exprs;
  options.rule_keys = rules_->rule_keys;
  options.idle_advance = IdleAdvance(*rules_);
  if (config_.state) options.commit_interval_ms = config_.state->commit_interval_ms;
  cep::LiveJobCallbacks callbacks;
  callbacks.output = [this](const std::vector<cep::Record>& records) {
    return router_->Write(records);
  };
  callbacks.on_commit = [this](const cep::CommitPoint& point,
                               std::vector<cep::ShardChanges> changes) {
    return OnCommit(point, std::move(changes));
  };
  callbacks.has_room = [this] {
    return !is_paused_ && delivery_->HasRoom() && (durable_ == nullptr || durable_->HasRoom());
  };
  if (durable_ != nullptr) {
    ASSIGN_OR_RETURN(options.resume, durable_->Resume(*rules_));
    options.make_packer = durable_->MakePackers();
    options.unit_reader = durable_->MakeReader();
    options.state_bytes = config_.state->memory_bytes.value_or(0);
    callbacks.on_barrier = [this] { durable_->Cut(); };
    callbacks.is_commit_due = [this](int64_t since_ms) { return durable_->IsCommitDue(since_ms); };
    callbacks.may_commit = [this] { return durable_->MayCommit(); };
  }
  callbacks.on_time_event = [this](const cep::TimeEvent& event, const cep::Partition& partition) {
    OnTimeEvent(event, partition);
  };
  const bool is_durable = durable_ != nullptr;
  const int64_t resumed_at = options.resume ? options.resume->watermark : cep::kMinTime;
  const auto make_operator = [remake = rules_->Remake(), is_durable, resumed_at] {
    std::unique_ptr<cep::Operator> made = remake(nullptr);
    auto* op = static_cast<patterns::RunningOperator*>(made.get());
    if (is_durable) op->KeepChanges();
    if (resumed_at != cep::kMinTime) op->ResumeAt(resumed_at);
    return made;
  };
  job_ = std::make_unique<cep::LiveJob>(std::move(options), std::move(inputs), make_operator,
                                        rules_->MakeBuilders(), rejects_.get(),
                                        std::move(callbacks), clock_, &wakeup_);
  Audit("start", {{"rule_set", rules_->rules->version}, {"boot", boot_}});
  RETURN_IF_ERROR(job_->Start());
  if (durable_ != nullptr) durable_->Start([this] { job_->AskForBarrier(); });
  return absl::OkStatus();
}

std::map<std::string, alerts::SinkCounters> LiveEngine::sinks() const {
  std::map<std::string, alerts::SinkCounters> counters = delivery_->counters();
  if (durable_ != nullptr) counters.merge(durable_->sinks());
  return counters;
}

std::shared_ptr<const RunningRules> LiveEngine::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

std::map<std::string, uint64_t> LiveEngine::alerts_by_rule() const {
  std::map<std::string, uint64_t> counts = alerts_;
  const std::vector<uint64_t>& running = router_->alerts_by_rule();
  for (size_t i = 0; i < running.size(); ++i) {
    counts[rules_->rules->rules[i].info.id] += running[i];
  }
  return counts;
}

Status LiveEngine::Activate(std::shared_ptr<const RunningRules> next,
                            std::chrono::milliseconds limit) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<Status> status;
    bool is_given_up = false;
    std::vector<ingest::SourceCodec> codecs;
  };
  auto waiting = std::make_shared<Waiting>();
  for (const SourceConfig& source : config_.sources) {
    ASSIGN_OR_RETURN(ingest::SourceCodec codec, MakeSourceCodec(source, *next->rules, &formats_));
    waiting->codecs.push_back(std::move(codec));
  }
  job_->AtBarrier([this, waiting, next](cep::LiveJob* job) {
    const std::lock_guard lock(waiting->mutex);
    if (waiting->is_given_up) return absl::OkStatus();
    waiting->status = Swap(job, next, &waiting->codecs);
    waiting->done.notify_all();
    // A set that cannot be taken is refused; the job goes on.
    return absl::IsFailedPrecondition(*waiting->status) ? absl::OkStatus() : *waiting->status;
  });
  std::unique_lock lock(waiting->mutex);
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!waiting->status.has_value() && !has_ended_ && std::chrono::steady_clock::now() < end) {
    waiting->done.wait_for(lock, kEndCheck);
  }
  if (waiting->status.has_value()) return *waiting->status;
  waiting->is_given_up = true;
  if (has_ended_) return absl::UnavailableError("the job has ended");
  return absl::DeadlineExceededError("the job did not come to a barrier in time");
}

void LiveEngine::TellRefused(const std::string& why) {
  job_->AtBarrier([this, why](cep::LiveJob*) {
    Audit("rules refused", {{"error", why}});
    return absl::OkStatus();
  });
}

// On the job's thread, with nothing under way.
Status LiveEngine::Swap(cep::LiveJob* job, const std::shared_ptr<const RunningRules>& next,
                        std::vector<ingest::SourceCodec>* codecs) {
  cep::LiveRules rules = LiveRulesOf(*next);
  rules.idle_advance = IdleAdvance(*next);
  const bool reads_kafka = next->rules->layout->Find(ingest::kKafkaField) >= 0;
  if (reads_kafka && rules_->rules->layout->Find(ingest::kKafkaField) < 0) {
    return absl::FailedPreconditionError(
        "a rule reads `kafka`, which none did when the job started: records that wait do not have "
        "it; restart to run these rules");
  }
  // The former codecs render what they decoded: they live until nothing of it waits.
  std::vector<std::unique_ptr<ingest::Codec>> former;
  const bool keeps_rows = job->KeepsRows(rules);
  if (!keeps_rows) {
    for (size_t i = 0; i < codecs->size(); ++i) {
      auto* source = static_cast<ingest::RecordSource*>(job->inputs()[i].source.get());
      for (auto& codec : source->SetCodec(std::move((*codecs)[i]))) {
        former.push_back(std::move(codec));
      }
    }
  }
  // What comes from here on is the new rules'.
  SetRules(next);
  if (durable_ != nullptr) durable_->SetRules(*next, job->watermark());
  RETURN_IF_ERROR(job->Swap(std::move(rules)));
  const int64_t pause_us = clock_->SteadyUs() - job->change_began_us();
  swaps_.Add(static_cast<double>(pause_us) / 1e3);
  Audit("rules", {{"rule_set", next->rules->version},
                  {"watermark", TimeText(job->watermark())},
                  {"waiting_rows", keeps_rows ? "kept" : "decoded again"},
                  {"pause_us", std::to_string(pause_us)}});
  return absl::OkStatus();
}

void LiveEngine::EndDrained() {
  const int64_t now = clock_->SteadyMs();
  if (now - last_drain_look_ms_ < kCountEveryMs || CountDraining(*rules_->rules) == 0) return;
  last_drain_look_ms_ = now;
  job_->AtBarrier([this](cep::LiveJob* job) { return EndDrained(job); });
}

// At a barrier.
Status LiveEngine::EndDrained(cep::LiveJob* job) {
  const std::vector<rules::CompiledRule>& all = rules_->rules->rules;
  std::vector<bool> open(all.size());
  for (const cep::Operator* op : job->operators()) {
    static_cast<const patterns::RunningOperator*>(op)->MarkOpen(&open);
  }
  bool is_any_done = false;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsDraining(all[i]) || open[i]) continue;
    is_any_done = true;
    const std::vector<LogField> fields = {{"rule", all[i].info.id},
                                          {"rule_set", all[i].info.rule_set}};
    log_->Info("a former version of a rule has finished what it began", fields);
    Audit("rule drained", fields);
  }
  if (!is_any_done) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::shared_ptr<const RunningRules> next, daemon::EndDraining(*rules_, open));
  cep::LiveRules rules = LiveRulesOf(*next);
  rules.idle_advance = IdleAdvance(*next);
  SetRules(next);
  if (durable_ != nullptr) durable_->SetRules(*next, job->watermark());
  return job->Swap(std::move(rules));
}

void LiveEngine::SetRules(std::shared_ptr<const RunningRules> next) {
  alerts_ = alerts_by_rule();
  router_ = std::make_unique<alerts::Router>(next->context, writer());
  delivery_->SetContext(next->context);
  const std::lock_guard lock(mutex_);
  rules_ = std::move(next);
}

StatusOr<std::string> LiveEngine::Checkpoint() {
  if (durable_ == nullptr) return absl::FailedPreconditionError("the job has no `state`");
  return durable_->state()->CheckpointNow();
}

bool LiveEngine::is_alive() const {
  const int64_t last = last_round_ms_;
  return last < 0 || has_ended_ || clock_->SteadyMs() - last < kAliveMs;
}

void LiveEngine::Pause(bool is_paused) {
  if (is_paused_.exchange(is_paused) == is_paused) return;
  log_->Warn(is_paused ? "paused by an operator: nothing is read" : "resumed by an operator");
  wakeup_.Notify();
}

// On the job's thread, with nothing under way.
std::shared_ptr<const JobCounters> LiveEngine::Count(const cep::LiveJob& job) {
  auto counters = std::make_shared<JobCounters>();
  counters->alerts = alerts_by_rule();
  counters->rules = rules_;
  counters->by_rule.resize(rules_->rules->rules.size());
  counters->no_key = job.no_key();
  for (const cep::Operator* op : job.operators()) {
    const auto* running = static_cast<const patterns::RunningOperator*>(op);
    running->AddCounters(&counters->by_rule);
    counters->live_keys += running->live_keys();
    counters->cold_keys += running->cold_keys();
    counters->live_events += running->live_events();
    counters->state_bytes += running->state_bytes();
  }
  counters->load = load_.Measure(job, *rules_, clock_->SteadyUs());
  return counters;
}

std::shared_ptr<const JobCounters> LiveEngine::Counters() {
  const std::lock_guard one(counting_);
  const int64_t now = clock_->SteadyMs();
  if (!has_ended_ && last_round_ms_ >= 0 && now - counted_ms_ >= kCountEveryMs) {
    counted_ms_ = now;
    auto counted = std::make_shared<std::promise<void>>();
    std::future<void> is_done = counted->get_future();
    job_->AtRest([this, counted](const cep::LiveJob& job) {
      auto counters = Count(job);
      {
        const std::lock_guard lock(mutex_);
        counters_ = std::move(counters);
      }
      counted->set_value();
    });
    is_done.wait_for(kCountLimit);
  }
  const std::lock_guard lock(mutex_);
  return counters_;
}

Status LiveEngine::Run(const std::function<void()>& after_round) {
  Status status = job_->Run([&] {
    last_round_ms_ = clock_->SteadyMs();
    PublishDelivered();
    if (durable_ != nullptr && !durable_->status().ok()) job_->Stop();
    EndDrained();
    after_round();
  });
  if (status.ok() && durable_ != nullptr) status = durable_->status();
  has_ended_ = true;
  if (const auto point = job_->status()) WriteMetrics(*point);
  Audit("stop", {{"reason", status.ok() ? (job_->is_done() ? "end" : "asked for")
                                        : std::string(status.message())}});
  return status;
}

bool LiveEngine::Drain(std::chrono::milliseconds limit,
                       const std::function<void()>& while_waiting) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  bool is_drained = false;
  while (!is_drained && std::chrono::steady_clock::now() < deadline) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    is_drained = delivery_->Drain(std::min(next, deadline));
    if (durable_ != nullptr) {
      is_drained &= durable_->Drain(std::min(next, deadline));
      if (!durable_->status().ok()) break;
    }
    while_waiting();
  }
  PublishDelivered();
  return is_drained;
}

Status LiveEngine::OnCommit(const cep::CommitPoint& point, std::vector<cep::ShardChanges> changes) {
  const cep::Ledger total = point.total();
  if (!total.IsClosed() || total.processed > total.read) {
    log_->Error("the ledger does not close",
                {{"read", std::to_string(total.read)}, {"waiting", std::to_string(total.waiting)}});
  }
  if (durable_ != nullptr) {
    RETURN_IF_ERROR(durable_->Submit(job_->status(), std::move(changes)));
  } else {
    unpublished_.push_back({delivery_->next_sequence(), job_->status()});
  }
  const int64_t now = clock_->SteadyMs();
  if (now - last_metrics_ms_ >= kMetricsEveryMs) {
    last_metrics_ms_ = now;
    WriteMetrics(point);
  }
  return absl::OkStatus();
}

// Publishes the newest offsets that every record before them has been delivered for.
void LiveEngine::PublishDelivered() {
  if (durable_ != nullptr) {
    std::shared_ptr<const cep::CommitPoint> committed = durable_->Committed();
    if (committed == nullptr || committed == published_) return;
    Publish(*committed);
    published_ = std::move(committed);
    return;
  }
  if (unpublished_.empty()) return;
  const uint64_t done = delivery_->DoneBefore();
  std::shared_ptr<const cep::CommitPoint> newest;
  while (!unpublished_.empty() && unpublished_.front().sequence <= done) {
    newest = std::move(unpublished_.front().point);
    unpublished_.pop_front();
  }
  if (newest != nullptr) Publish(*newest);
}

void LiveEngine::Publish(const cep::CommitPoint& point) {
  const std::vector<cep::LiveInput>& inputs = job_->inputs();
  std::vector<std::vector<uint64_t>> offsets(inputs.size());
  for (const cep::PartitionPoint& partition : point.partitions) {
    offsets[partition.input].push_back(partition.next_offset);
  }
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i].source->Publish(offsets[i]);
}

void LiveEngine::OnTimeEvent(const cep::TimeEvent& event, const cep::Partition& partition) {
  const char* what = nullptr;
  switch (event.kind) {
    case cep::TimeEvent::Kind::kJoined:
      what = "partition joined";
      break;
    case cep::TimeEvent::Kind::kIdle:
      what = "partition idle";
      break;
    case cep::TimeEvent::Kind::kReturned:
      what = "partition returned";
      break;
  }
  const std::vector<LogField> fields = {{"partition", partition.place},
                                        {"watermark", TimeText(event.watermark)},
                                        {"engine", TimeText(event.engine)}};
  log_->Info(what, fields);
  Audit(what, fields);
}

void LiveEngine::Audit(std::string_view what, const std::vector<LogField>& fields) {
  std::string line = "{\"output\":\"audit\",\"kind\":\"audit\",\"time\":\"";
  alerts::AppendTimeMs(clock_->WallMs(), &line);
  line.push_back('"');
  AppendText("job", config_.name, &line);
  AppendText("what", what, &line);
  AppendFields(fields, &line);
  line.push_back('}');
  delivery_->WriteLine("audit", std::move(line));
}

void LiveEngine::WriteMetrics(const cep::CommitPoint& point) {
  std::string line = "{\"output\":\"metrics\",\"kind\":\"metrics\",\"time\":\"";
  alerts::AppendTimeMs(clock_->WallMs(), &line);
  line.append("\",\"job\":");
  alerts::AppendJsonString(config_.name, &line);
  line.append(",\"watermark\":");
  alerts::AppendInt(point.watermark, &line);
  if (point.holder >= 0) {
    line.append(",\"held_by\":");
    alerts::AppendJsonString(point.partitions[static_cast<size_t>(point.holder)].partition->place,
                             &line);
  }
  AppendLedger(point.total(), &line);
  line.append(",\"alerts\":{");
  bool is_first_rule = true;
  for (const auto& [rule, count] : alerts_by_rule()) {
    if (!std::exchange(is_first_rule, false)) line.push_back(',');
    alerts::AppendJsonString(rule, &line);
    line.push_back(':');
    alerts::AppendUint(count, &line);
  }
  line.append("},\"partitions\":[");
  for (size_t i = 0; i < point.partitions.size(); ++i) {
    const cep::PartitionPoint& partition = point.partitions[i];
    line.append(i > 0 ? ",{\"place\":" : "{\"place\":");
    alerts::AppendJsonString(partition.partition->place, &line);
    AppendCount("next_offset", partition.next_offset, &line);
    AppendCount("lag", LagOf(partition), &line);
    line.append(",\"watermark\":");
    alerts::AppendInt(partition.watermark, &line);
    line.append(partition.is_idle ? ",\"idle\":true" : ",\"idle\":false");
    AppendLedger(partition.ledger, &line);
    line.push_back('}');
  }
  line.append("],\"sinks\":{");
  bool is_first = true;
  for (const auto& [name, counters] : sinks()) {
    if (!std::exchange(is_first, false)) line.push_back(',');
    alerts::AppendJsonString(name, &line);
    line.append(":{\"accepted\":");
    alerts::AppendUint(counters.accepted, &line);
    AppendCount("delivered", counters.delivered, &line);
    AppendCount("dropped", counters.dropped, &line);
    AppendCount("refused", counters.refused, &line);
    AppendCount("failures", counters.failures, &line);
    AppendCount("queued_bytes", counters.queued_bytes, &line);
    line.push_back('}');
  }
  line.push_back('}');
  if (const std::optional<StateCounters> counters = state_counters()) {
    line.append(",\"state\":{\"commit\":");
    alerts::AppendUint(counters->last_commit_number, &line);
    AppendCount("commits", counters->commits, &line);
    AppendCount("commit_ms", static_cast<uint64_t>(counters->last_commit_ms), &line);
    AppendCount("outbox_bytes", counters->outbox_bytes, &line);
    AppendCount("live_bytes", counters->live_bytes, &line);
    AppendCount("chunk_bytes", counters->chunk_bytes, &line);
    AppendCount("checkpoints", counters->checkpoints, &line);
    line.push_back('}');
  }
  line.push_back('}');
  delivery_->WriteLine("metrics", std::move(line));
}

std::optional<StateCounters> LiveEngine::state_counters() const {
  if (durable_ == nullptr) return std::nullopt;
  return durable_->state()->counters();
}

}  // namespace vigil::daemon
