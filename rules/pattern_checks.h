// What Flink CEP refuses in a pattern, and what can hardly be meant, reported where it is written.
//
// Source: Flink 1.20 Pattern.java, NFACompiler.java; the cases named "error" in
// tests/corpus/patterns hold it.
#pragma once

#include "cep/event/schema.h"
#include "rules/rule_draft.h"

namespace vigil::rules {

// Reports all problems of the rule's pattern that need no types. False if the pattern is too large
// to be looked at any further. Cost: linear in the stages.
bool CheckPattern(const RuleDraft& rule, const cep::Schema& schema, Reporter* reporter);

}  // namespace vigil::rules
