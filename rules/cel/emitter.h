// A checked tree to a Program.
#pragma once

#include <memory>

#include "cep/event/batch.h"
#include "rules/cel/ast.h"
#include "rules/cel/program.h"

namespace vigil::rules::cel {

// The program of `root`; null if it would need more than kMaxRegisters. `layout` (may be null)
// names the fields of an event that is used as a whole. The program does not point into the tree.
std::shared_ptr<const Program> EmitProgram(const Expr& root, const cep::Layout* layout);

// A deep copy of `value` in `arena`.
cep::Value CopyValue(const cep::Value& value, Arena& arena);

}  // namespace vigil::rules::cel
