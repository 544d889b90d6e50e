// What a pattern operator reports: matches, timeouts and failed evaluations.
#pragma once

#include <cstdint>
#include <string_view>

#include "cep/event/captured_event.h"

namespace vigil::cep {

enum class MatchKind : uint8_t { kMatch, kTimeout };

struct MatchEvent {
  uint32_t stage;  // index of the stage in the rule
  const CapturedEvent* event;
};

struct Match {
  MatchKind kind = MatchKind::kMatch;
  uint32_t rule = 0;     // index in the rule set
  int64_t instant = 0;   // logical time at which it came out, ms; orders results
  int64_t at = 0;        // event time it carries: of its last event, or when it fell due
  std::string_view key;  // typed key bytes (cep/event/key.h)
  const MatchEvent* events = nullptr;  // in the order in which they were accepted
  uint32_t event_count = 0;
};

// A condition that could not be evaluated, or an event that turned out invalid when a rule wanted
// it.
// What names of limits start with where a RuleError reports one.
inline constexpr std::string_view kLimitPrefix = "limits.";

struct RuleError {
  uint32_t rule = 0;
  int64_t instant = 0;
  const Partition* partition = nullptr;
  uint64_t offset = 0;
  // The condition's text; kLimitPrefix and its name for a limit; empty for an invalid event.
  std::string_view expression;
  std::string_view reason;
  std::string_view raw;  // the event's bytes
};

// Receives results. Everything is borrowed for the call. Called by one shard's thread, in no
// particular order within one logical instant.
class MatchSink {
 public:
  virtual ~MatchSink() = default;
  virtual void OnMatch(const Match& match) = 0;
  // False once enough samples of this failure are known: spares the caller finding out the reason.
  virtual bool WantsRuleError(uint32_t rule, std::string_view expression) = 0;
  virtual void OnRuleError(const RuleError& error) = 0;
};

}  // namespace vigil::cep
