// An expression as canonical CEL text: one spelling per meaning, defines put in.
#pragma once

#include <string>

#include "rules/cel/ast.h"

namespace vigil::rules::cel {

// White space, quotes, parentheses and the spelling of literals are normalised; operands keep their
// order.
std::string ToText(const Expr& expr);

// A part of an expression as people would recognise it in a message; long ones are cut off.
std::string ToShortText(const Expr& expr);

}  // namespace vigil::rules::cel
