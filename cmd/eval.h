// `vigil eval`: one condition or value, checked and evaluated; a playground for rule authors.
#pragma once

#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "cep/event/schema.h"

namespace vigil::cmd {

struct EvalOptions {
  std::string expression;
  std::vector<std::string> vars;  // NAME=JSON each
  std::string schema_file;        // empty: only the variables are known
  bool jsonl = false;  // cases from `in`, one a line, each answered by one line (cmd/eval_cases.h)
};

// Prints type and value of the expression to `out`; problems and failed evaluations to `err`. With
// a schema, variables are the fields of the event. Returns the exit code.
int RunEval(const EvalOptions& options, const cep::Schema* schema, std::istream& in,
            std::ostream& out, std::ostream& err);

}  // namespace vigil::cmd
