// What names stand for: comprehension variables, declared variables, stages, defines, fields and
// types.
#include <algorithm>

#include "rules/cel/checker.h"
#include "rules/cel/suggest.h"
#include "rules/cel/text.h"

namespace vigil::rules::cel {
namespace {

constexpr std::string_view kEventName = "event";

const Expr* SkipInlined(const Expr* expr) {
  while (expr->ref == RefKind::kInlined) expr = expr->args[0];
  return expr;
}

const Expr* RootOf(const Expr* expr) {
  while (expr->kind == ExprKind::kSelect && !expr->is_optional) expr = expr->args[0];
  return expr;
}

}  // namespace

// `a.b.c` of an identifier and the fields selected from it; empty if it is not that.
std::string Checker::DottedName(const Expr* expr) const {
  const Expr* root = RootOf(expr);
  if (root->kind != ExprKind::kIdent) return "";
  std::vector<const std::string*> names;
  for (const Expr* e = expr; e != root; e = e->args[0]) names.push_back(&e->name);
  std::string out = root->name;
  for (size_t i = names.size(); i-- > 0;) out += "." + *names[i];
  return out;
}

// The names that `name` may mean in the container `a.b`: a.b.name, a.name, name.
std::vector<std::string> Checker::Qualified(const std::string& name, bool absolute) const {
  std::vector<std::string> names;
  if (!absolute && options_.declarations != nullptr) {
    std::string_view container = options_.declarations->container;
    while (!container.empty()) {
      names.push_back(std::string(container) + "." + name);
      const size_t dot = container.rfind('.');
      container = dot == std::string_view::npos ? std::string_view() : container.substr(0, dot);
    }
  }
  names.push_back(name);
  return names;
}

const Checker::Local* Checker::FindLocal(const Expr* expr, uint32_t* level) const {
  const Expr* root = RootOf(expr);
  if (root->kind != ExprKind::kIdent || root->is_absolute) return nullptr;
  for (size_t i = locals_.size(); i-- > 0;) {
    if (locals_[i].name == root->name) {
      *level = static_cast<uint32_t>(i);
      return &locals_[i];
    }
  }
  return nullptr;
}

void Checker::CheckIdent(Expr* expr) {
  if (const Local* local = FindLocal(expr, &expr->index)) {
    expr->ref = RefKind::kLocal;
    expr->type = local->type;
    return;
  }
  if (ResolveQualified(expr) || ResolveStage(expr) || ResolveDefine(expr)) return;
  if (ResolveField(expr, expr->name, /*declared_only=*/true)) return;
  if (expr->name == kEventName && environment_.schema != nullptr) {
    expr->ref = RefKind::kEvent;
    expr->type = Simple(TypeTag::kEvent);
    return;
  }
  // `type` is so common a field that it is one wherever fields need no declaration.
  const bool may_be_field = expr->name == "type" && environment_.schema != nullptr &&
                            environment_.schema->undeclared() != cep::Schema::Undeclared::kError;
  if (!may_be_field && ResolveConstant(expr, expr->name)) return;
  if (ResolveField(expr, expr->name, /*declared_only=*/false)) return;
  ReportUnknown(expr);
}

// A declared variable, under its longest name; the container's come first.
bool Checker::ResolveQualified(Expr* expr) {
  if (options_.declarations == nullptr) return false;
  const std::string dotted = DottedName(expr);
  if (dotted.empty()) return false;
  for (const std::string& name : Qualified(dotted, RootOf(expr)->is_absolute)) {
    for (const Declarations::Variable& variable : options_.declarations->variables) {
      if (variable.name != name) continue;
      expr->ref = RefKind::kConstant;
      expr->type = variable.type;
      expr->args.clear();
      if (variable.value.has_value()) {
        expr->literal = *variable.value;
      } else {
        expr->failure = "variable " + Quoted(name) + " has no value";
      }
      return true;
    }
  }
  return false;
}

// A type's name, as in `type(x) == int`.
bool Checker::ResolveConstant(Expr* expr, const std::string& name) {
  const std::string_view denotation = TypeDenotation(name);
  if (denotation.empty()) return false;
  expr->ref = RefKind::kConstant;
  expr->type = Simple(TypeTag::kType);
  expr->literal = cep::Value::TypeName(denotation);
  expr->args.clear();
  return true;
}

bool Checker::ResolveStage(Expr* expr) {
  for (const StageName& stage : environment_.stages) {
    if (stage.name != expr->name) continue;
    if (!stage.refusal.empty()) {
      Fail(expr, IssueCode::kStageNotInScope, expr->token, stage.refusal);
      return true;
    }
    expr->ref = RefKind::kStage;
    expr->index = stage.index;
    const TypeRef event = Simple(TypeTag::kEvent);
    expr->type = stage.is_list ? types_.List(event) : event;
    return true;
  }
  return false;
}

bool Checker::ResolveDefine(Expr* expr) {
  if (environment_.defines == nullptr || environment_.defines->count(expr->name) == 0) return false;
  Expr* root = DefineRoot(expr->name, expr);
  if (root == nullptr) return true;  // reported
  expr->ref = RefKind::kInlined;
  expr->args = {root};
  expr->type = root->type;
  return true;
}

// The checked expression of a define, shared by all its uses; null if it uses itself.
Expr* Checker::DefineRoot(const std::string& name, const Expr* use) {
  Define& define = defines_[name];
  if (define.state == DefineState::kChecked) return define.root;
  if (define.state == DefineState::kBeingChecked) {
    std::string chain;
    auto at = std::find(define_chain_.begin(), define_chain_.end(), name);
    for (; at != define_chain_.end(); ++at) chain += *at + " → ";
    issues_.Add(IssueCode::kDefineCycle, use->token,
                "define " + Quoted(name) + " uses itself: " + chain + name);
    return nullptr;
  }
  define.state = DefineState::kBeingChecked;
  define_chain_.push_back(name);
  const std::string outer = issues_.define();
  issues_.set_define(name);
  std::vector<Local> locals;
  locals.swap(locals_);  // a define does not see the variables around its use

  define.root = Parse(environment_.defines->at(name), options_.parse, ast_, issues_);
  Check(define.root);

  locals.swap(locals_);
  issues_.set_define(outer);
  define_chain_.pop_back();
  define.state = DefineState::kChecked;
  return define.root;
}

bool Checker::ResolveField(Expr* expr, const std::string& name, bool declared_only) {
  if (environment_.schema == nullptr) return false;
  const bool declared = environment_.schema->Find(name) != nullptr;
  if (!declared && declared_only) return false;
  if (!declared && environment_.schema->undeclared() == cep::Schema::Undeclared::kError) {
    return false;
  }
  return UseField(expr, name, RefKind::kField);
}

// Makes `expr` a read of the event field `name`; false if the schema forbids it.
bool Checker::UseField(Expr* expr, const std::string& name, RefKind ref) {
  const cep::Schema* schema = environment_.schema;
  if (schema == nullptr || environment_.layout == nullptr) return false;
  const cep::Field* field = schema->Find(name);
  if (field == nullptr && schema->undeclared() == cep::Schema::Undeclared::kError) return false;
  if (field == nullptr && schema->undeclared() == cep::Schema::Undeclared::kDynWarning) {
    issues_.Add(IssueCode::kUndeclaredField, expr->token,
                "field " + Quoted(name) + " is not in the inferred schema",
                DidYouMean(name, KnownNames()));
  }
  const cep::Type type = field == nullptr ? cep::Type() : field->type;
  expr->ref = ref;
  expr->index = environment_.layout->Add(name, type);
  if (ref == RefKind::kEventField || environment_.reads_matches) {
    environment_.layout->Keep(expr->index);
  }
  expr->type = field == nullptr ? Simple(TypeTag::kDyn) : types_.From(field->type);
  return true;
}

std::vector<std::string_view> Checker::KnownNames() const {
  std::vector<std::string_view> names;
  for (const Local& local : locals_) names.push_back(local.name);
  for (const StageName& stage : environment_.stages) {
    if (stage.refusal.empty()) names.push_back(stage.name);
  }
  if (environment_.schema != nullptr) {
    for (const cep::Field& field : environment_.schema->fields()) names.push_back(field.name);
  }
  if (environment_.defines != nullptr) {
    for (const auto& define : *environment_.defines) names.push_back(define.first);
  }
  if (options_.declarations != nullptr) {
    for (const auto& variable : options_.declarations->variables) names.push_back(variable.name);
  }
  return names;
}

// Whether an identifier of this name is the field, outside of macros.
bool Checker::IsFieldAlone(const std::string& name) const {
  const auto is_stage = [&](const StageName& stage) { return stage.name == name; };
  const bool hidden =
      std::any_of(environment_.stages.begin(), environment_.stages.end(), is_stage) ||
      (environment_.defines != nullptr && environment_.defines->count(name) > 0);
  if (hidden) return false;
  if (environment_.schema->Find(name) != nullptr) return true;
  return name != kEventName && (name == "type" || TypeDenotation(name).empty());
}

void Checker::ReportUnknown(Expr* expr) {
  const char* what = environment_.schema == nullptr ? "unknown name " : "unknown field ";
  Fail(expr, IssueCode::kUnknownField, expr->token, what + Quoted(expr->name),
       DidYouMean(expr->name, KnownNames()));
}

void Checker::CheckSelect(Expr* expr) {
  uint32_t level = 0;
  if (FindLocal(expr, &level) == nullptr) {
    if (ResolveQualified(expr)) return;
    const std::string dotted = DottedName(expr);
    // `net.IP` is a type, unless `net` is something of the event.
    const bool hidden =
        environment_.schema != nullptr && environment_.schema->Find(RootOf(expr)->name) != nullptr;
    if (!dotted.empty() && !hidden && ResolveConstant(expr, dotted)) return;
  }
  SelectFrom(expr, /*is_test=*/false);
}

void Checker::CheckHas(Expr* expr) {
  SelectFrom(expr, /*is_test=*/true);
  if (expr->type->tag != TypeTag::kError && expr->failure.empty()) {
    expr->type = Simple(TypeTag::kBool);
  }
}

// A selection from, or a test of, what args[0] gives.
void Checker::SelectFrom(Expr* expr, bool is_test) {
  Expr* operand = expr->args[0];
  uint32_t level = 0;
  // Before `.`, `event` is the current event even where a field is named so.
  const bool names_event = operand->kind == ExprKind::kIdent && operand->name == kEventName &&
                           environment_.schema != nullptr && FindLocal(operand, &level) == nullptr;
  if (names_event && !(options_.declarations != nullptr && ResolveQualified(operand))) {
    operand->ref = RefKind::kEvent;
    operand->type = Simple(TypeTag::kEvent);
    operand->reads_event = true;
  } else {
    Check(operand);
  }
  const TypeRef type = operand->type;
  const bool optional = expr->is_optional || IsOptional(type);
  SelectFromType(expr, IsOptional(type) ? type->params[0] : type, is_test);
  if (optional && !is_test && expr->failure.empty()) expr->type = AsOptional(expr->type);
}

void Checker::SelectFromType(Expr* expr, TypeRef type, bool is_test) {
  const Expr* operand = expr->args[0];
  if (type->tag == TypeTag::kEvent) {
    const bool current = SkipInlined(operand)->ref == RefKind::kEvent;
    if (UseField(expr, expr->name, current ? RefKind::kField : RefKind::kEventField)) {
      expr->is_absolute = current && !IsFieldAlone(expr->name);
      return;
    }
    return Fail(expr, IssueCode::kUnknownField, expr->token, "unknown field " + Quoted(expr->name),
                DidYouMean(expr->name, KnownNames()));
  }
  if (HoldsEvents(type)) return ReportStageIsList(expr, operand);
  if (type->tag == TypeTag::kObject && type->object != nullptr) {
    const cep::Field* field = type->object->Find(expr->name);
    if (field != nullptr) {
      expr->type = types_.From(field->type);
      return;
    }
    std::vector<std::string_view> names;
    for (const cep::Field& f : type->object->fields) names.push_back(f.name);
    return Fail(expr, IssueCode::kUnknownField, expr->token,
                "unknown field " + Quoted(expr->name) + " of " + Quoted(ToShortText(*operand)),
                DidYouMean(expr->name, names));
  }
  expr->type = Simple(TypeTag::kDyn);
  if (type->tag == TypeTag::kError) expr->type = type;
  if (type->tag == TypeTag::kMap) expr->type = type->params[1];
  if (IsDynamic(type) || type->tag == TypeTag::kMap) return;
  Fail(expr, IssueCode::kWrongTypes, expr->token,
       Quoted(ToShortText(*operand)) + " is " + ToString(type) + " and has no field " +
           Quoted(expr->name),
       is_test ? "`has(event.x)` tests a field of the event" : "");
}

void Checker::ReportStageIsList(Expr* expr, const Expr* operand) {
  const Expr* list = SkipInlined(operand);
  if (list->ref != RefKind::kStage) {
    return Fail(expr, IssueCode::kStageIsList, expr->token,
                Quoted(ToShortText(*operand)) + " is a list of events", "index it");
  }
  const std::string& name = list->name;
  Fail(expr, IssueCode::kStageIsList, list == operand ? list->token : operand->token,
       "stage " + Quoted(name) + " may accept several events, so its name is a list",
       "index it: `" + name + "[size(" + name + ")-1]." + expr->name + "`");
}

}  // namespace vigil::rules::cel
