// The type checker: resolves every name and function of an expression and gives every part a type.
//
// All problems are reported, each once: what follows from a reported one has type kError and stays
// silent. With `lenient` (CEL without a type check, `vigil eval --jsonl` only) a problem becomes a
// part whose evaluation fails. Tests: tests/rules/cel_checker_test.cc.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/cel/ast.h"
#include "rules/cel/compile.h"
#include "rules/cel/functions.h"
#include "rules/cel/parser.h"
#include "rules/cel/types.h"

namespace vigil::rules::cel {

// Variables and functions that are declared for one expression, besides those of an Environment.
struct Declarations {
  struct Variable {
    std::string name;  // may be dotted
    TypeRef type = nullptr;
    std::optional<cep::Value> value;  // absent: reading it is an error
  };
  std::vector<Variable> variables;
  std::deque<Function> functions;
  std::string container;  // names are looked up in it and in what encloses it first
};

struct CheckOptions {
  const Declarations* declarations = nullptr;
  bool lenient = false;
  bool constants = true;  // constant patterns, times and addresses must be valid
  ParseOptions parse;     // of defines
};

class Checker {
 public:
  // All borrowed for the checker's life; the Ast and TypePool must outlive the checked tree.
  Checker(const Environment& environment, const CheckOptions& options, Ast& ast, TypePool& types,
          IssueList& issues);

  // Annotates the tree and returns its type; an event becomes a map, a stage's list a list of maps.
  TypeRef Run(Expr* root);

 private:
  struct Local {
    std::string_view name;
    TypeRef type;
  };
  enum class DefineState : uint8_t { kNew, kBeingChecked, kChecked };
  struct Define {
    DefineState state = DefineState::kNew;
    Expr* root = nullptr;
  };
  using CheckFunction = void (Checker::*)(Expr*);

  // checker.cc: the walk, operators, literals, macros.
  void Check(Expr* expr);
  void CheckLiteral(Expr* expr);
  void CheckLogic(Expr* expr);
  void CheckConditional(Expr* expr);
  void CheckCompare(Expr* expr);
  void CheckIn(Expr* expr);
  void CheckIndex(Expr* expr);
  void CheckList(Expr* expr);
  void CheckMap(Expr* expr);
  void CheckMessage(Expr* expr);
  void CheckComprehension(Expr* expr);
  void CheckBind(Expr* expr);
  void CheckOptionalMap(Expr* expr);
  bool VariablesOfRange(Expr* expr, TypeRef* first, TypeRef* second);
  TypeRef TypeOfMacro(const Expr* expr, TypeRef element);
  TypeRef TypeOfIndex(Expr* expr, TypeRef type);
  TypeRef SplicedType(const Expr* expr, size_t arg);
  TypeRef AsOptional(TypeRef type);
  bool RequireBool(Expr* expr, std::string_view where);
  void CheckValue(Expr* expr);
  void AsValue(Expr* expr);
  void AddFacts(Expr* expr);
  void CheckCost(Expr* root);

  // checker_names.cc: identifiers, selections, defines.
  void CheckIdent(Expr* expr);
  void CheckSelect(Expr* expr);
  void CheckHas(Expr* expr);
  void SelectFrom(Expr* expr, bool is_test);
  void SelectFromType(Expr* expr, TypeRef type, bool is_test);
  bool ResolveQualified(Expr* expr);
  bool ResolveConstant(Expr* expr, const std::string& name);
  bool ResolveStage(Expr* expr);
  bool ResolveDefine(Expr* expr);
  bool ResolveField(Expr* expr, const std::string& name, bool declared_only);
  bool UseField(Expr* expr, const std::string& name, RefKind ref);
  bool IsFieldAlone(const std::string& name) const;
  void ReportUnknown(Expr* expr);
  Expr* DefineRoot(const std::string& name, const Expr* use);
  const Local* FindLocal(const Expr* expr, uint32_t* level) const;
  std::string DottedName(const Expr* expr) const;
  std::vector<std::string> Qualified(const std::string& name, bool absolute) const;
  std::vector<std::string_view> KnownNames() const;
  void ReportStageIsList(Expr* expr, const Expr* operand);

  // checker_calls.cc: functions.
  void CheckCall(Expr* expr);
  bool TakeNamespace(Expr* expr);
  bool NamesNothing(const Expr* expr) const;
  const Function* FindFunction(const std::string& name, bool absolute) const;
  struct Fit {
    size_t count = 0;
    const Overload* only = nullptr;  // of one
    TypeRef result = nullptr;
  };
  Fit FindOverloads(const Expr& expr, const Function& function, bool by_kind);
  void ReportUnknownFunction(Expr* expr);
  void ReportWrongArguments(Expr* expr, const Function& function);
  void CheckPattern(Expr* expr);
  void CheckFormat(Expr* expr);
  void CheckConversion(Expr* expr);
  std::string ArithmeticHint(const Expr* expr) const;
  std::string ChangeHint(const Expr* a, const Expr* b) const;
  std::string CompareHint(const Expr* a, const Expr* b) const;

  // Reports a problem of this part and gives it the type kError.
  void Fail(Expr* expr, IssueCode code, Span span, std::string message, std::string hint = "");

  const Environment& environment_;
  const CheckOptions& options_;
  Ast& ast_;
  TypePool& types_;
  IssueList& issues_;
  std::vector<Local> locals_;
  std::map<std::string, Define, std::less<>> defines_;
  std::vector<std::string> define_chain_;
  uint32_t depth_ = 0;
};

}  // namespace vigil::rules::cel
