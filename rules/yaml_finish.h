// The second half of reading YAML: aliases become copies, keys are checked. Used by yaml_reader.cc
// only.
#pragma once

#include "rules/source_text.h"
#include "rules/yaml_node.h"

namespace vigil::rules {

// Resolves every alias of the tree and reports keys that are no text or given twice. False, after a
// report, when an alias leaves no tree to go on with. Cost: linear in the tree and the copies,
// which are at most kMaxAliasNodes.
bool FinishTree(Document* document, Reporter* reporter);

}  // namespace vigil::rules
