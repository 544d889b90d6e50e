// Plain data in YAML, such as a list of country codes, as the CEL expression that stands for it.
#pragma once

#include <string>

#include "rules/source_text.h"
#include "rules/yaml_node.h"

namespace vigil::rules {

// A `define`'s value as CEL text: a scalar is an expression already; the elements of lists and
// mappings are data, so text in them becomes a string literal. False, after a report, if it holds
// what CEL has no notation for.
bool DefineText(const SourceText& source, const Node& value, Reporter* reporter, std::string* out);

}  // namespace vigil::rules
