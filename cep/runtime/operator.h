// An operator: what a shard runs over ordered rows and time. One instance per shard, driven by one
// thread.
#pragma once

#include <cstdint>

#include "cep/base/status.h"
#include "cep/event/match.h"
#include "cep/runtime/ordered_block.h"
#include "cep/runtime/state_unit.h"

namespace vigil::cep {

class Operator {
 public:
  virtual ~Operator() = default;

  // Applies rows. Their event times are not before those of earlier calls, and after the last
  // AdvanceTime().
  virtual void ProcessRows(const OrderedBlock& rows, MatchSink* out) = 0;

  // Time has come to `watermark`: everything that falls due at or before it happens, and no row at
  // or before it follows.
  virtual void AdvanceTime(int64_t watermark, MatchSink* out) = 0;

  // Writes the units that have changed since the last call. An operator that keeps nothing has
  // none. Errors: the writer's.
  virtual Status Snapshot(UnitWriter* out);
  // Takes a unit back, before the first row. Each unit comes once. DATA_LOSS if its bytes are not
  // what Snapshot() writes; the operator is of no use then.
  virtual Status Restore(const RestoredUnit& unit);
};

}  // namespace vigil::cep
