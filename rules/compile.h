// From rules as written to what the engine runs: expressions compiled, fields given their slots.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cep/event/schema.h"
#include "rules/rule_draft.h"

namespace vigil::rules {

// What all rules of a set are compiled against.
struct CompileScope {
  const cep::Schema* schema = nullptr;
  cep::Layout* layout = nullptr;  // receives every field that is read
  const std::vector<DefineDraft>* defines = nullptr;
  std::map<std::string, std::string> define_texts;
};

// Compiles one rule; nothing, after reports, if it has an error.
std::optional<CompiledRule> CompileRule(const RuleDraft& rule, const CompileScope& scope,
                                        Reporter* reporter);

// Reports defines that are no CEL at all, whether a rule uses them or not.
void CheckDefines(const CompileScope& scope, Reporter* reporter);

}  // namespace vigil::rules
