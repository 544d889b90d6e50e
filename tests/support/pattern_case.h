// A pattern case: rules, a schema and a stream, as data; how it is loaded and how results are
// written.
//
// Cases come from tests/corpus/patterns or from a generator (random_case.h). Results are texts, so
// that sets of them can be compared and read: `RULE match KEY a=1,2;b=3;` and `RULE timeout KEY
// 7000 a=1;` (the time at which it fell due), events by their `id`.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/event/batch.h"
#include "patterns/rule_block.h"
#include "rules/rule_set.h"

namespace vigil::testing {

struct CaseEvent {
  int64_t id = 0;
  int64_t ts = 0;
  std::string json;  // one object, with `id` and `ts`
};

CaseEvent ParseCaseEvent(std::string json);

struct PatternCase {
  std::vector<std::string> rules;  // each one a JSON object
  std::string fields;              // the schema's fields, a JSON object
  std::vector<CaseEvent> events;

  // All of it, to be shown when a test fails.
  std::string ToString() const;
};

// A case's rules, compiled.
struct LoadedCase {
  std::shared_ptr<const rules::RuleSet> rules;  // null if the loader refused them
  std::shared_ptr<const patterns::CompiledPatterns> patterns;
};

LoadedCase LoadCase(const PatternCase& test_case, uint32_t group_above = patterns::kGroupAbove);

// Appends the event to `batch` as its next row, which borrows the event's text. Its offset is
// `offset`.
void AppendRow(const CaseEvent& event, uint64_t offset, const cep::Partition& partition,
               cep::Batch* batch);

using Results = std::set<std::string>;

// One result as text. `events` holds pairs of a stage's index in the rule and an event's `id`.
struct ResultParts {
  const alerts::RuleInfo* rule = nullptr;
  std::string_view key;  // typed bytes
  bool is_timeout = false;
  int64_t due = 0;  // of a timeout
  std::vector<std::pair<uint32_t, int64_t>> events;
};
std::string ResultText(const ResultParts& parts);

}  // namespace vigil::testing
