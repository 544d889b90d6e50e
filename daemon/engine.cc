#include "daemon/engine.h"

#include "alerts/builder.h"
#include "patterns/pattern_operator.h"
#include "rules/explain.h"

namespace vigil::daemon {

StatusOr<std::unique_ptr<Engine>> Engine::Create(std::shared_ptr<const rules::RuleSet> rules,
                                                 const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine());
  ASSIGN_OR_RETURN(engine->patterns_, patterns::CompilePatterns(rules::PatternRules(*rules)));
  auto context = std::make_shared<alerts::AlertContext>();
  for (const rules::CompiledRule& rule : rules->rules) {
    context->rules.push_back(rule.info);
    if (rule.mode != rules::Mode::kShadow) continue;
    context->rules.back().on_match.outputs.clear();  // counted, never delivered
    context->rules.back().on_timeout.outputs.clear();
  }
  context->rule_set = rules->version;
  context->layout = rules->layout;
  context->format = options.format;
  context->colour = options.colour;
  context->text_width = options.text_width;
  engine->context_ = context;
  engine->rules_ = std::move(rules);
  engine->options_ = options;
  return engine;
}

cep::JobOptions Engine::JobOptionsOf() const {
  cep::JobOptions job;
  job.shards = options_.shards;
  job.disorder_ms = options_.disorder_ms;
  job.disorder_ms_by_source = options_.disorder_ms_by_source;
  job.layout = rules_->layout;
  job.key_exprs = patterns_->key_exprs;
  job.rule_keys.resize(rules_->rules.size());
  for (const patterns::RuleBlock& block : patterns_->blocks) {
    for (uint32_t rule : block.rules) {
      job.rule_keys[rule] = patterns_->key_spaces[block.key_space].variants;
    }
  }
  return job;
}

Status Engine::Run(std::vector<cep::JobSource> sources, alerts::LineSink* sink,
                   const cep::Job::Progress& progress) {
  alerts::Rejects rejects(context_);
  alerts::Router router(context_, sink);
  cep::Job job(
      JobOptionsOf(), std::move(sources),
      [this] { return std::make_unique<patterns::PatternOperator>(patterns_); },
      [this] { return std::make_unique<alerts::AlertBuilder>(context_); }, &rejects,
      [&router](const std::vector<cep::Record>& records) { return router.Write(records); });
  RETURN_IF_ERROR(job.Run(progress));
  RETURN_IF_ERROR(router.Flush());
  ledger_ = job.ledger();
  alerts_ = router.alerts_by_rule();
  no_key_ = job.no_key();
  counters_.assign(rules_->rules.size(), {});
  for (const cep::Operator* op : job.operators()) {
    static_cast<const patterns::PatternOperator*>(op)->AddCounters(&counters_);
  }
  return absl::OkStatus();
}

}  // namespace vigil::daemon
