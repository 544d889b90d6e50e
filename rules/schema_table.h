// The rule language's keys: one table for everything that has to know them.
//
// The readers check files by it; docs/rule-language.md's reference and `vigil schema rules` are
// made from it (schema_reference.h).
#pragma once

#include <cstdint>

#include "rules/vocabulary.h"

namespace vigil::rules {

// A kind of mapping in a rule file.
enum class Section : uint8_t { kNone, kFile, kRule, kStage, kAlert, kAfterMatch, kLimits };

const Vocabulary& RuleLanguage();

}  // namespace vigil::rules
