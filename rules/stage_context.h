// A stage among its neighbours, as the checks of patterns see it (pattern_checks,
// pattern_warnings).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/rule_draft.h"

namespace vigil::rules {

inline std::string Quote(std::string_view name) { return "`" + std::string(name) + "`"; }

// `stage` for messages: with its name, if it has one.
inline std::string Called(const StageDraft& stage) {
  return stage.stage.name.empty() ? "this stage" : Quote(stage.stage.name);
}

// What the groups around a stage make of it.
struct Surroundings {
  bool is_pattern = true;      // none is around it
  bool begins_first = true;    // it, or a group that begins with it, begins the pattern
  bool repeats = false;        // one of them
  bool ends_by_until = false;  // one of them
};

// A stage among its neighbours.
struct StageContext {
  const RuleDraft& rule;
  const std::vector<StageDraft>& level;
  size_t position;
  const StageDraft& stage;
  const StageDraft* previous;  // on the same level; null for the first
  bool is_first;
  bool is_last_of_pattern;
  Surroundings around;
  Reporter& reporter;

  void Report(Code code, std::string_view key, std::string message, std::string hint = "") const {
    reporter.Report(code, stage.PlaceOfKey(key), std::move(message), std::move(hint));
  }
};

}  // namespace vigil::rules
