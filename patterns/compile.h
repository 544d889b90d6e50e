// From a Pattern to a Program: Flink CEP's NFA for it, state by state.
#pragma once

#include "cep/base/status.h"
#include "patterns/pattern.h"
#include "patterns/program.h"

namespace vigil::patterns {

// Compiles a pattern that the rule loader has accepted.
// Errors: INVALID_ARGUMENT when it has more than kMaxStates states (quantifiers multiply inside
// groups). Source: Flink 1.20 NFACompiler; where that one is odd, so is this one (flink-semantics
// notes in docs/decisions).
StatusOr<Program> CompilePattern(const Pattern& pattern);

}  // namespace vigil::patterns
