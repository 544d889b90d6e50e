// What an expression costs, known before it runs.
//
// A step is about the work of comparing two numbers. Sizes of literals are known; a list or map
// that only an event knows is taken to have kAssumedItems. Nested macros multiply. The estimate
// decides what is refused when a rule is loaded; what an accepted expression really takes is
// bounded when it runs (program.h). Tests: tests/rules/cel_limits_test.cc.
#pragma once

#include "rules/cel/ast.h"

namespace vigil::rules::cel {

// Sets cost, items and iterations of a checked node from those of its arguments.
void EstimateCost(Expr& expr);

}  // namespace vigil::rules::cel
