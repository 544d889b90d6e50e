#include "daemon/engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "patterns/running_patterns.h"

namespace vigil::daemon {

StatusOr<std::unique_ptr<Engine>> Engine::Create(std::shared_ptr<const rules::RuleSet> rules,
                                                 const EngineOptions& options) {
  ASSIGN_OR_RETURN(std::shared_ptr<const RunningRules> running,
                   FollowRules(nullptr, std::move(rules), nullptr, options.rendering()));
  return Create({{cep::kMinTime, std::move(running)}}, std::nullopt, options);
}

std::unique_ptr<Engine> Engine::Create(std::vector<RuleStep> steps,
                                       std::optional<ReplayStart> start,
                                       const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine(options));
  engine->steps_ = std::move(steps);
  engine->start_ = std::move(start);
  return engine;
}

cep::JobOptions Engine::JobOptionsOf() {
  const RunningRules& first = *steps_.front().rules;
  cep::JobOptions job;
  job.shards = options_.shards;
  job.disorder_ms = options_.disorder_ms;
  job.disorder_ms_by_source = options_.disorder_ms_by_source;
  for (const auto& [source, expressions] : first.rules->sources) {
    if (!options_.follows_punctuation || expressions.punctuated == nullptr) continue;
    job.punctuated_by_source[source] = expressions.punctuated;
    if (source == options_.only_source) job.punctuated = expressions.punctuated;
  }
  job.layout = first.rules->layout;
  job.key_exprs = steps_.back().rules->key_exprs;
  job.rule_keys = first.rule_keys;
  if (!start_) return job;
  job.resume = start_->resume;
  job.marks = start_->marks;
  return job;
}

// What is raised from here on is raised by these rules.
void Engine::Begin(const std::shared_ptr<const RunningRules>& rules, alerts::LineSink* sink) {
  std::map<std::string, uint64_t> before;
  if (running_ != nullptr) {
    for (size_t i = 0; i < alerts_.size(); ++i) {
      before[running_->rules->rules[i].info.id] = alerts_[i] + router_->alerts_by_rule()[i];
    }
  }
  running_ = rules;
  router_ = std::make_unique<alerts::Router>(rules->context, sink);
  alerts_.clear();
  for (const rules::CompiledRule& rule : rules->rules->rules) {
    alerts_.push_back(before[rule.info.id]);
  }
}

Status Engine::Write(std::vector<cep::Record> records) {
  if (!options_.until_alert) return router_->Write(records);
  const auto found =
      std::find_if(records.begin(), records.end(), [this](const cep::Record& record) {
        return record.kind == cep::RecordKind::kAlert && record.id == *options_.until_alert;
      });
  has_found_alert_ = found != records.end();
  if (has_found_alert_) records.erase(found + 1, records.end());
  if (options_.only_until_alert) {
    records.erase(records.begin(), has_found_alert_ ? found : records.end());
  }
  RETURN_IF_ERROR(router_->Write(records));
  return has_found_alert_ ? absl::CancelledError("the alert has come out") : absl::OkStatus();
}

Status Engine::Run(std::vector<cep::JobSource> sources, alerts::LineSink* sink,
                   const cep::Job::Progress& progress) {
  Begin(steps_.front().rules, sink);
  alerts::Rejects rejects(running_->context);
  cep::JobOptions options = JobOptionsOf();
  for (size_t s = 1; s < steps_.size(); ++s) {
    const RuleStep& step = steps_[s];
    options.swaps.push_back({step.from, step.rules->rules->layout, step.rules->rule_keys,
                             step.rules->Remake(), step.rules->MakeBuilders(),
                             [this, &step, sink] { Begin(step.rules, sink); }});
  }
  const auto make_operator = [remake = running_->Remake(),
                              from = start_ ? start_->resume.watermark : cep::kMinTime] {
    std::unique_ptr<cep::Operator> made = remake(nullptr);
    if (from != cep::kMinTime) static_cast<patterns::RunningOperator*>(made.get())->ResumeAt(from);
    return made;
  };
  cep::Job job(std::move(options), std::move(sources), make_operator, running_->MakeBuilders(),
               &rejects,
               [this](std::vector<cep::Record> records) { return Write(std::move(records)); });
  const Status status = job.Run(progress);
  const bool is_cut = has_found_alert_ && absl::IsCancelled(status);
  if (!is_cut) RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(router_->Flush());
  ledger_ = job.ledger();
  for (size_t i = 0; i < alerts_.size(); ++i) alerts_[i] += router_->alerts_by_rule()[i];
  no_key_ = job.no_key();
  counters_.assign(alerts_.size(), {});
  if (is_cut) return absl::OkStatus();  // its shards may still be at work
  for (const cep::Operator* op : job.operators()) {
    static_cast<const patterns::RunningOperator*>(op)->AddCounters(&counters_);
  }
  return absl::OkStatus();
}

}  // namespace vigil::daemon
