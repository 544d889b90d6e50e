// An operator: what a shard runs over ordered rows and time. One instance per shard, driven by one
// thread.
#pragma once

#include <cstddef>
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

  // A snapshot is made of the units that have changed since the one before, as they are when it
  // begins, and is written while rows and time go on, so that nothing waits for it.
  //
  // Begins one; the one before is complete. Until it is complete itself the operator writes a unit
  // to `out` before it changes it, if it is still to be written. What the writer is told to remove
  // is to be gone before what it is told to put is there, in whatever order it hears of them. Cost:
  // does not depend on how many units have changed. An operator that keeps nothing has none.
  // Errors: the writer's.
  virtual Status BeginSnapshot(UnitWriter* out);
  // Writes about `units` more of what is still to be written; true once there is nothing left.
  // Errors: the writer's, those since the last call included.
  virtual StatusOr<bool> ContinueSnapshot(size_t units);
  // Both, from beginning to end.
  Status Snapshot(UnitWriter* out);
  // Takes a unit back, before the first row. Each unit comes once. DATA_LOSS if its bytes are not
  // what a snapshot writes; the operator is of no use then.
  virtual Status Restore(const RestoredUnit& unit);

  // State may leave memory for where it is stored: `reader`, which outlives the operator, brings it
  // back. Before the first unit and the first row. What cannot be read makes the next snapshot
  // fail.
  virtual void ReadFrom(const UnitReader* reader);
  // What snapshots have written can be read, but for the last `pending` of them. Lets state leave
  // memory, what was not used lately first, as far as it can be read as it is, until about `bytes`
  // are left. A snapshot may be under way.
  virtual void LeaveMemory(size_t bytes, size_t pending);
};

}  // namespace vigil::cep
