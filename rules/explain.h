// What rules compiled to, for people: automaton, conditions, and what is shared with other rules.
#pragma once

#include <string>

#include "patterns/rule_block.h"
#include "rules/rule_set.h"

namespace vigil::rules {

enum class ExplainFormat : uint8_t { kText, kDot, kMermaid };

// Explains the rule at `index` of the set. The graph formats are whole documents for Graphviz and
// Mermaid.
std::string ExplainRule(const RuleSet& set, const patterns::CompiledPatterns& compiled,
                        size_t index, ExplainFormat format);

// The patterns of a rule set as CompilePatterns() wants them; they point into `set`. Incarnations
// are those of a set that follows none.
std::vector<patterns::PatternRule> PatternRules(const RuleSet& set);

}  // namespace vigil::rules
