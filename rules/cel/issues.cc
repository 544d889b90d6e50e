#include "rules/cel/issues.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace vigil::rules::cel {

const std::vector<IssueRow>& IssueTable() {
  static const std::vector<IssueRow> kRows = {
      {IssueCode::kSyntax, "V0201", true, "the expression is not CEL",
       "Conditions are Common Expression Language: `a == 1 && b in [\"x\", \"y\"]`."},
      {IssueCode::kLiteral, "V0202", true, "a literal is malformed or out of range",
       "Escapes are those of CEL; int and uint have 64 bits."},
      {IssueCode::kLimit, "V0203", true, "the expression is too large or nested too deep",
       "At most 64 KiB of text, 250 levels of nesting and 65,536 nodes with its defines put in; "
       "macros go through at most 100,000 items."},
      {IssueCode::kReservedWord, "V0204", true, "a reserved word is used as a name",
       "CEL keeps words such as `for`, `if`, `package`; `event.NAME` reaches a field named so."},
      {IssueCode::kMacro, "V0205", true, "a macro is used wrongly",
       "`has(x.y)` takes a field selection, `list.all(v, condition)` and its like a variable."},
      {IssueCode::kUnknownField, "V0102", true, "unknown field",
       "The event schema has no such field."},
      {IssueCode::kUnknownFunction, "V0206", true, "unknown function",
       "The reference lists all functions; `x.f(y)` and `f(x, y)` are different ones."},
      {IssueCode::kWrongTypes, "V0207", true, "an operator or function does not take these types",
       "int, uint and double compare with each other, but arithmetic does not mix them."},
      {IssueCode::kNotABool, "V0208", true, "a condition is not a bool",
       "Conditions and the operands of `&&`, `||`, `!` and `?` are true or false."},
      {IssueCode::kStageIsList, "V0209", true, "a stage's list of events is used as one event",
       "A stage that may accept several events, or none, is a list: index it, or use a macro."},
      {IssueCode::kStageNotInScope, "V0210", true, "a stage may not be named here",
       "A condition reads stages that come before its own."},
      {IssueCode::kDefineCycle, "V0211", true, "a define uses itself",
       "Defines may use each other, but not in a cycle."},
      {IssueCode::kBadPattern, "V0212", true, "a regular expression is invalid",
       "Patterns are RE2's: no look-around, no back-references."},
      {IssueCode::kUnsupported, "V0213", true, "a part of CEL that is not supported",
       "Events are not Protobuf messages here, so message literals have no meaning."},
      {IssueCode::kUndeclaredField, "V0405", false, "a field that the inferred schema has not seen",
       "It may be misspelt, or rare; give a schema to be sure."},
  };
  return kRows;
}

void IssueList::Add(IssueCode code, Span span, std::string message, std::string hint) {
  if (issues_.size() >= kMaxIssues) return;
  for (const Issue& issue : issues_) {
    if (issue.begin == span.begin && issue.define == define_) return;
  }
  const IssueRow& row = IssueTable()[static_cast<size_t>(code)];
  Issue issue;
  issue.is_error = row.is_error;
  issue.code = std::string(row.text);
  issue.define = define_;
  issue.begin = span.begin;
  issue.end = span.end;
  issue.message = std::move(message);
  issue.hint = std::move(hint);
  has_errors_ |= issue.is_error;
  issues_.push_back(std::move(issue));
}

std::vector<Issue> IssueList::TakeSorted() {
  std::stable_sort(issues_.begin(), issues_.end(), [](const Issue& a, const Issue& b) {
    return std::tie(a.define, a.begin) < std::tie(b.define, b.begin);
  });
  return std::move(issues_);
}

std::string Quoted(std::string_view name) {
  std::string out;
  out.reserve(name.size() + 2);
  out += '`';
  out += name;
  out += '`';
  return out;
}

}  // namespace vigil::rules::cel
