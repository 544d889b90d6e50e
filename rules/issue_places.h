// From issues of expressions, which know byte offsets, to diagnostics, which name lines of files.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "rules/cel/compile.h"
#include "rules/rule_draft.h"
#include "rules/scalar_map.h"

namespace vigil::rules {

// An expression in a scalar of a file: the scalar's whole value, or a piece of it.
struct ExpressionText {
  const SourceText* source = nullptr;
  const Node* scalar = nullptr;
  std::string_view text;
  uint32_t offset = 0;  // of the text in the scalar's value
};

// Reports issues where their tokens stand: in the expression, or in the text of the define they
// come from.
class IssueReporter {
 public:
  IssueReporter(const std::vector<DefineDraft>& defines, Reporter* reporter)
      : defines_(defines), reporter_(*reporter) {}

  void Report(const std::vector<cel::Issue>& issues, const ExpressionText& expression);

 private:
  Place PlaceOf(const cel::Issue& issue, const ExpressionText& expression);
  Range Trace(const SourceText& source, const Node& scalar, uint32_t begin, uint32_t end);

  const std::vector<DefineDraft>& defines_;
  Reporter& reporter_;
  // The map of the scalar asked for last: a template's expressions are all in one.
  const Node* last_scalar_ = nullptr;
  std::optional<ScalarMap> last_map_;
};

}  // namespace vigil::rules
