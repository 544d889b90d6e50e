// A rule as a file of its own: what is kept of one that has been edited or removed, so that it can
// be compiled again.
//
// Tests: tests/rules/own_text_test.cc.
#pragma once

#include <string>
#include <vector>

#include "rules/rule_draft.h"

namespace vigil::rules {

// A rule file, in YAML's flow style and ASCII, with this rule and the defines that it names: loaded
// alone it gives a rule of the same `content`.
std::string OwnText(const RuleDraft& rule, const std::vector<DefineDraft>& defines);

}  // namespace vigil::rules
