// `vigil eval`: one condition or value, checked and evaluated; a playground for rule authors.
#pragma once

#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/schema.h"

namespace vigil::cmd {

struct EvalOptions {
  std::string expression;
  std::vector<std::string> vars;  // NAME=JSON each
  std::string schema_file;        // empty: only the variables are known
  bool jsonl = false;  // cases from `in`, one a line, each answered by one line (cmd/eval_cases.h)
  bool functions = false;  // print the reference of functions; of `expression`, where it is given
};

// Variables by name, and expressions evaluated over them. With a schema, variables are the fields
// of the event. Thread safety: none.
class EvalSession {
 public:
  // The schema may be null; it is borrowed.
  explicit EvalSession(const cep::Schema* schema);
  ~EvalSession();

  // `NAME=JSON`; a name that is known gets the new value. False, with the reason in `why`, if it is
  // malformed.
  bool SetVariable(std::string_view text, std::string* why);

  // Prints type and value to `out`, problems and a failed evaluation to `err`. False for those.
  bool Evaluate(std::string_view expression, std::ostream& out, std::ostream& err) const;

 private:
  struct Variable;

  const cep::Schema* schema_;
  std::vector<std::unique_ptr<Variable>> variables_;
};

// Does what the options say. Returns the exit code.
int RunEval(const EvalOptions& options, const cep::Schema* schema, std::istream& in,
            std::ostream& out, std::ostream& err);

}  // namespace vigil::cmd
