#include "tests/support/compare_case.h"

#include <algorithm>

#include "tests/support/engine_run.h"
#include "tests/support/reference_run.h"

namespace vigil::testing {
namespace {

using patterns::Stage;

// Whether the stage may be over without an event.
bool MayBeEmpty(const Stage& stage) {
  return stage.optional || stage.times_min == 0 || stage.is_negated() ||
         (stage.is_group() && std::all_of(stage.group.begin(), stage.group.end(), MayBeEmpty));
}

// Flink fails while running a pattern in which a negation stands behind a first group that may be
// empty: nothing says what it means.
bool IsErratic(const std::vector<Stage>& stages) {
  const Stage& first = stages.front();
  if (!first.is_group()) return false;
  return IsErratic(first.group) ||
         (stages.size() > 1 && stages[1].is_negated() && MayBeEmpty(first));
}

}  // namespace

Comparison CompareCase(const PatternCase& made) {
  Comparison comparison;
  const LoadedCase loaded = LoadCase(made);
  if (loaded.rules == nullptr) {
    comparison.verdict = Verdict::kRefused;
    return comparison;
  }
  comparison.verdict = Verdict::kLeftOut;
  if (IsErratic(loaded.rules->rules[0].pattern.stages)) return comparison;
  ReferenceResults expected = RunReferenceCase(loaded, made.events);
  if (expected.hangs_on_ties || expected.is_due_at_end || expected.is_too_large) return comparison;
  uint64_t dropped = 0;
  comparison.engine = EngineResults(loaded, made.events, &dropped);
  comparison.reference = std::move(expected.results);
  if (dropped == 0) comparison.verdict = Verdict::kCompared;
  return comparison;
}

}  // namespace vigil::testing
