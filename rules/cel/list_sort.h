// Sorting a list by keys: what sort() and the macro sortBy() do.
#pragma once

#include "cep/event/value.h"
#include "rules/cel/functions.h"

namespace vigil::rules::cel {

// The items of `list` in the order of `keys`, as many; equal keys keep the order of their items. An
// error if the keys are of different types or of one without an order.
cep::Value SortByKeys(CallContext& context, const cep::Value& list, const cep::Value& keys);

}  // namespace vigil::rules::cel
