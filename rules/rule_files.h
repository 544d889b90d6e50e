// Which files make up a rule set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/source_text.h"

namespace vigil::rules {

// The rule files that `paths` stand for (load.h says which), each once. Paths that lead nowhere are
// reported.
std::vector<std::string> FindRuleFiles(const std::vector<std::string>& paths, Reporter* reporter);

// Whether a file of this name in a folder of rules is one of them.
bool IsRuleFileName(std::string_view name);

}  // namespace vigil::rules
