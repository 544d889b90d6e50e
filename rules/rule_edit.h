// One rule put into, or taken out of, the text of a rule file; all else in it stays as it is
// written, comments and layout too.
//
// Works on the text, by the places of the YAML tree, and then reads the outcome and compares it
// with what was wanted: an edit that would say anything else is refused.
// Tests: tests/rules/rule_edit_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "rules/load.h"

namespace vigil::rules {

// The ids of a file's rules, in its order; none of a text that is no rule file.
std::vector<std::string> RuleIds(const NamedText& file);

// A rule's mapping as text of its own: from its first key, indented as if it stood alone.
// Errors: NOT_FOUND.
StatusOr<std::string> RuleText(const NamedText& file, std::string_view id);

struct EditedFile {
  std::string text;
  // Where the rule's text stands in it: line 1 of it is line `first_line`, `indent` columns further
  // right.
  uint32_t first_line = 0;
  uint32_t lines = 0;
  uint32_t indent = 0;
};

// `file` with `rule`, a mapping that begins with its keys, in place of its rule `id`; behind all
// others if it has none. Errors: INVALID_ARGUMENT if `rule` is no mapping with `rule: ID`;
// FAILED_PRECONDITION for a file that is not written so that a rule can be put into it.
StatusOr<EditedFile> PutRule(const NamedText& file, std::string_view id, std::string_view rule);

// A file with this rule only. Errors: INVALID_ARGUMENT as above.
StatusOr<EditedFile> NewRuleFile(std::string_view id, std::string_view rule);

// `file` without its rule `id`. `is_empty` says whether it then holds nothing but its version.
// Errors: NOT_FOUND, FAILED_PRECONDITION as above.
StatusOr<std::string> RemoveRule(const NamedText& file, std::string_view id, bool* is_empty);

}  // namespace vigil::rules
