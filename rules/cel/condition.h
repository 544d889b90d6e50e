// A checked boolean expression as a cep::Condition: atoms that the engine shares and evaluates over
// columns.
//
// Normal form: `not` is pushed down to atoms and opaque parts (exact in three-valued logic), nested
// `and`s and `or`s are flattened, comparisons have the field on the left and the constant in the
// field's own type where that is exact. So conditions that mean the same by these rules have equal
// texts. Tests: tests/rules/cel_condition_test.cc.
#pragma once

#include <memory>

#include "cep/event/batch.h"
#include "cep/event/expression.h"
#include "rules/cel/ast.h"

namespace vigil::rules::cel {

// The compiled `root` with its canonical text; null if it is too large.
std::shared_ptr<const cep::Expression> MakeExpression(const Expr& root, const cep::Layout* layout);

// The terms of the conjunction `root`, defines opened.
void CollectConjuncts(const Expr& root, std::vector<const Expr*>& out);

// The condition that all `terms` hold; each reads the current event only. kTrue for none. False if
// a part is too large.
bool MakeCondition(const std::vector<const Expr*>& terms, const cep::Layout& layout,
                   cep::Condition* out);

}  // namespace vigil::rules::cel
