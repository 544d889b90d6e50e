#include "cmd/check.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "cmd/exit_codes.h"
#include "daemon/config.h"
#include "daemon/formats.h"
#include "daemon/live_sources.h"
#include "daemon/source_expressions.h"
#include "rules/load.h"
#include "rules/schema_file.h"
#include "rules/source_text.h"

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
  if (options.rules.empty() && options.config_file.empty()) {
    err << "vigil check: no rules are given; name files or folders with -r\n";
    return false;
  }
  std::vector<std::string> paths = options.rules;
  if (!options.schema_file.empty() && !daemon::IsRecordSchema(options.schema_file)) {
    paths.push_back(options.schema_file);
  }
  bool ok = true;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) continue;
    err << "vigil check: no such file or folder: " << path << "\n";
    ok = false;
  }
  return ok;
}

size_t CountErrors(const std::vector<Diagnostic>& diagnostics) {
  return static_cast<size_t>(
      std::count_if(diagnostics.begin(), diagnostics.end(),
                    [](const Diagnostic& d) { return d.level == Level::kError; }));
}

void Append(std::vector<Diagnostic> more, std::vector<Diagnostic>* all) {
  for (Diagnostic& d : more) all->push_back(std::move(d));
}

// What is checked besides the configuration itself.
struct Inputs {
  daemon::Config config;
  std::vector<std::string> rules;
  std::string schema_file;
  rules::LoadOptions load;
};

// What cannot be loaded of what a file names.
std::vector<Diagnostic> CannotLoad(const std::string& file, const Status& status) {
  rules::Reporter reporter;
  reporter.ReportFile(rules::Code::kCannotRead, file, std::string(status.message()));
  return reporter.Take();
}

// The options' inputs and the configuration's; what is wrong with that goes to `diagnostics`.
Inputs ReadConfig(const CheckOptions& options, std::vector<Diagnostic>* diagnostics) {
  Inputs inputs{{}, options.rules, options.schema_file, {}};
  if (options.config_file.empty()) return inputs;
  daemon::ConfigResult loaded = daemon::LoadConfig(options.config_file);
  const daemon::Config& config = loaded.config;
  inputs.rules.insert(inputs.rules.begin(), config.rules.begin(), config.rules.end());
  if (inputs.schema_file.empty()) inputs.schema_file = config.schema;
  // Of a file that is not even YAML nothing is known.
  if (loaded.is_read) inputs.load.outputs = config.OutputNames();
  *diagnostics = std::move(loaded.diagnostics);
  daemon::FormatMaker formats;
  for (const daemon::SourceConfig& source : config.sources) {
    if (CountErrors(*diagnostics) > 0) break;
    const Status made = formats.Make(source.formats).status();
    if (!made.ok()) Append(CannotLoad(options.config_file, made), diagnostics);
  }
  inputs.config = std::move(loaded.config);
  return inputs;
}

// Returns how many rules there are. `config_errors`: further ones, of what the configuration says
// of fields.
size_t CheckRules(const Inputs& inputs, std::vector<Diagnostic>* diagnostics, size_t* config_errors,
                  std::ostream& err) {
  auto schema = std::make_shared<const cep::Schema>();
  if (inputs.schema_file.empty()) {
    err << "no schema is given: every identifier is taken as a field of any type\n";
  } else if (daemon::IsRecordSchema(inputs.schema_file)) {
    StatusOr<daemon::EventSchema> loaded = daemon::LoadRecordSchema(inputs.schema_file);
    if (loaded.ok()) {
      schema = loaded->schema;
    } else {
      Append(CannotLoad(inputs.schema_file, loaded.status()), diagnostics);
    }
  } else {
    rules::SchemaResult loaded = rules::LoadSchema(inputs.schema_file);
    Append(std::move(loaded.diagnostics), diagnostics);
    // With a broken schema the rules are still checked, as if there were none.
    if (loaded.schema != nullptr) schema = loaded.schema;
  }
  schema = daemon::WithKafkaField(std::move(schema), inputs.config);
  std::vector<Diagnostic> of_config = daemon::CheckExpressions(inputs.config, *schema);
  *config_errors += CountErrors(of_config);
  Append(std::move(of_config), diagnostics);
  if (inputs.config.rule_topic) {
    err << "the rules are in the topic " << inputs.config.rule_topic->topic
        << ", which is not read here\n";
  }
  rules::LoadResult loaded = rules::LoadRules(inputs.rules, std::move(schema), inputs.load);
  Append(std::move(loaded.diagnostics), diagnostics);
  return loaded.rule_count;
}

}  // namespace

int RunCheck(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  if (!PathsExist(options, err)) return kExitUsage;
  std::vector<Diagnostic> diagnostics;
  const Inputs inputs = ReadConfig(options, &diagnostics);
  size_t config_errors = CountErrors(diagnostics);
  const size_t rule_count = CheckRules(inputs, &diagnostics, &config_errors, err);
  Print(options, diagnostics, out, err);
  const size_t errors = CountErrors(diagnostics);
  err << Count(rule_count, "rule") << ", " << Count(errors, "error") << ", "
      << Count(diagnostics.size() - errors, "warning") << "\n";
  if (config_errors > 0) return kExitUsage;
  return errors == 0 ? kExitOk : kExitFindings;
}

}  // namespace vigil::cmd
