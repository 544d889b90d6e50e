#include "rules/cel/evaluate.h"

#include <utility>

#include "rules/cel/checker.h"
#include "rules/cel/emitter.h"
#include "rules/cel/parser.h"

namespace vigil::rules::cel {
namespace {

constexpr uint32_t kMaxTypedNesting = 100;  // of a value whose type is inferred; below it is dyn

// The type that a literal of this value would have.
TypeRef TypeOfValue(const cep::Value& value, TypePool& types, uint32_t depth) {
  const TypeRef unbound = Simple(TypeTag::kUnbound);
  if (depth > kMaxTypedNesting) return Simple(TypeTag::kDyn);
  if (value.tag == cep::ValueTag::kList) {
    TypeRef element = unbound;
    for (uint32_t i = 0; i < value.size; ++i) {
      element = Join(types, element, TypeOfValue(value.list[i], types, depth + 1));
    }
    return types.List(element);
  }
  if (value.tag == cep::ValueTag::kMap) {
    TypeRef key = unbound;
    TypeRef item = unbound;
    for (uint32_t i = 0; i < value.size; ++i) {
      key = Join(types, key, TypeOfValue(value.map[i].key, types, depth + 1));
      item = Join(types, item, TypeOfValue(value.map[i].value, types, depth + 1));
    }
    return types.Map(key, item);
  }
  const TypeRef simple = types.Parse(RuntimeTypeName(value));
  return simple == nullptr ? Simple(TypeTag::kDyn) : simple;
}

class Evaluation {
 public:
  explicit Evaluation(const EvaluateRequest& request) : request_(request) {}

  EvaluateResult Run(Arena& arena) {
    environment_.schema = request_.schema;
    environment_.layout = &layout_;
    declarations_.container = request_.container;
    for (const VariableDeclaration& variable : request_.variables) Declare(variable);
    for (const FunctionDeclaration& function : request_.functions) Declare(function);
    options_.declarations = &declarations_;
    options_.lenient = !request_.check;
    options_.constants = request_.check_constants;
    options_.parse.macros = request_.macros;

    Expr* root = Parse(request_.expression, options_.parse, ast_, issues_);
    EvaluateResult result;
    if (request_.check || !issues_.has_errors()) {
      result.type = ToString(Checker(environment_, options_, ast_, types_, issues_).Run(root));
    }
    result.ok = !issues_.has_errors();
    if (result.ok && request_.evaluate) result.value = Execute(*root, arena);
    result.issues = issues_.TakeSorted();
    return result;
  }

 private:
  TypeRef ParseType(const std::string& text) {
    const TypeRef type = types_.Parse(text);
    if (type != nullptr) return type;
    issues_.Add(IssueCode::kUnsupported, {}, Quoted(text) + " is not a type");
    return Simple(TypeTag::kError);
  }

  void Declare(const VariableDeclaration& variable) {
    TypeRef type = Simple(TypeTag::kDyn);
    if (!variable.type.empty()) {
      type = ParseType(variable.type);
    } else if (variable.value.has_value()) {
      type = TypeOfValue(*variable.value, types_, 0);
    }
    declarations_.variables.push_back({variable.name, type, variable.value});
  }

  void Declare(const FunctionDeclaration& declaration) {
    Overload overload;
    overload.signature = declaration.name;
    overload.is_member = declaration.is_member;
    for (const std::string& text : declaration.parameters) {
      overload.parameters.push_back(ParseType(text));
    }
    overload.result = ParseType(declaration.result);
    for (Function& function : declarations_.functions) {
      if (function.name == declaration.name) {
        function.overloads.push_back(std::move(overload));
        return;
      }
    }
    declarations_.functions.push_back({declaration.name, {std::move(overload)}});
  }

  cep::Value Execute(const Expr& root, Arena& arena) {
    const std::shared_ptr<const Program> program = EmitProgram(root, &layout_);
    if (program == nullptr) return cep::Value::Error("the expression needs too many registers");
    std::vector<cep::Value> values;
    for (const cep::Slot& slot : layout_.slots()) {
      cep::Value value;
      for (const auto& [name, given] : request_.fields) {
        if (name == slot.name) value = given;
      }
      values.push_back(value);
    }
    cep::EventShape shape;
    shape.value_count = static_cast<uint32_t>(values.size());
    cep::CapturedEvent event;
    event.shape = &shape;
    event.values = values.data();
    cep::EvalContext context;
    context.event = &event;
    context.arena = &arena;
    return CopyValue(program->Run(context), arena);
  }

  const EvaluateRequest& request_;
  cep::Layout layout_;
  Environment environment_;
  Declarations declarations_;
  CheckOptions options_;
  Ast ast_;
  TypePool types_;
  IssueList issues_;
};

}  // namespace

EvaluateResult Evaluate(const EvaluateRequest& request, Arena& arena) {
  return Evaluation(request).Run(arena);
}

}  // namespace vigil::rules::cel
