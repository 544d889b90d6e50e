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
//   then of each, oldest first: TEXT place · u64 offset; of one that its source's `id` identifies:
//   u32 0xFFFFFFFF · TEXT source · u8 type (1 bool, 2 int, 3 text, 4 bytes) · TEXT value, an int in
//   decimal, a bool as `true` or `false`
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

// An event's own id; an absent value where it has none, and its position stands for it.
struct EventId {
  std::string_view source;
  cep::Value value;
};

// Whether a value can identify an event: a bool, an int, a text or bytes.
bool IsEventId(const cep::Value& value);

// Reuses `scratch`. `stages`: the match's events by stage, every stage of the rule; `event_ids`: of
// each event in that order, or empty.
Hash128 AlertId(std::string_view rule, const cep::Match& match,
                const std::vector<cep::StageEvents>& stages, std::string* scratch,
                const std::vector<EventId>& event_ids = {});

Hash128 RuleErrorId(std::string_view rule, const cep::RuleError& error, std::string* scratch);

enum class TurnedAway : uint8_t { kLate = 4, kRejected = 5 };

Hash128 TurnedAwayId(TurnedAway kind, std::string_view place, uint64_t offset);

}  // namespace vigil::alerts
