#include "cmd/explain.h"

#include "cmd/exit_codes.h"
#include "cmd/loading.h"
#include "rules/explain.h"

namespace vigil::cmd {
namespace {

rules::ExplainFormat FormatOf(const ExplainOptions& options) {
  if (options.dot) return rules::ExplainFormat::kDot;
  return options.mermaid ? rules::ExplainFormat::kMermaid : rules::ExplainFormat::kText;
}

}  // namespace

int RunExplain(const ExplainOptions& options, std::ostream& out, std::ostream& err) {
  auto schema = std::make_shared<const cep::Schema>();
  if (options.schema_file.empty()) {
    err << "no schema: undeclared fields are taken as dyn\n";
  } else if (schema = LoadSchemaOrReport(options.schema_file, err); schema == nullptr) {
    return kExitFindings;
  }
  const auto set = LoadRulesOrReport(options.rules, schema, err);
  if (set == nullptr) return kExitFindings;
  const auto compiled = patterns::CompilePatterns(rules::PatternRules(*set));
  if (!compiled.ok()) {
    err << "error: " << compiled.status().message() << "\n";
    return kExitFindings;
  }
  bool found = false;
  for (size_t i = 0; i < set->rules.size(); ++i) {
    if (!options.rule.empty() && set->rules[i].info.id != options.rule) continue;
    if (found) out << "\n";
    out << rules::ExplainRule(*set, **compiled, i, FormatOf(options));
    found = true;
  }
  if (found || options.rule.empty()) return kExitOk;
  err << "error: there is no rule `" << options.rule << "`\n";
  return kExitUsage;
}

}  // namespace vigil::cmd
