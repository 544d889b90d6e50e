// Whether partial matches of a rule can go on under an edited version of it.
#pragma once

#include <string>

#include "rules/rule_set.h"

namespace vigil::daemon {

// Why they cannot; empty if they can: kind, key, stages (names, order, contiguity, quantifiers,
// keys, groups, whether there is an `until`) and `after_match` are the same. Conditions, every
// `within`, `on_timeout`, `on_error`, limits and all of the alerts may differ. Both must have been
// loaded with one layout.
std::string WhyIncompatible(const rules::CompiledRule& from, const rules::CompiledRule& to);

}  // namespace vigil::daemon
