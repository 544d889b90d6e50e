// One expression by itself: checked and evaluated once, with variables and functions declared for
// the occasion.
//
// What `vigil eval` is made of; rules use compile.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/schema.h"
#include "cep/event/value.h"
#include "rules/cel/compile.h"

namespace vigil::rules::cel {

struct VariableDeclaration {
  std::string name;                 // may be dotted
  std::string type;                 // as CEL writes it: `list(int)`; empty: that of the value
  std::optional<cep::Value> value;  // absent: reading it is an error
};

struct FunctionDeclaration {
  std::string name;
  bool is_member = false;
  std::vector<std::string> parameters;  // types; of a member the target's first
  std::string result;
};

struct EvaluateRequest {
  std::string_view expression;
  std::vector<VariableDeclaration> variables;
  std::vector<FunctionDeclaration>
      functions;                        // calling one is an error: they have no implementation
  std::string container;                // names are looked up in it first
  const cep::Schema* schema = nullptr;  // of the current event; may be null
  std::vector<std::pair<std::string, cep::Value>> fields;  // of the current event
  bool check = true;            // false: problems are left to the evaluation
  bool check_constants = true;  // false: constants that no function takes are left to it
  bool macros = true;           // false: `x.all(...)` is an ordinary call
  bool evaluate = true;         // false: only the type is wanted
};

struct EvaluateResult {
  std::vector<Issue> issues;
  bool ok = false;   // no errors among `issues`
  std::string type;  // as CEL writes it
  cep::Value value;  // in the arena; may be an error
};

EvaluateResult Evaluate(const EvaluateRequest& request, Arena& arena);

}  // namespace vigil::rules::cel
