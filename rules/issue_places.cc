#include "rules/issue_places.h"

#include <algorithm>

namespace vigil::rules {

Range IssueReporter::Trace(const SourceText& source, const Node& scalar, uint32_t begin,
                           uint32_t end) {
  if (last_scalar_ != &scalar) last_map_.emplace(source, scalar);
  last_scalar_ = &scalar;
  return last_map_->At(begin, end);
}

Place IssueReporter::PlaceOf(const cel::Issue& issue, const ExpressionText& expression) {
  if (issue.define.empty()) {
    return {expression.source,
            Trace(*expression.source, *expression.scalar, issue.begin + expression.offset,
                  issue.end + expression.offset)};
  }
  const auto define = std::find_if(defines_.begin(), defines_.end(), [&](const DefineDraft& d) {
    return d.name.name == issue.define;
  });
  if (define == defines_.end()) return {expression.source, expression.scalar->range};
  const Node& value = *define->value;
  // Of a list or a number the CEL text was written by us: the whole value is meant.
  const bool is_own_text = value.is_scalar() && value.value == define->text;
  if (!is_own_text) return {define->source, value.range};
  return {define->source, Trace(*define->source, value, issue.begin, issue.end)};
}

void IssueReporter::Report(const std::vector<cel::Issue>& issues,
                           const ExpressionText& expression) {
  for (const cel::Issue& issue : issues) {
    if (reporter_.is_full()) return;
    reporter_.Report(issue.is_error ? Level::kError : Level::kWarning, issue.code,
                     PlaceOf(issue, expression), issue.message, issue.hint);
  }
}

}  // namespace vigil::rules
