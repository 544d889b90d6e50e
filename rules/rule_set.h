// A compiled rule set: what the engine runs. Immutable once loaded; any number of threads may read
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alerts/spec.h"
#include "cep/base/hash.h"
#include "cep/event/batch.h"
#include "cep/event/schema.h"
#include "patterns/pattern.h"

namespace vigil::rules {

enum class Mode : uint8_t { kLive, kShadow, kOff };

struct CompiledRule {
  alerts::RuleInfo info;
  Mode mode = Mode::kLive;
  std::vector<uint32_t> key_slots;  // of the rule's `key`; a stage's own is in the pattern
  patterns::Pattern pattern;
  int64_t ttl_ms = 0;  // drop a key's state after this long without an event; 0: never
  // Hashes of what the rule says, with the defines that it names: all of it, and all that its
  // partial matches depend on.
  Hash128 content;
  Hash128 matching;
  std::vector<uint32_t> kept_slots;  // that are read of events its partial matches hold; ascending
};

struct RuleSet {
  std::shared_ptr<const cep::Schema> schema;
  std::shared_ptr<const cep::Layout> layout;  // every field that a rule, a key or an alert reads
  std::vector<CompiledRule> rules;            // sorted by id, bytewise; `mode: off` left out
  std::string version;                        // hash of the content, 32 hexadecimal digits
};

}  // namespace vigil::rules
