// Which stages an expression of a rule may name, and as what.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/cel/compile.h"
#include "rules/rule_draft.h"

namespace vigil::rules {

// A stage or group as expressions see it.
struct NamedStage {
  const StageDraft* draft = nullptr;
  uint32_t index = 0;    // among the stages that are no groups
  bool is_list = false;  // accepts several events, or perhaps none
};

// The names of one rule. Borrows the drafts and the defines.
class StageScope {
 public:
  StageScope(const std::vector<StageDraft>& stages,
             const std::map<std::string, std::string>& defines);

  // Stages and groups, depth first in pattern order: a group stands before its members.
  const std::vector<NamedStage>& stages() const { return stages_; }

  // The names for an expression: a condition of `current`, or one of an alert if it is null. Names
  // that may not be used are there too, with the reason. Of a large pattern only names that `text`
  // or a define mentions are listed, so that compiling all conditions stays linear.
  std::vector<cel::StageName> NamesFor(const NamedStage* current, std::string_view text) const;

 private:
  static cel::StageName Describe(const NamedStage& stage, const NamedStage* current);
  bool is_large() const;
  // Adds the stages whose names occur in `text` to `found`.
  void FindNames(std::string_view text, std::map<size_t, const NamedStage*>* found) const;

  std::vector<NamedStage> stages_;
  std::map<std::string_view, size_t> by_name_;            // only of a large pattern
  std::map<size_t, const NamedStage*> named_by_defines_;  // likewise
};

}  // namespace vigil::rules
