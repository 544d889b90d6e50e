// What is generated from the tables of keys and codes: the reference and the JSON Schema.
#pragma once

#include <string>

#include "rules/vocabulary.h"

namespace vigil::rules {

// A table of keys for each section of a language. Markdown.
std::string KeysMarkdown(const Vocabulary& language);

// The reference section of docs/rule-language.md: a table of keys per section, then the codes.
// Markdown.
std::string ReferenceMarkdown();

// The JSON Schema (draft 2020-12) of a rule file, for editors. It accepts every file that loads;
// what it cannot say, such as CEL or unique names, only `vigil check` finds.
std::string RuleJsonSchema();

}  // namespace vigil::rules
