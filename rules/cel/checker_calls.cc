// Functions and operators: which overloads fit, and what to say when none does.
#include <algorithm>
#include <array>

#include "rules/cel/checker.h"
#include "rules/cel/literal.h"
#include "rules/cel/reference.h"
#include "rules/cel/regex.h"
#include "rules/cel/string_format.h"
#include "rules/cel/suggest.h"
#include "rules/cel/text.h"
#include "rules/cel/time.h"

namespace vigil::rules::cel {
namespace {

bool HoldsDynamic(TypeRef type) {
  return IsDynamic(type) || std::any_of(type->params.begin(), type->params.end(), HoldsDynamic);
}

std::string TypesOf(const std::vector<Expr*>& args, size_t first) {
  std::string out;
  for (size_t i = first; i < args.size(); ++i) {
    if (i > first) out += ", ";
    out += ToString(args[i]->type);
  }
  return out;
}

// Whether a dotted name is written with a point before it.
bool StartsAbsolute(const Expr* expr) {
  while (expr->kind == ExprKind::kSelect) expr = expr->args[0];
  return expr->is_absolute;
}

bool IsText(const Expr* expr) {
  return expr->kind == ExprKind::kLiteral && expr->literal.tag == cep::ValueTag::kString;
}

bool IsNumberText(const Expr* expr) {
  return IsText(expr) && DecodeDouble(expr->literal.text()).has_value();
}

}  // namespace

const Function* Checker::FindFunction(const std::string& name, bool absolute) const {
  if (options_.declarations != nullptr) {
    for (const std::string& candidate : Qualified(name, absolute)) {
      for (const Function& function : options_.declarations->functions) {
        if (function.name == candidate) return &function;
      }
    }
  }
  return FunctionTable::Get().Find(name);
}

// Turns the member call `geo.distance_km(...)` into a call of the function so named, if there is
// one.
bool Checker::TakeNamespace(Expr* expr) {
  if (!expr->is_member) return false;
  const std::string space = DottedName(expr->args[0]);
  uint32_t level = 0;
  if (space.empty() || FindLocal(expr->args[0], &level) != nullptr) return false;
  if (FindFunction(space + "." + expr->name, StartsAbsolute(expr->args[0])) == nullptr &&
      !(FunctionTable::Get().HasNamespace(space) && NamesNothing(expr->args[0]))) {
    return false;
  }
  expr->is_absolute = StartsAbsolute(expr->args[0]);
  expr->name = space + "." + expr->name;
  expr->args.erase(expr->args.begin());
  expr->is_member = false;
  return true;
}

// Whether a name that has a namespace's is nothing else: no field, stage, define or variable.
bool Checker::NamesNothing(const Expr* expr) const {
  const std::vector<std::string_view> names = KnownNames();
  return expr->kind == ExprKind::kIdent &&
         std::find(names.begin(), names.end(), expr->name) == names.end();
}

void Checker::CheckCall(Expr* expr) {
  TakeNamespace(expr);
  for (Expr* arg : expr->args) {
    Check(arg);
    // size() counts a stage's events where they are.
    if (expr->name != "size" || arg->type->tag == TypeTag::kEvent) AsValue(arg);
  }
  const Function* function = FindFunction(expr->name, expr->is_absolute);
  if (function == nullptr) return ReportUnknownFunction(expr);
  for (const Expr* arg : expr->args) {
    if (arg->type->tag == TypeTag::kError) return;  // so is the call; the reason is reported
  }

  Fit fit = FindOverloads(*expr, *function, /*by_kind=*/false);
  if (fit.count == 0 && options_.lenient) fit = FindOverloads(*expr, *function, /*by_kind=*/true);
  if (fit.count == 0) return ReportWrongArguments(expr, *function);
  expr->type = fit.result;
  expr->function = function;
  expr->overload = fit.count == 1 ? fit.only : nullptr;
  if (options_.lenient || function != FunctionTable::Get().Find(expr->name)) return;
  CheckFormat(expr);
  if (!options_.constants) return;
  CheckPattern(expr);
  CheckConversion(expr);
}

// The overloads that the arguments fit; with `by_kind` a list of anything is a list.
Checker::Fit Checker::FindOverloads(const Expr& expr, const Function& function, bool by_kind) {
  std::vector<TypeRef> arguments;
  for (const Expr* arg : expr.args) {
    arguments.push_back(by_kind ? WithoutParameters(types_, arg->type) : arg->type);
  }
  const bool all_known = std::none_of(arguments.begin(), arguments.end(), HoldsDynamic);
  Fit fit;
  for (const Overload& overload : function.overloads) {
    if (overload.is_member != expr.is_member) continue;
    if (overload.parameters.size() != arguments.size()) continue;
    Bindings bindings;
    bool fits = true;
    for (size_t i = 0; fits && i < arguments.size(); ++i) {
      fits = Assignable(types_, overload.parameters[i], arguments[i], bindings);
    }
    if (!fits) continue;
    ++fit.count;
    fit.only = &overload;
    const TypeRef type = Substitute(types_, overload.result, bindings);
    fit.result = fit.result == nullptr ? type : Join(types_, fit.result, type);
    if (all_known) break;  // overloads of one function differ, but for general ones at the end
  }
  return fit;
}

// A constant pattern is compiled now, so that a bad one is an error of the rule.
void Checker::CheckPattern(Expr* expr) {
  const bool is_regex = expr->name.rfind("regex.", 0) == 0;
  if (expr->name != "matches" && !is_regex) return;
  const Expr* pattern = expr->args[1];
  if (!IsText(pattern)) return;
  std::string why;
  if (CompilePattern(pattern->literal.text(), &why) != nullptr) return;
  Fail(expr, IssueCode::kBadPattern, pattern->span, std::move(why),
       "patterns are RE2's: no look-around, no back-references");
}

// A constant format is held against the arguments that are written beside it.
void Checker::CheckFormat(Expr* expr) {
  if (expr->name != "format" || !IsText(expr->args[0])) return;
  const Expr* list = expr->args[1];
  const bool written = list->kind == ExprKind::kList && list->splices.empty();
  std::string_view rest = expr->args[0]->literal.text();
  std::string why;
  size_t clauses = 0;
  for (FormatPiece piece; TakeFormatPiece(&rest, &piece, &why);) {
    if (piece.conversion == '\0') continue;
    const Expr* arg = written && clauses < list->args.size() ? list->args[clauses] : nullptr;
    ++clauses;
    if (arg == nullptr || ClauseTakes(piece.conversion, arg->type)) continue;
    return Fail(expr, IssueCode::kWrongTypes, arg->span,
                "`%" + std::string(1, piece.conversion) + "` takes " +
                    std::string(ClauseWants(piece.conversion)) + ", not " + ToString(arg->type));
  }
  if (!why.empty()) return Fail(expr, IssueCode::kLiteral, expr->args[0]->span, std::move(why));
  if (!written || clauses == list->args.size()) return;
  Fail(expr, IssueCode::kWrongTypes, list->span,
       "the format takes " + std::to_string(clauses) +
           (clauses == 1 ? " argument, " : " arguments, ") + std::to_string(list->args.size()) +
           (list->args.size() == 1 ? " is given" : " are given"));
}

// A text that is written as the argument of a conversion must be one of those it converts.
void Checker::CheckConversion(Expr* expr) {
  static constexpr std::array<std::string_view, 4> kConversions = {"timestamp", "duration", "ip",
                                                                   "cidr"};
  if (expr->is_member && expr->args.size() == 2 && IsText(expr->args[1]) &&
      expr->args[0]->type->tag == TypeTag::kTimestamp &&
      !IsTimeZone(expr->args[1]->literal.text())) {
    return Fail(expr, IssueCode::kLiteral, expr->args[1]->span,
                "unknown time zone " + Quoted(expr->args[1]->literal.text()),
                "as in `\"Europe/Paris\"`, `\"UTC\"` or `\"+02:00\"`");
  }
  const bool converts =
      std::find(kConversions.begin(), kConversions.end(), expr->name) != kConversions.end();
  if (!converts || expr->is_member || expr->overload == nullptr || !IsText(expr->args[0])) return;
  Arena arena;
  WorkMeter work{kMaxWork};
  CallContext context{arena, work};
  const cep::Value value = expr->overload->implementation(context, &expr->args[0]->literal);
  if (!value.is_error()) return;
  Fail(expr, IssueCode::kLiteral, expr->args[0]->span, std::string(value.text()));
}

namespace {

// Functions of other languages, and what CEL has instead.
struct ForeignFunction {
  std::string_view name;
  std::string_view hint;
};

constexpr std::string_view kPresenceHint =
    "a field that may be absent is tested by `has(event.x) && ...`, or read by "
    "`event.?x.orValue(0)`";

constexpr std::array kForeignFunctions = {
    ForeignFunction{"defined", kPresenceHint},
    ForeignFunction{"isset", kPresenceHint},
    ForeignFunction{"isNull", kPresenceHint},
    ForeignFunction{"is_null", kPresenceHint},
    ForeignFunction{"coalesce", kPresenceHint},
    ForeignFunction{"ifnull", kPresenceHint},
    ForeignFunction{"len", "did you mean `size`?"},
    ForeignFunction{"length", "did you mean `size`?"},
    ForeignFunction{"count", "did you mean `size`?"},
    ForeignFunction{"lower", "did you mean `lowerAscii`?"},
    ForeignFunction{"toLowerCase", "did you mean `lowerAscii`?"},
    ForeignFunction{"upper", "did you mean `upperAscii`?"},
    ForeignFunction{"toUpperCase", "did you mean `upperAscii`?"},
    ForeignFunction{"includes", "did you mean `in`, as in `x in list`?"},
    ForeignFunction{"any", "did you mean `exists`?"},
    ForeignFunction{"float", "did you mean `double`?"},
    ForeignFunction{"str", "did you mean `string`?"},
    ForeignFunction{"abs", "did you mean `math.abs`?"},
    ForeignFunction{"max", "did you mean `math.greatest`?"},
    ForeignFunction{"min", "did you mean `math.least`?"},
    ForeignFunction{"now", "conditions know event time only: compare fields of the event"},
};

std::string_view ForeignHint(std::string_view name) {
  for (const ForeignFunction& row : kForeignFunctions) {
    if (row.name == name) return row.hint;
  }
  return {};
}

}  // namespace

void Checker::ReportUnknownFunction(Expr* expr) {
  std::vector<std::string_view> names;
  for (const Function& function : FunctionTable::Get().functions()) {
    if (!IsOperator(function.name)) names.push_back(function.name);
  }
  for (const char* macro :
       {"all", "exists", "exists_one", "map", "filter", "has", "transformList", "transformMap",
        "transformMapEntry", "sortBy", "optMap", "optFlatMap", "cel.bind"}) {
    names.push_back(macro);
  }
  std::string hint(ForeignHint(expr->name));
  if (hint.empty()) hint = DidYouMean(expr->name, names);
  if (std::find(names.begin(), names.end(), expr->name) != names.end()) {
    hint = "macros are written as in `list." + expr->name + "(x, x > 0)`";
  }
  Fail(expr, IssueCode::kUnknownFunction, expr->token, "unknown function " + Quoted(expr->name),
       std::move(hint));
}

void Checker::ReportWrongArguments(Expr* expr, const Function& function) {
  if (IsOperator(expr->name)) {
    const std::string types = expr->args.size() == 1 ? ToString(expr->args[0]->type)
                                                     : ToString(expr->args[0]->type) + " and " +
                                                           ToString(expr->args[1]->type);
    return Fail(expr, IssueCode::kWrongTypes, expr->token,
                Quoted(OperatorOf(expr->name)) + " does not take " + types, ArithmeticHint(expr));
  }
  std::string call = expr->is_member ? ToString(expr->args[0]->type) + "." : "";
  call += expr->name + "(" + TypesOf(expr->args, expr->is_member ? 1 : 0) + ")";
  std::string hint = "it is";
  size_t listed = 0;
  for (const Overload& overload : function.overloads) {
    if (++listed > 4) break;
    hint += (listed == 1 ? " `" : ", `") + ReadableSignature(overload.signature) + "`";
  }
  if (function.overloads.size() > 4) hint += " ...";
  Fail(expr, IssueCode::kWrongTypes, expr->token, "there is no " + Quoted(call),
       listed == 0 ? "" : std::move(hint));
}

// The way out of a mix of types, for the last two arguments of an operator or conditional.
std::string Checker::ArithmeticHint(const Expr* expr) const {
  if (expr->args.size() < 2) return "";
  const Expr* a = expr->args[expr->args.size() - 2];
  const Expr* b = expr->args.back();
  if (a->type->tag == TypeTag::kDouble) std::swap(a, b);
  if (IsNumeric(a->type) && b->type->tag == TypeTag::kDouble) {
    const std::string text = ToShortText(*a);
    const bool literal = a->kind == ExprKind::kLiteral && a->type->tag == TypeTag::kInt;
    return literal ? "write `" + text + ".0`" : "convert one of them: `double(" + text + ")`";
  }
  if (IsNumeric(a->type) && IsNumeric(b->type)) {
    const Expr* other = a->type->tag == TypeTag::kUint ? a : b;
    return "convert one of them: `int(" + ToShortText(*other) + ")`";
  }
  if (expr->name != "_+_") return "";
  if (b->type->tag == TypeTag::kString) std::swap(a, b);
  if (a->type->tag == TypeTag::kString && (IsNumeric(b->type) || b->type->tag == TypeTag::kBool)) {
    return "convert it to text: `string(" + ToShortText(*b) + ")`";
  }
  return "";
}

// The way out of a comparison of `a` with `b`, where `b` is the one to change; empty if there is
// none.
std::string Checker::ChangeHint(const Expr* a, const Expr* b) const {
  if (IsNumeric(a->type) && IsNumberText(b)) {
    return "write the number without quotes: `" + std::string(b->literal.text()) + "`";
  }
  if (a->type->tag == TypeTag::kTimestamp && b->type->tag == TypeTag::kString) {
    return "convert the text: `timestamp(" + ToShortText(*b) + ")`";
  }
  if (a->type->tag == TypeTag::kDuration && b->type->tag == TypeTag::kString) {
    return "convert the text: `duration(" + ToShortText(*b) + ")`";
  }
  if (a->type->tag == TypeTag::kString && !IsText(a) && IsNumeric(b->type) &&
      b->kind == ExprKind::kLiteral) {
    return "write it as text: `\"" + ToShortText(*b) + "\"`";
  }
  return "";
}

std::string Checker::CompareHint(const Expr* a, const Expr* b) const {
  for (const Expr* side : {a, b}) {
    if (!IsOptional(side->type)) continue;
    return "give a value for where it is absent: `" + ToShortText(*side) + ".orValue(...)`";
  }
  std::string hint = ChangeHint(a, b);
  return hint.empty() ? ChangeHint(b, a) : hint;
}

}  // namespace vigil::rules::cel
