// An operator: what a shard runs over ordered rows and time. One instance per shard, driven by one
// thread.
#pragma once

#include <cstdint>

#include "cep/event/match.h"
#include "cep/runtime/ordered_block.h"

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
};

}  // namespace vigil::cep
