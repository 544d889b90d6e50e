#include "daemon/pipeline.h"

#include <utility>

#include "alerts/builder.h"
#include "patterns/pattern_operator.h"
#include "rules/explain.h"

namespace vigil::daemon {

std::shared_ptr<const alerts::AlertContext> MakeContext(const rules::RuleSet& rules,
                                                        const Rendering& rendering) {
  auto context = std::make_shared<alerts::AlertContext>();
  for (const rules::CompiledRule& rule : rules.rules) {
    context->rules.push_back(rule.info);
    if (rule.mode != rules::Mode::kShadow) continue;
    context->rules.back().on_match.outputs.clear();  // counted, never delivered
    context->rules.back().on_timeout.outputs.clear();
  }
  for (const auto& [source, expressions] : rules.sources) {
    if (expressions.id == nullptr) continue;
    context->source_ids[source] = {source, expressions.id};
    if (source == rendering.only_source) context->source_ids[""] = {source, expressions.id};
  }
  context->rule_set = rules.version;
  context->layout = rules.layout;
  context->format = rendering.format;
  context->colour = rendering.colour;
  context->text_width = rendering.text_width;
  return context;
}

StatusOr<Pipeline> MakePipeline(std::shared_ptr<const rules::RuleSet> rules,
                                const Rendering& rendering) {
  Pipeline pipeline;
  ASSIGN_OR_RETURN(pipeline.patterns, patterns::CompilePatterns(rules::PatternRules(*rules)));
  pipeline.context = MakeContext(*rules, rendering);
  pipeline.rule_keys.resize(rules->rules.size());
  for (const patterns::RuleBlock& block : pipeline.patterns->blocks) {
    for (uint32_t rule : block.rules) {
      pipeline.rule_keys[rule] = pipeline.patterns->key_spaces[block.key_space].variants;
    }
  }
  pipeline.rules = std::move(rules);
  return pipeline;
}

cep::ShardGroup::MakeOperator Pipeline::MakeOperators() const {
  return [patterns = patterns] { return std::make_unique<patterns::PatternOperator>(patterns); };
}

cep::ShardGroup::MakeSink Pipeline::MakeBuilders() const {
  return [context = context] { return std::make_unique<alerts::AlertBuilder>(context); };
}

}  // namespace vigil::daemon
