// Evaluates one atom (field, operator, constant) over the rows of a block.
#pragma once

#include "cep/event/expression.h"
#include "patterns/predicates.h"

namespace vigil::patterns {

// Sets `out` for rows 0 .. block.rows-1; bits past the last row are unspecified.
void EvaluateAtom(const cep::Atom& atom, const cep::ColumnBlock& block, TriBits* out);

// The atom for one row's value: what EvaluateAtom() computes a column at a time, one value at a
// time.
cep::Tri EvaluateAtomOnValue(const cep::Atom& atom, const cep::Value& value);

}  // namespace vigil::patterns
