// From YAML trees to rules as written, over all files of a rule set.
#pragma once

#include "rules/rule_draft.h"
#include "rules/yaml_node.h"

namespace vigil::rules {

// Appends the file's defines and rules to `draft`. The document outlives it.
void ResolveFile(const Document& document, RuleSetDraft* draft, Reporter* reporter);

// What can only be seen over all files: rules and defines given twice.
void CheckNames(const RuleSetDraft& draft, Reporter* reporter);

}  // namespace vigil::rules
