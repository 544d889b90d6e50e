// What a state directory holds, as JSON and as text.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "cep/base/status.h"
#include "state/commit.h"
#include "state/unit.h"

namespace vigil::cmd {

void AppendHeadJson(const state::CommitHead& head, std::string* out);
void AppendJournalJson(uint64_t commit, const state::JournalEntry& entry, std::string* out);
void AppendRecordJson(uint64_t sequence, const state::OutboxRecord& record, std::string* out);
void AppendRowJson(const state::KeptRow& row, std::string* out);

struct UnitTextOptions {
  std::string key;         // of one key, as UnitText::KeyOf() names it; empty: all
  bool has_events = true;  // with the events' own JSON
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
  // Only whether it can be read.
  Status Check(const state::StoredUnit& unit) const;

 private:
  UnitTextOptions options_;
};

}  // namespace vigil::cmd
