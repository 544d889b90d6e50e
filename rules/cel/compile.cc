#include "rules/cel/compile.h"

#include <utility>

#include "rules/cel/checker.h"
#include "rules/cel/condition.h"
#include "rules/cel/fold.h"
#include "rules/cel/parser.h"
#include "rules/cel/text.h"

namespace vigil::rules::cel {
namespace {

// One compilation: what parser, checker and emitter share.
class Compilation {
 public:
  Compilation(std::string_view text, const Environment& environment)
      : text_(text), environment_(environment) {
    if (environment_.layout == nullptr) environment_.layout = &own_layout_;
  }

  Compiled Condition() {
    if (Check()) RequireBool();
    if (!issues_.has_errors()) {
      Fold(root_, ast_);
      Split();
    }
    return Finish();
  }

  Compiled Value() {
    if (Check() && !issues_.has_errors()) {
      Fold(root_, ast_);
      result_.value = MakeExpression(*root_, environment_.layout);
      if (result_.value == nullptr) ReportTooLarge();
    }
    return Finish();
  }

 private:
  bool Check() {
    root_ = Parse(text_, options_.parse, ast_, issues_);
    Checker checker(environment_, options_, ast_, types_, issues_);
    result_.type = ToCepType(checker.Run(root_));
    return !issues_.has_errors();
  }

  void RequireBool() {
    if (root_->type->tag == TypeTag::kBool || IsDynamic(root_->type)) return;
    issues_.Add(
        IssueCode::kNotABool, root_->span,
        "a condition must be bool, this one is " + ToString(root_->type),
        IsNumeric(root_->type) ? "compare it, as in `" + ToShortText(*root_) + " > 0`" : "");
  }

  // Terms that read stages become one correlated expression, all others the unary condition.
  void Split() {
    std::vector<const Expr*> unary;
    std::vector<const Expr*> correlated;
    std::vector<const Expr*> terms;
    CollectConjuncts(*root_, terms);
    for (const Expr* term : terms) (term->reads_stage ? correlated : unary).push_back(term);
    bool fits = MakeCondition(unary, *environment_.layout, &result_.unary);
    if (!correlated.empty()) {
      result_.correlated = MakeExpression(*Conjunction(correlated), environment_.layout);
      fits &= result_.correlated != nullptr;
    }
    if (!fits) ReportTooLarge();
  }

  const Expr* Conjunction(const std::vector<const Expr*>& terms) {
    if (terms.size() == 1) return terms[0];
    Expr* all = ast_.New(ExprKind::kAnd, root_->span, root_->token);
    for (const Expr* term : terms) all->args.push_back(const_cast<Expr*>(term));
    all->type = Simple(TypeTag::kBool);
    return all;
  }

  void ReportTooLarge() {
    issues_.Add(IssueCode::kLimit, root_->span, "the expression needs too many registers",
                "split it with `define`, or move lists into a table");
  }

  Compiled Finish() {
    result_.ok = !issues_.has_errors();
    result_.issues = issues_.TakeSorted();
    return std::move(result_);
  }

  std::string_view text_;
  Environment environment_;
  cep::Layout own_layout_;
  CheckOptions options_;
  Ast ast_;
  TypePool types_;
  IssueList issues_;
  Expr* root_ = nullptr;
  Compiled result_;
};

}  // namespace

Compiled CompileCondition(std::string_view text, const Environment& environment) {
  return Compilation(text, environment).Condition();
}

Compiled CompileValue(std::string_view text, const Environment& environment) {
  return Compilation(text, environment).Value();
}

}  // namespace vigil::rules::cel
