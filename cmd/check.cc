#include "cmd/check.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "cmd/exit_codes.h"
#include "rules/load.h"
#include "rules/schema_file.h"

namespace vigil::cmd {
namespace {

using rules::Diagnostic;
using rules::Level;

std::string Count(size_t n, const std::string& what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

void Print(const CheckOptions& options, const std::vector<Diagnostic>& diagnostics,
           std::ostream& out, std::ostream& err) {
  if (options.json) {
    out << rules::FormatJson(diagnostics);
    return;
  }
  for (const Diagnostic& diagnostic : diagnostics) err << rules::FormatText(diagnostic) << "\n";
}

// False, after a message, if there is nothing to check.
bool PathsExist(const CheckOptions& options, std::ostream& err) {
  if (options.rules.empty()) {
    err << "vigil check: no rules are given; name files or folders with -r\n";
    return false;
  }
  std::vector<std::string> paths = options.rules;
  if (!options.schema_file.empty()) paths.push_back(options.schema_file);
  bool ok = true;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) continue;
    err << "vigil check: no such file or folder: " << path << "\n";
    ok = false;
  }
  return ok;
}

}  // namespace

int RunCheck(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  if (!PathsExist(options, err)) return kExitUsage;
  std::vector<Diagnostic> diagnostics;
  auto schema = std::make_shared<const cep::Schema>();
  if (options.schema_file.empty()) {
    err << "no schema is given: every identifier is taken as a field of any type\n";
  } else {
    rules::SchemaResult loaded = rules::LoadSchema(options.schema_file);
    diagnostics = std::move(loaded.diagnostics);
    // With a broken schema the rules are still checked, as if there were none.
    if (loaded.schema != nullptr) schema = loaded.schema;
  }
  rules::LoadResult loaded = rules::LoadRules(options.rules, std::move(schema));
  for (Diagnostic& d : loaded.diagnostics) diagnostics.push_back(std::move(d));
  Print(options, diagnostics, out, err);
  const size_t errors = static_cast<size_t>(
      std::count_if(diagnostics.begin(), diagnostics.end(),
                    [](const Diagnostic& d) { return d.level == Level::kError; }));
  err << Count(loaded.rule_count, "rule") << ", " << Count(errors, "error") << ", "
      << Count(diagnostics.size() - errors, "warning") << "\n";
  return errors == 0 ? kExitOk : kExitFindings;
}

}  // namespace vigil::cmd
