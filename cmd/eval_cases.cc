#include "cmd/eval_cases.h"

#include <algorithm>

#include <simdjson.h>

#include "cep/base/arena.h"
#include "cmd/exit_codes.h"
#include "cmd/typed_json.h"
#include "rules/cel/evaluate.h"
#include "rules/cel/values.h"

namespace vigil::cmd {
namespace {

using rules::cel::EvaluateRequest;
using rules::cel::EvaluateResult;
using rules::cel::VariableDeclaration;
using simdjson::dom::element;

std::string Error(std::string_view text) {
  std::string out = "{\"error\":";
  AppendJsonString(text, &out);
  return out + "}";
}

std::string TextAt(const element& object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get_string().get(text)) return "";
  return std::string(text);
}

bool BoolAt(const element& object, std::string_view key) {
  bool value = false;
  return !object.at_key(key).get_bool().get(value) && value;
}

// One overload of a function of `type_env`.
bool ReadOverload(const std::string& name, const element& json, EvaluateRequest& request) {
  rules::cel::FunctionDeclaration function;
  function.name = name;
  function.is_member = BoolAt(json, "member");
  function.result = TextAt(json, "result");
  simdjson::dom::array parameters;
  if (json.at_key("params").get_array().get(parameters)) return false;
  for (const element parameter : parameters) {
    std::string_view type;
    if (parameter.get_string().get(type)) return false;
    function.parameters.emplace_back(type);
  }
  request.functions.push_back(std::move(function));
  return true;
}

bool ReadDeclaration(const element& json, EvaluateRequest& request) {
  const std::string name = TextAt(json, "name");
  if (name.empty()) return false;
  simdjson::dom::array overloads;
  if (json.at_key("overloads").get_array().get(overloads)) {
    request.variables.push_back({name, TextAt(json, "type"), std::nullopt});
    return true;
  }
  for (const element overload : overloads) {
    if (!ReadOverload(name, overload, request)) return false;
  }
  return true;
}

// Gives the declared variable of this name its value, or declares one.
void Bind(const std::string& name, const cep::Value& value, EvaluateRequest& request) {
  for (VariableDeclaration& variable : request.variables) {
    if (variable.name == name) {
      variable.value = value;
      return;
    }
  }
  request.variables.push_back({name, "", value});
}

bool ReadCase(const element& json, Arena& arena, EvaluateRequest& request, std::string* why) {
  request.check = !BoolAt(json, "disable_check");
  request.check_constants = false;  // CEL has them fail where they are evaluated, if they are
  request.macros = !BoolAt(json, "disable_macros");
  request.evaluate = !BoolAt(json, "check_only");
  request.container = TextAt(json, "container");
  simdjson::dom::array type_env;
  if (!json.at_key("type_env").get_array().get(type_env)) {
    for (const element declaration : type_env) {
      if (ReadDeclaration(declaration, request)) continue;
      *why = "malformed declaration in `type_env`";
      return false;
    }
  }
  simdjson::dom::object bindings;
  if (json.at_key("bindings").get_object().get(bindings)) return true;
  for (const auto& [key, typed] : bindings) {
    const std::string name(key);
    cep::Value value;
    if (!FromTypedJson(typed, arena, &value, why)) {
      *why = "binding `" + name + "`: " + *why;
      return false;
    }
    Bind(name, value, request);
  }
  return true;
}

// A type as the suite writes it: `list(google.protobuf.Timestamp)`.
std::string SuiteType(std::string_view type) {
  std::string out;
  while (!type.empty()) {
    const size_t length = std::min(type.find_first_of("(), "), type.size());
    const std::string_view name = type.substr(0, length);
    out += name == "timestamp"  ? "google.protobuf.Timestamp"
           : name == "duration" ? "google.protobuf.Duration"
                                : name;
    type.remove_prefix(length);
    if (type.empty()) break;
    out += type.front();
    type.remove_prefix(1);
  }
  return out;
}

}  // namespace

std::string AnswerCase(std::string_view line) {
  simdjson::dom::parser parser;
  element json;
  if (const auto error = parser.parse(simdjson::padded_string(line)).get(json)) {
    return Error("malformed JSON: " + std::string(simdjson::error_message(error)));
  }
  if (!json.is_object()) return Error("a case is a JSON object");
  std::string_view expression;
  if (json.at_key("expr").get_string().get(expression)) return Error("a case has `expr`, a string");

  Arena arena;
  EvaluateRequest request;
  request.expression = expression;
  std::string why;
  if (!ReadCase(json, arena, request, &why)) return Error(why);

  const EvaluateResult result = rules::cel::Evaluate(request, arena);
  for (const rules::cel::Issue& issue : result.issues) {
    if (issue.is_error) return Error(issue.message);
  }
  std::string out;
  if (!request.evaluate) {
    out = "{\"type\":";
    AppendJsonString(SuiteType(result.type), &out);
    return out + "}";
  }
  if (result.value.is_error()) return Error(result.value.text());
  if (rules::cel::HoldsNone(result.value)) return Error("optional.none() has no value");
  out = "{\"value\":";
  AppendTypedJson(rules::cel::Plain(result.value, arena), &out);
  return out + "}";
}

int RunEvalCases(std::istream& in, std::ostream& out) {
  std::string line;
  while (std::getline(in, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    out << AnswerCase(line) << std::endl;
    if (!out.good()) return kExitIo;
  }
  return in.bad() ? kExitIo : kExitOk;
}

}  // namespace vigil::cmd
