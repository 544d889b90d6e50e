// What a state directory holds, as JSON and as text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cep/base/status.h"
#include "patterns/stored_state.h"
#include "state/commit.h"
#include "state/unit.h"

namespace vigil::cmd {

void AppendHeadJson(const state::CommitHead& head, std::string* out);
void AppendJournalJson(uint64_t commit, const state::JournalEntry& entry, std::string* out);
void AppendRecordJson(uint64_t sequence, const state::OutboxRecord& record, std::string* out);
void AppendRowJson(const state::KeptRow& row, std::string* out);
void AppendRuleJson(const std::string& id, uint64_t incarnation, std::string* out);

// Where a state stands: positions, ledgers, sinks, and partial matches by rule. A line or several.
void AppendStandJson(const state::CommitHead& head, const std::map<std::string, uint64_t>& open,
                     std::string* out);
void AppendStandText(const state::CommitHead& head, const std::map<std::string, uint64_t>& open,
                     std::string* out);

struct UnitTextOptions {
  std::map<uint64_t, std::string> rules;  // ids, by incarnation
  std::string key;                        // of one key: its values, separated by commas; empty: all
  bool has_events = true;                 // with the events' own JSON
};

// A unit, readable: the key, and its partial matches with stages and events.
class UnitText {
 public:
  explicit UnitText(UnitTextOptions options) : options_(std::move(options)) {}

  // Nothing is appended for a key that is not asked for. DATA_LOSS, naming the key, if the unit is
  // not what an operator writes.
  Status AppendJson(const state::StoredUnit& unit, std::string* out) const;
  // A line for the key, one for each partial match and one for each of its events.
  Status AppendText(const state::StoredUnit& unit, std::string* out) const;
  // Adds the unit's partial matches to those of each rule for which they stand; a group counts as
  // one.
  Status CountPartialMatches(const state::StoredUnit& unit,
                             std::map<std::string, uint64_t>* by_rule) const;
  // Only whether it can be read.
  Status Check(const state::StoredUnit& unit) const;

 private:
  std::string RuleName(uint64_t incarnation) const;
  // Of the rules for which the partial match stands.
  std::vector<std::string> NamesOf(const patterns::StoredState& unit,
                                   const patterns::StoredState::Run& run) const;

  UnitTextOptions options_;
};

}  // namespace vigil::cmd
