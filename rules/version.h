// The version of a rule set: a hash of what its files say.
#pragma once

#include <string>

#include "rules/rule_draft.h"

namespace vigil::rules {

// 32 hexadecimal digits. Comments, layout, the order of keys and rules, and the split into files do
// not count.
std::string VersionOf(const RuleSetDraft& draft);

}  // namespace vigil::rules
