// Loads rule files into a RuleSet: the compile spine read → resolve → check → compile.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/diagnostic.h"
#include "rules/rule_set.h"

namespace vigil::rules {

struct LoadResult {
  std::shared_ptr<const RuleSet> rules;  // null if any diagnostic is an error
  std::vector<Diagnostic> diagnostics;   // by file, line and column
  size_t rule_count = 0;                 // as written, good or bad, `mode: off` included
};

struct LoadOptions {
  // Outputs that rules may send to; absent: any name.
  std::optional<std::vector<std::string>> outputs;
  // Of the running rule set: its fields keep their slots, new ones come behind them.
  std::shared_ptr<const cep::Layout> layout;
  // What sources say of their events, compiled for the same layout. Texts that are not valid are
  // left out: whoever read them has said so.
  std::vector<SourceTexts> sources;
};

// `paths` are files or folders; of a folder every *.yaml, *.yml and *.json below it but *.test.yaml
// and *.test.yml, in bytewise order. A file that two paths lead to is read once. Nothing is thrown;
// hostile files are refused (yaml_reader.h).
LoadResult LoadRules(const std::vector<std::string>& paths,
                     std::shared_ptr<const cep::Schema> schema, const LoadOptions& options = {});

LoadResult LoadRuleTexts(const std::vector<NamedText>& texts,
                         std::shared_ptr<const cep::Schema> schema,
                         const LoadOptions& options = {});

// The texts of the files that LoadRules() would read.
struct RuleTexts {
  std::vector<NamedText> texts;         // in its order; those that could be read
  std::vector<Diagnostic> diagnostics;  // about files that could not
};

RuleTexts ReadRuleTexts(const std::vector<std::string>& paths);

}  // namespace vigil::rules
