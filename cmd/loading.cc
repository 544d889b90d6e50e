#include "cmd/loading.h"

#include "daemon/formats.h"
#include "rules/load.h"
#include "rules/schema_file.h"

namespace vigil::cmd {
namespace {

void Print(const std::vector<rules::Diagnostic>& diagnostics, std::ostream& err) {
  for (const rules::Diagnostic& diagnostic : diagnostics)
    err << rules::FormatText(diagnostic) << "\n";
}

}  // namespace

std::optional<daemon::Config> LoadConfigOrReport(const std::string& path, std::ostream& err) {
  daemon::ConfigResult result = daemon::LoadConfig(path);
  Print(result.diagnostics, err);
  if (rules::HasErrors(result.diagnostics)) return std::nullopt;
  return std::move(result.config);
}

std::shared_ptr<const cep::Schema> LoadSchemaOrReport(const std::string& path, std::ostream& err) {
  if (daemon::IsRecordSchema(path)) {
    StatusOr<daemon::EventSchema> loaded = daemon::LoadRecordSchema(path);
    if (loaded.ok()) return loaded->schema;
    err << "error: " << loaded.status().message() << "\n";
    return nullptr;
  }
  rules::SchemaResult result = rules::LoadSchema(path);
  Print(result.diagnostics, err);
  return result.schema;
}

std::shared_ptr<const rules::RuleSet> LoadRulesOrReport(const std::vector<std::string>& paths,
                                                        std::shared_ptr<const cep::Schema> schema,
                                                        std::ostream& err,
                                                        const rules::LoadOptions& options) {
  rules::LoadResult result = rules::LoadRules(paths, std::move(schema), options);
  Print(result.diagnostics, err);
  return result.rules;
}

}  // namespace vigil::cmd
