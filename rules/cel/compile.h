// From the text of a CEL expression to what the engine evaluates.
//
// Parse → check against the schema → typed program; a condition is also split into the part that
// reads the current event only (atoms shared across rules, evaluated over columns) and the part
// that reads earlier stages. Source: google/cel-spec doc/langdef.md. Knows nothing of files:
// positions are byte offsets into the expression.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/expression.h"
#include "cep/event/schema.h"

namespace vigil::rules::cel {

// An error or a warning in an expression.
struct Issue {
  bool is_error = true;
  std::string code;    // V02xx, a row of rules/diagnostic's table
  std::string define;  // the `define` in whose text it is; empty: the expression itself
  uint32_t begin = 0;  // byte offsets into that text, [begin, end)
  uint32_t end = 0;
  std::string message;  // names the thing: "unknown field `amout`"
  std::string hint;     // the way out: "did you mean `amount`?"; may be empty
};

// A stage name and what it stands for in this expression.
struct StageName {
  std::string name;
  uint32_t index = 0;  // into EvalContext::stages
  bool is_list =
      false;  // accepts several events, or perhaps none: the name is the list of its events
  std::string refusal;  // not empty: may not be named here, and this says why
};

struct Environment {
  const cep::Schema* schema = nullptr;
  cep::Layout* layout = nullptr;  // fields in use are added to it
  bool reads_matches =
      false;  // the event is one that a match has accepted (alerts), so its fields must be kept
  std::vector<StageName> stages;  // hide fields of the same name; `event.NAME` still reaches those
  const std::map<std::string, std::string>* defines =
      nullptr;  // name → CEL text; may use each other, not in a cycle
};

struct Compiled {
  bool ok = false;  // no errors among `issues`
  std::vector<Issue> issues;
  cep::Type type;
  // CompileCondition: the condition is `unary && correlated`; `unary.kind` kTrue / `correlated`
  // null where absent.
  cep::Condition unary;
  std::shared_ptr<const cep::Expression> correlated;
  // CompileValue: the whole expression.
  std::shared_ptr<const cep::Expression> value;
};

// A boolean condition; any other type is an error (dyn is checked when evaluated).
Compiled CompileCondition(std::string_view text, const Environment& environment);

// An expression of any type, as in alert fields and templates.
Compiled CompileValue(std::string_view text, const Environment& environment);

}  // namespace vigil::rules::cel
