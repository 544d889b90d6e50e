// What a pattern's author can hardly mean, though Flink takes it: loops that nothing ends, greedy
// stages that leave nothing for the next one, bounds that do not hold.
//
// Source of the last: which of its states Flink 1.20's NFACompiler gives a stage's own `within`.
// Tests: tests/corpus/rules/broken/pattern_warnings.yaml.
#pragma once

#include "rules/stage_context.h"

namespace vigil::rules {

// Reports warnings about one stage. Cost: linear in the stages of its level and in the lengths of
// its condition and the next one's.
void WarnOfStage(const StageContext& context);

}  // namespace vigil::rules
