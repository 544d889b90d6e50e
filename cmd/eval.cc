#include "cmd/eval.h"

#include <string_view>

#include <simdjson.h>

#include "cep/base/arena.h"
#include "cmd/eval_cases.h"
#include "cmd/exit_codes.h"
#include "cmd/typed_json.h"
#include "rules/cel/evaluate.h"
#include "rules/cel/format.h"
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

// One `NAME=JSON`, as a field of the event where the schema has it or allows it, else as a
// variable.
bool AddVariable(const std::string& text, const cep::Schema* schema, Arena& arena,
                 EvaluateRequest& request, std::string* why) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    *why = "--var takes NAME=JSON, not `" + text + "`";
    return false;
  }
  const std::string name = text.substr(0, equals);
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (parser.parse(simdjson::padded_string(text.substr(equals + 1))).get(element)) {
    *why = "the value of --var " + name + " is not JSON (texts are quoted: --var '" + name +
           "=\"...\"')";
    return false;
  }
  const cep::Field* field = schema == nullptr ? nullptr : schema->Find(name);
  const bool is_field =
      schema != nullptr &&
      (field != nullptr || schema->undeclared() != cep::Schema::Undeclared::kError);
  if (!is_field) {
    request.variables.push_back({name, "", FromPlainJson(element, cep::Type(), arena)});
    return true;
  }
  const cep::Type type = field == nullptr ? cep::Type() : field->type;
  request.fields.emplace_back(name, FromPlainJson(element, type, arena));
  return true;
}

}  // namespace

int RunEval(const EvalOptions& options, const cep::Schema* schema, std::istream& in,
            std::ostream& out, std::ostream& err) {
  if (options.jsonl) return RunEvalCases(in, out);
  Arena arena;
  EvaluateRequest request;
  request.expression = options.expression;
  request.schema = schema;
  for (const std::string& variable : options.vars) {
    std::string why;
    if (!AddVariable(variable, schema, arena, request, &why)) {
      err << "error: " << why << "\n";
      return kExitUsage;
    }
  }
  const EvaluateResult result = rules::cel::Evaluate(request, arena);
  for (const rules::cel::Issue& issue : result.issues) {
    err << rules::FormatText(ToDiagnostic(issue, options.expression));
  }
  if (!result.ok) return kExitFindings;
  if (result.value.is_error()) {
    out << "type: " << result.type << "\n";
    err << "error: " << result.value.text() << "\n";
    return kExitFindings;
  }
  out << "type: " << result.type << "\nvalue: " << rules::cel::FormatLiteral(result.value) << "\n";
  return out.good() ? kExitOk : kExitIo;
}

}  // namespace vigil::cmd
