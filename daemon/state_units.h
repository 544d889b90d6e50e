// Between a shard's operator and the state: units packed into chunks, and read back.
// Tests: tests/daemon/resume_test.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "cep/runtime/shard_state.h"
#include "daemon/durable_state.h"
#include "state/commit_log.h"

namespace vigil::daemon {

// `seed`: ChunkPacker's; the same for all shards and for ReadUnitsOf().
cep::MakeUnitPacker MakeChunkPackers(uint64_t seed);

// Hands out all units; or takes all out of the state, if they are not `wanted`.
cep::ReadUnits ReadUnitsOf(std::shared_ptr<const state::Restorer> restorer, uint64_t seed,
                           bool wanted);

// Reads single units of a state that goes on, which outlives it. `seed` as above.
std::shared_ptr<const cep::UnitReader> MakeUnitReader(const DurableState* state, uint64_t seed);

}  // namespace vigil::daemon
