// `vigil check`: compiles rules, or a whole configuration, and says what is wrong.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace vigil::cmd {

struct CheckOptions {
  std::vector<std::string> rules;  // files or folders, besides the configuration's
  std::string config_file;         // empty: none
  std::string schema_file;  // empty: the configuration's, else undeclared identifiers are `dyn`
  bool json = false;        // diagnostics as one JSON array on `out`
};

// Diagnostics and the closing line go to `err`, as compilers do; with `json` the diagnostics go to
// `out`. Returns the exit code: kExitFindings if there is an error in the rules or the schema,
// kExitUsage for one in the configuration or a path that leads nowhere.
int RunCheck(const CheckOptions& options, std::ostream& out, std::ostream& err);

}  // namespace vigil::cmd
