#include "cmd/eval.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <simdjson.h>

#include "cep/base/arena.h"
#include "cmd/eval_cases.h"
#include "cmd/eval_prompt.h"
#include "cmd/exit_codes.h"
#include "cmd/typed_json.h"
#include "rules/cel/evaluate.h"
#include "rules/cel/format.h"
#include "rules/cel/reference.h"
#include "rules/diagnostic.h"
#include "rules/text_width.h"

namespace vigil::cmd {
namespace {

using rules::cel::EvaluateRequest;
using rules::cel::EvaluateResult;

// The issue as a diagnostic of the expression's own lines.
rules::Diagnostic ToDiagnostic(const rules::cel::Issue& issue, std::string_view text) {
  rules::Diagnostic diagnostic;
  diagnostic.level = issue.is_error ? rules::Level::kError : rules::Level::kWarning;
  diagnostic.code = issue.code;
  diagnostic.message = issue.message;
  diagnostic.hint = issue.hint;
  diagnostic.file = "expression";
  const std::string_view before = text.substr(0, issue.begin);
  const size_t newline = before.rfind('\n');
  const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  std::string_view line = text.substr(start);
  line = line.substr(0, line.find('\n'));
  diagnostic.line = 1;
  for (const char c : before) diagnostic.line += c == '\n';
  diagnostic.column = rules::CountCodePoints(before.substr(start)) + 1;
  const std::string_view token = text.substr(issue.begin, issue.end - issue.begin);
  diagnostic.length =
      std::max<uint32_t>(1, rules::CountCodePoints(token.substr(0, token.find('\n'))));
  diagnostic.excerpt = std::string(line);
  return diagnostic;
}

// What helps where an evaluation failed; may be empty.
std::string_view HintFor(std::string_view error) {
  if (error.rfind("no such field", 0) != 0) return {};
  return "test it first, `has(event.x) && ...`, or give a default, `event.?x.orValue(0)`";
}

}  // namespace

// A variable and the memory of its value.
struct EvalSession::Variable {
  std::string name;
  bool is_field = false;
  cep::Value value;
  Arena arena;
};

EvalSession::EvalSession(const cep::Schema* schema) : schema_(schema) {}
EvalSession::~EvalSession() = default;

bool EvalSession::SetVariable(std::string_view text, std::string* why) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    *why = "a variable is NAME=JSON, not `" + std::string(text) + "`";
    return false;
  }
  auto variable = std::make_unique<Variable>();
  variable->name = std::string(text.substr(0, equals));
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (parser.parse(simdjson::padded_string(text.substr(equals + 1))).get(element)) {
    *why = "the value of " + variable->name + " is not JSON (texts are quoted: " + variable->name +
           "=\"...\")";
    return false;
  }
  const cep::Field* field = schema_ == nullptr ? nullptr : schema_->Find(variable->name);
  variable->is_field =
      schema_ != nullptr &&
      (field != nullptr || schema_->undeclared() != cep::Schema::Undeclared::kError);
  variable->value =
      FromPlainJson(element, field == nullptr ? cep::Type() : field->type, variable->arena);
  for (std::unique_ptr<Variable>& known : variables_) {
    if (known->name != variable->name) continue;
    known = std::move(variable);
    return true;
  }
  variables_.push_back(std::move(variable));
  return true;
}

bool EvalSession::Evaluate(std::string_view expression, std::ostream& out,
                           std::ostream& err) const {
  EvaluateRequest request;
  request.expression = expression;
  request.schema = schema_;
  for (const std::unique_ptr<Variable>& variable : variables_) {
    if (variable->is_field) {
      request.fields.emplace_back(variable->name, variable->value);
    } else {
      request.variables.push_back({variable->name, "", variable->value});
    }
  }
  Arena arena;
  const EvaluateResult result = rules::cel::Evaluate(request, arena);
  for (const rules::cel::Issue& issue : result.issues) {
    err << rules::FormatText(ToDiagnostic(issue, expression));
  }
  if (!result.ok) return false;
  out << "type: " << result.type << "\n";
  if (result.value.is_error()) {
    err << "error: " << result.value.text() << "\n";
    const std::string_view hint = HintFor(result.value.text());
    if (!hint.empty()) err << "  help: " << hint << "\n";
    return false;
  }
  out << "value: " << rules::cel::FormatLiteral(result.value) << "\n";
  return true;
}

int RunEval(const EvalOptions& options, const cep::Schema* schema, std::istream& in,
            std::ostream& out, std::ostream& err) {
  if (options.functions) {
    const std::string text = rules::cel::FunctionReferenceText(options.expression);
    if (text.empty()) {
      err << "error: no function has `" << options.expression << "`\n";
      return kExitFindings;
    }
    out << text;
    return out.good() ? kExitOk : kExitIo;
  }
  if (options.jsonl) return RunEvalCases(in, out);
  EvalSession session(schema);
  for (const std::string& variable : options.vars) {
    std::string why;
    if (!session.SetVariable(variable, &why)) {
      err << "error: --var: " << why << "\n";
      return kExitUsage;
    }
  }
  if (options.expression.empty()) return RunEvalPrompt(session, out, err);
  if (!session.Evaluate(options.expression, out, err)) return kExitFindings;
  return out.good() ? kExitOk : kExitIo;
}

}  // namespace vigil::cmd
