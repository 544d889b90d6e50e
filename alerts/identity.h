// Ids of alerts and errors: equal after every crash, replay and rerun, on any number of shards.
//
// An id is HashBytes128() of these bytes; they are a format, changing them changes every id.
// Integers are big-endian; TEXT is a u32 length and the bytes.
//   match    u8 1 · TEXT rule · TEXT key · STAGES
//   timeout  u8 2 · TEXT rule · TEXT key · STAGES · i64 due time, ms
//   error    u8 3 · TEXT rule · TEXT place · u64 offset · TEXT expression
//   late     u8 4 · TEXT place · u64 offset
//   rejected u8 5 · TEXT place · u64 offset
//   STAGES = u32 number of the rule's stages, then of each in rule order: u32 number of its events,
//   then of each, oldest first: TEXT place · u64 offset
// `key` is the typed key bytes (cep/event/key.h), `place` is Partition::place. Counts before the
// events keep {a:[1], b:[2,3]} and {a:[1,2], b:[3]} apart.
//
// Tests: tests/alerts/identity_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "cep/event/expression.h"
#include "cep/event/match.h"

namespace vigil::alerts {

// Reuses `scratch`. `stages`: the match's events by stage, every stage of the rule.
Hash128 AlertId(std::string_view rule, const cep::Match& match,
                const std::vector<cep::StageEvents>& stages, std::string* scratch);

Hash128 RuleErrorId(std::string_view rule, const cep::RuleError& error, std::string* scratch);

enum class TurnedAway : uint8_t { kLate = 4, kRejected = 5 };

Hash128 TurnedAwayId(TurnedAway kind, std::string_view place, uint64_t offset);

}  // namespace vigil::alerts
