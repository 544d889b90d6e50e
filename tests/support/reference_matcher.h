// The reference matcher: Flink CEP's semantics, slow and obvious; what the engine must equal.
//
// It knows no automaton. A partial match is what it has accepted and the place in the pattern at
// which it waits (reference_places.h); plain functions say what an event does to it there. Every
// partial match is kept as a value of its own, every condition is asked again each time. One call
// runs one pattern over the events of one key. A stage's `within` is a real timer, as in Vigil and
// unlike Flink. Source: Flink CEP 1.20's behaviour (Pattern, NFACompiler, NFA) and its recorded
// answers, not the engine's code. Tests: tests/property/reference_corpus_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "patterns/pattern.h"

namespace vigil::testing {

// An event that a stage has accepted, by its number among the key's events.
struct Accepted {
  uint32_t stage = 0;  // Stage::index
  uint32_t event = 0;
  auto operator<=>(const Accepted&) const = default;
};

// What a partial match has accepted, oldest first.
using History = std::vector<Accepted>;

// Whether a stage's `where` or `until` holds for an event, given what was accepted before it. A
// stage with a key of its own holds only under that key.
using StageQuestion =
    std::function<bool(const patterns::Stage& stage, uint32_t event, const History& history)>;

struct ReferenceInput {
  const patterns::Pattern* pattern = nullptr;  // accepted by the rule loader
  StageQuestion where;
  StageQuestion until;
  std::vector<int64_t> times;  // of the key's events, ascending
  int64_t newest_ts = 0;       // of the whole stream: before the end, time comes to just before it
};

struct ReferenceTimeout {
  int64_t due = 0;
  History history;
};

struct ReferenceAnswer {
  std::vector<History> matches;  // may repeat
  std::vector<ReferenceTimeout> timeouts;
  // Different matches that began with the same event completed together under a skip strategy:
  // which of them comes out first, and prunes the others, is not specified.
  bool hangs_on_ties = false;
  // Under a skip strategy something fell due exactly at the time of the stream's last event.
  bool is_due_at_end = false;
  bool is_too_large = false;  // given up: too many partial matches
};

ReferenceAnswer RunReference(const ReferenceInput& input);

}  // namespace vigil::testing
