// The codes of this room's issues, and the list that collects them.
//
// Every stage (lexer, parser, checker) reports here and goes on, so that a person sees all problems
// of an expression at once. A second issue at the same place is dropped: it is nearly always a
// consequence of the first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/cel/compile.h"

namespace vigil::rules::cel {

enum class IssueCode : uint8_t {
  kSyntax,
  kLiteral,
  kLimit,
  kReservedWord,
  kMacro,
  kUnknownField,
  kUnknownFunction,
  kWrongTypes,
  kNotABool,
  kStageIsList,
  kStageNotInScope,
  kDefineCycle,
  kBadPattern,
  kUnsupported,
  kUndeclaredField,
};

// One row per code: what `vigil check` prints and what the documentation lists. Codes outside V02xx
// are those that rule files share (rules/diagnostic_codes.h): an unknown field is one problem,
// wherever it is named.
struct IssueRow {
  IssueCode code;
  std::string_view text;
  bool is_error;
  std::string_view title;
  std::string_view explanation;
};

// All rows, in the order of IssueCode.
const std::vector<IssueRow>& IssueTable();

inline constexpr size_t kMaxIssues =
    100;  // of one expression with its defines; more are not collected

// Bytes [begin, end) of a text.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
};

class IssueList {
 public:
  // Issues reported from now on are in the text of this define; empty: in the expression itself.
  void set_define(std::string_view define) { define_ = define; }
  const std::string& define() const { return define_; }

  void Add(IssueCode code, Span span, std::string message, std::string hint = "");

  bool has_errors() const { return has_errors_; }
  const std::vector<Issue>& issues() const { return issues_; }
  // All issues, those of the expression before those of defines, by position.
  std::vector<Issue> TakeSorted();

 private:
  std::vector<Issue> issues_;
  std::string define_;
  bool has_errors_ = false;
};

// `name`, in the quotes that messages put names in.
std::string Quoted(std::string_view name);

}  // namespace vigil::rules::cel
