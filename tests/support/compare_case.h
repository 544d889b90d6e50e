// The engine and the reference matcher over one pattern case.
#pragma once

#include <cstdint>

#include "tests/support/pattern_case.h"

namespace vigil::testing {

enum class Verdict : uint8_t {
  kCompared,  // `engine` and `reference` are what each gave: they must be equal
  kRefused,   // by the rule loader
  // Grown too large for the reference; an outcome that hangs on ties
  // (ReferenceAnswer::hangs_on_ties); a limit of the rule reached (the engine may hold one partial
  // match several times, the reference does not); a pattern on which Flink fails. Also a rule with
  // a skip strategy of which something falls due exactly at the last event's time: Flink takes that
  // step by itself if the event belongs to the key; the engine, which does not look at events that
  // no stage asks for, may take it together with all that is left at the end of time.
  kLeftOut,
};

struct Comparison {
  Verdict verdict = Verdict::kCompared;
  Results engine;
  Results reference;
};

// A case of one rule, its events in order of time and at most one batch.
Comparison CompareCase(const PatternCase& made);

}  // namespace vigil::testing
