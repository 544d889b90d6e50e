#include "daemon/engine.h"

#include <utility>

#include "patterns/pattern_operator.h"

namespace vigil::daemon {

StatusOr<std::unique_ptr<Engine>> Engine::Create(std::shared_ptr<const rules::RuleSet> rules,
                                                 const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine());
  ASSIGN_OR_RETURN(engine->pipeline_,
                   MakePipeline(std::move(rules), {options.format, options.colour,
                                                   options.text_width, options.only_source}));
  engine->options_ = options;
  return engine;
}

cep::JobOptions Engine::JobOptionsOf() const {
  cep::JobOptions job;
  job.shards = options_.shards;
  job.disorder_ms = options_.disorder_ms;
  job.disorder_ms_by_source = options_.disorder_ms_by_source;
  for (const auto& [source, expressions] : pipeline_.rules->sources) {
    if (!options_.follows_punctuation || expressions.punctuated == nullptr) continue;
    job.punctuated_by_source[source] = expressions.punctuated;
    if (source == options_.only_source) job.punctuated = expressions.punctuated;
  }
  job.layout = pipeline_.rules->layout;
  job.key_exprs = pipeline_.patterns->key_exprs;
  job.rule_keys = pipeline_.rule_keys;
  return job;
}

Status Engine::Run(std::vector<cep::JobSource> sources, alerts::LineSink* sink,
                   const cep::Job::Progress& progress) {
  alerts::Rejects rejects(pipeline_.context);
  alerts::Router router(pipeline_.context, sink);
  cep::Job job(
      JobOptionsOf(), std::move(sources), pipeline_.MakeOperators(), pipeline_.MakeBuilders(),
      &rejects,
      [&router](const std::vector<cep::Record>& records) { return router.Write(records); });
  RETURN_IF_ERROR(job.Run(progress));
  RETURN_IF_ERROR(router.Flush());
  ledger_ = job.ledger();
  alerts_ = router.alerts_by_rule();
  no_key_ = job.no_key();
  counters_.assign(pipeline_.rules->rules.size(), {});
  for (const cep::Operator* op : job.operators()) {
    static_cast<const patterns::PatternOperator*>(op)->AddCounters(&counters_);
  }
  return absl::OkStatus();
}

}  // namespace vigil::daemon
