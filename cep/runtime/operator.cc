#include "cep/runtime/operator.h"

namespace vigil::cep {

Status Operator::Snapshot(UnitWriter*) { return absl::OkStatus(); }

Status Operator::Restore(const RestoredUnit&) {
  return absl::DataLossError("a unit of state for an operator that keeps none");
}

}  // namespace vigil::cep
