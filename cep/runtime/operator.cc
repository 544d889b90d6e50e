#include "cep/runtime/operator.h"

namespace vigil::cep {

Status Operator::BeginSnapshot(UnitWriter*) { return absl::OkStatus(); }

StatusOr<bool> Operator::ContinueSnapshot(size_t) { return true; }

Status Operator::Snapshot(UnitWriter* out) {
  RETURN_IF_ERROR(BeginSnapshot(out));
  return ContinueSnapshot(SIZE_MAX).status();
}

void Operator::ReadFrom(const UnitReader*) {}

void Operator::LeaveMemory(size_t, size_t) {}

Status Operator::Restore(const RestoredUnit&) {
  return absl::DataLossError("a unit of state for an operator that keeps none");
}

}  // namespace vigil::cep
