// The version of a rule set: a hash of what its files say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_draft.h"

namespace vigil::rules {

// 32 hexadecimal digits. Comments, layout, the order of keys and rules, and the split into files do
// not count.
std::string VersionOf(const RuleSetDraft& draft);

// The defines whose names stand in `text`, or in the texts of such, in their order.
std::vector<const DefineDraft*> NamedDefines(std::string_view text,
                                             const std::vector<DefineDraft>& defines);

// Sets `content` and `matching`. What the latter leaves out are descriptions, severity, tags, mode,
// `on_change` and alerts, but for whether there is an `on_timeout`. A define counts for the rules
// in whose texts, or in whose defines' texts, its name stands.
void SetHashes(const RuleDraft& draft, const std::vector<DefineDraft>& defines, CompiledRule* rule);

}  // namespace vigil::rules
