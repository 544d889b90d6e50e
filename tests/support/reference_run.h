// The reference matcher over a pattern case: splits the stream by key and asks conditions.
//
// Conditions are evaluated one event at a time by the CEL machine, not over columns: a second way
// to the answers that the engine's shared predicates give.
#pragma once

#include <vector>

#include "tests/support/pattern_case.h"

namespace vigil::testing {

struct ReferenceResults {
  Results results;
  bool hangs_on_ties = false;  // see ReferenceAnswer
  bool is_due_at_end = false;
  bool is_too_large = false;
};

// `events` are in order of time and at most one batch. Results of all rules.
ReferenceResults RunReferenceCase(const LoadedCase& loaded, const std::vector<CaseEvent>& events);

}  // namespace vigil::testing
