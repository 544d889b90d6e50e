// `vigil explain`: what rules compiled to.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace vigil::cmd {

struct ExplainOptions {
  std::vector<std::string> rules;  // files or folders
  std::string rule;                // id of one rule; empty: all
  std::string schema_file;         // empty: undeclared identifiers are `dyn`
  bool dot = false;
  bool mermaid = false;
};

// Returns the exit code.
int RunExplain(const ExplainOptions& options, std::ostream& out, std::ostream& err);

}  // namespace vigil::cmd
