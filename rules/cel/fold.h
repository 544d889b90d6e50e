// Constant folding: parts of an expression that read nothing are evaluated once, when it is
// compiled.
#pragma once

#include "rules/cel/ast.h"

namespace vigil::rules::cel {

// Replaces constant parts of a checked tree by literals and drops operands of && and || that cannot
// matter. Parts whose evaluation fails stay as they are.
void Fold(Expr* root, Ast& ast);

}  // namespace vigil::rules::cel
