// Reads the stages of a pattern: names, quantifiers, groups.
#pragma once

#include <vector>

#include "rules/rule_draft.h"

namespace vigil::rules {

// Reads a list of stages (`pattern` or `group`). Recursion is bounded by the nesting that YAML
// files may have.
std::vector<StageDraft> ReadStages(const SourceText& source, const Node& list, Reporter* reporter);

// Why `name` cannot name a stage or a define; empty if it can.
std::string WhyNoIdentifier(std::string_view name);

}  // namespace vigil::rules
