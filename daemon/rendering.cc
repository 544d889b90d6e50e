#include "daemon/rendering.h"

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

}  // namespace vigil::daemon
