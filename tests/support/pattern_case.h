// A pattern case: rules, a schema and a stream, and what the engine and the reference matcher make
// of it.
//
// Results are texts, so that sets of them can be compared and read: `RULE match KEY a=1,2;b=3;`,
// `RULE timeout KEY 7000 a=1;` (when it fell due), events by their `id`. The engine runs
// in-process: rules are loaded and compiled as ever, rows come from memory.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/batch.h"
#include "patterns/rule_block.h"
#include "rules/rule_set.h"

namespace vigil::testing {

struct CaseEvent {
  int64_t ts = 0;
  std::string json;  // one object with `id` and `ts`
};

// Parses an event's JSON text for its time.
CaseEvent MakeCaseEvent(std::string json);

struct PatternCase {
  std::vector<std::string> rules;  // each a rule as JSON
  std::string fields;              // the schema's fields as JSON
  std::vector<CaseEvent> events;   // in order of arrival

  // All of it, to be printed when a test fails.
  std::string ToString() const;
};

// A case's rules, compiled.
struct LoadedCase {
  std::shared_ptr<const rules::RuleSet> rules;
  std::shared_ptr<const patterns::CompiledPatterns> patterns;
  std::string refusal;  // why `rules` is null
};

LoadedCase LoadCase(const PatternCase& test_case);

// A rule of a case: a JSON object without `rule`, given that name and an `on_timeout`, so that
// timeouts are reported.
std::string NamedRule(std::string_view name, std::string_view object_members);

using Results = std::set<std::string>;

struct EngineOptions {
  uint32_t shards = 1;
  uint32_t batch_rows = cep::kBatchRows;
  int64_t disorder_ms = 0;
};

// What cep::Job makes of the events: results in their final order.
std::vector<std::string> RunEngine(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                                   const EngineOptions& options);

// State that the operator still holds when time has come to `watermark`, the events being in order.
struct LiveState {
  size_t keys = 0;
  size_t nodes = 0;
};
LiveState StateAt(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                  int64_t watermark);

// What the reference matcher makes of the events, which are in order, with the rule at `rule`.
struct ReferenceResults {
  Results results;
  bool hangs_on_ties = false;
  bool is_too_large = false;
};
ReferenceResults RunReferenceCase(const LoadedCase& loaded, size_t rule,
                                  const std::vector<CaseEvent>& events);

}  // namespace vigil::testing
