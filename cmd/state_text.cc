#include "cmd/state_text.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <absl/strings/str_cat.h>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "alerts/value_json.h"
#include "cep/base/arena.h"
#include "cep/base/hash.h"
#include "cep/event/key.h"
#include "patterns/stored_state.h"

namespace vigil::cmd {
namespace {

using alerts::AppendInt;
using alerts::AppendJsonString;
using alerts::AppendUint;
using patterns::StoredState;

// `"name":`, with a comma unless it is the first.
void PutName(std::string_view name, std::string* out) {
  const char last = out->empty() ? '{' : out->back();
  if (last != '{' && last != '[' && last != ':') *out += ',';
  AppendJsonString(name, out);
  *out += ':';
}
void PutText(std::string_view name, std::string_view text, std::string* out) {
  PutName(name, out);
  AppendJsonString(text, out);
}
void PutNumber(std::string_view name, uint64_t number, std::string* out) {
  PutName(name, out);
  AppendUint(number, out);
}
void PutBool(std::string_view name, bool is, std::string* out) {
  PutName(name, out);
  *out += is ? "true" : "false";
}
void PutTime(std::string_view name, const std::optional<int64_t>& time, std::string* out) {
  PutName(name, out);
  if (time) {
    AppendInt(*time, out);
  } else {
    *out += "null";
  }
}

void AppendPositionJson(const state::PartitionPosition& at, std::string* out) {
  *out += '{';
  PutText("source", at.source, out);
  PutText("topic", at.topic, out);
  PutName("partition", out);
  AppendInt(at.partition, out);
  PutName("next_offset", out);
  AppendInt(at.next_offset, out);
  PutName("waiting", out);
  *out += '[';
  for (const state::OffsetRuns::Run& run : at.waiting.runs()) {
    if (out->back() != '[') *out += ',';
    *out += '[';
    AppendInt(run.first, out);
    *out += ',';
    AppendInt(run.first + run.count - 1, out);
    *out += ']';
  }
  *out += ']';
  PutTime("watermark", at.watermark, out);
  PutBool("idle", at.is_idle, out);
  PutName("ledger", out);
  *out += '{';
  PutNumber("read", at.ledger.read, out);
  PutNumber("processed", at.ledger.processed, out);
  PutNumber("late", at.ledger.late, out);
  PutNumber("quarantined", at.ledger.quarantined, out);
  PutNumber("rate_limited", at.ledger.rate_limited, out);
  PutNumber("lost", at.ledger.lost, out);
  PutNumber("waiting", static_cast<uint64_t>(at.waiting.size()), out);
  *out += "}}";
}

// `SOURCE/TOPIC/PARTITION/OFFSET`, as alerts show it.
std::string PlaceOf(const StoredState& unit, const StoredState::Event& event) {
  const StoredState::Place& place = unit.places[event.place];
  std::string text(place.text);
  if (text.empty()) {
    text.append(place.source).append("/").append(place.topic);
    text += "/" + std::to_string(place.number);
  }
  return text + "/" + std::to_string(event.offset);
}

// Of a run one by one: the nodes of its path, the first event first.
std::vector<uint32_t> PathOf(const StoredState& unit, uint32_t node) {
  std::vector<uint32_t> path;
  for (; node != StoredState::kNone; node = unit.nodes[node].parent) path.push_back(node);
  std::reverse(path.begin(), path.end());
  return path;
}

// A unit that has been read, and how its key is written.
struct ReadUnit {
  state::UnitKey key;
  std::string key_text;  // values, separated by commas
  StoredState stored;
};

class Reading {
 public:
  Status Read(const state::StoredUnit& unit, std::string_view wanted_key) {
    ASSIGN_OR_RETURN(read_.key, state::ParseUnitKey(unit.key));
    read_.key_text.clear();
    for (const cep::Value& value : cep::DecodeKey(read_.key.key_values)) {
      if (!read_.key_text.empty()) read_.key_text += ',';
      alerts::AppendValueText(value, &read_.key_text);
    }
    is_wanted_ = wanted_key.empty() || wanted_key == read_.key_text;
    if (!is_wanted_) return absl::OkStatus();
    const Status status = patterns::ReadStoredState(unit.body, &arena_, &read_.stored);
    if (status.ok()) return status;
    return Status(status.code(), "key " + std::string(read_.key.key_expression) + " = " +
                                     read_.key_text + ": " + std::string(status.message()));
  }
  bool is_wanted() const { return is_wanted_; }
  const ReadUnit& read() const { return read_; }

 private:
  Arena arena_;
  ReadUnit read_;
  bool is_wanted_ = false;
};

std::string_view StageOf(const StoredState& unit, uint32_t stage) {
  return unit.namings[0].stages[stage];
}

// So many rules of a partial match are named.
constexpr size_t kMostRules = 1000;

// The incarnations of the rules for which a partial match stands.
std::vector<uint64_t> RulesOf(const StoredState& unit, const StoredState::Run& run) {
  std::vector<uint64_t> incarnations;
  for (const StoredState::Naming& naming : unit.namings) {
    uint64_t place = naming.first;
    for (const patterns::NumberRange& range : naming.rules) {
      for (const patterns::NumberRange& wanted : unit.sets[run.rules]) {
        const uint64_t end = std::min(place + range.count, wanted.first + wanted.count);
        for (uint64_t p = std::max(place, wanted.first); p < end; ++p) {
          if (incarnations.size() == kMostRules) return incarnations;
          incarnations.push_back(range.first + (p - place));
        }
      }
      place += range.count;
    }
  }
  return incarnations;
}

using Names = std::vector<std::string>;

void AppendRunJson(const StoredState& unit, const StoredState::Run& run, const Names& rules,
                   bool is_held, bool has_events, std::string* out) {
  *out += '{';
  PutName("rules", out);
  *out += '[';
  for (const std::string& rule : rules) {
    if (out->back() != '[') *out += ',';
    AppendJsonString(rule, out);
  }
  *out += ']';
  if (is_held) {
    PutBool("complete", true, out);
  } else {
    PutText("stage", StageOf(unit, unit.states[run.state].stage), out);
    PutText("role", unit.states[run.state].role, out);
  }
  if (unit.is_grouped) {
    *out += '}';
    return;
  }
  PutName("events", out);
  *out += '[';
  for (const uint32_t node : PathOf(unit, run.node)) {
    const StoredState::Event& event = unit.events[unit.nodes[node].event];
    if (out->back() != '[') *out += ',';
    *out += '{';
    PutText("stage", StageOf(unit, unit.nodes[node].stage), out);
    PutTime("ts", event.ts, out);
    PutText("position", PlaceOf(unit, event), out);
    if (has_events) {
      PutName("event", out);
      *out += event.json;
    }
    *out += '}';
  }
  *out += "]}";
}

void AppendEventText(const StoredState& unit, uint32_t node, bool has_events, std::string* out) {
  const StoredState::Event& event = unit.events[unit.nodes[node].event];
  *out += "    ";
  out->append(StageOf(unit, unit.nodes[node].stage));
  *out += "  ";
  alerts::AppendTimeMs(event.ts, out);
  *out += "  " + PlaceOf(unit, event);
  if (has_events) out->append("  ").append(event.json);
  *out += '\n';
}

void AppendRunText(const StoredState& unit, const StoredState::Run& run, const Names& rules,
                   bool is_held, bool has_events, std::string* out) {
  *out += "  ";
  for (const std::string& rule : rules) *out += rule + (&rule == &rules.back() ? ": " : ", ");
  if (is_held) {
    *out += "complete, held back by an earlier partial match\n";
  } else {
    *out += "waits at stage ";
    out->append(StageOf(unit, unit.states[run.state].stage));
    out->append(unit.states[run.state].role).append("\n");
  }
  if (unit.is_grouped) return;
  for (const uint32_t node : PathOf(unit, run.node)) {
    AppendEventText(unit, node, has_events, out);
  }
}

}  // namespace

void AppendHeadJson(const state::CommitHead& head, std::string* out) {
  *out += '{';
  PutNumber("commit", head.number, out);
  PutTime("watermark", head.watermark, out);
  PutBool("drained", head.is_drained, out);
  PutText("rule_set", head.rule_set_version, out);
  PutName("partitions", out);
  *out += '[';
  for (const state::PartitionPosition& position : head.positions) {
    if (out->back() != '[') *out += ',';
    AppendPositionJson(position, out);
  }
  *out += ']';
  PutName("boots", out);
  *out += '[';
  for (const state::Boot& boot : head.boots) {
    if (out->back() != '[') *out += ',';
    *out += '{';
    PutNumber("number", boot.number, out);
    PutNumber("first_sequence", boot.first_sequence, out);
    *out += '}';
  }
  *out += ']';
  PutName("outbox", out);
  *out += '{';
  PutNumber("first", head.outbox_begin, out);
  PutNumber("end", head.outbox_end, out);
  PutNumber("bytes", head.outbox_bytes, out);
  *out += '}';
  PutName("sinks", out);
  *out += '[';
  for (const state::SinkCursor& cursor : head.cursors) {
    if (out->back() != '[') *out += ',';
    *out += '{';
    PutText("sink", cursor.sink, out);
    PutNumber("next", cursor.position.sequence, out);
    PutNumber("dropped", cursor.dropped, out);
    *out += '}';
  }
  *out += "]}";
}

void AppendJournalJson(uint64_t commit, const state::JournalEntry& entry, std::string* out) {
  *out += '{';
  PutText("what", "journal", out);
  PutNumber("commit", commit, out);
  PutNumber("kind", entry.kind, out);
  PutTime("watermark", entry.watermark, out);
  PutName("body", out);
  *out += '"';
  alerts::AppendBase64(entry.body, out);
  *out += "\"}";
}

void AppendRecordJson(uint64_t sequence, const state::OutboxRecord& record, std::string* out) {
  *out += '{';
  PutText("what", "outbox", out);
  PutNumber("sequence", sequence, out);
  PutText("output", record.output, out);
  PutText("id", ToHex(record.id), out);
  PutText("body", record.body, out);
  *out += '}';
}

void AppendRowJson(const state::KeptRow& row, std::string* out) {
  *out += '{';
  PutText("what", "row", out);
  PutText("source", row.source, out);
  PutText("topic", row.topic, out);
  PutName("partition", out);
  AppendInt(row.partition, out);
  PutName("offset", out);
  AppendInt(row.offset, out);
  PutText("text", row.bytes, out);
  *out += '}';
}

void AppendRuleJson(const std::string& id, uint64_t incarnation, std::string* out) {
  *out += '{';
  PutText("what", "rule", out);
  PutText("id", id, out);
  PutNumber("incarnation", incarnation, out);
  *out += '}';
}

void AppendStandJson(const state::CommitHead& head, const std::map<std::string, uint64_t>& open,
                     std::string* out) {
  *out += "{\"head\":";
  AppendHeadJson(head, out);
  PutName("partial_matches", out);
  *out += '{';
  for (const auto& [rule, count] : open) PutNumber(rule, count, out);
  *out += "}}\n";
}

void AppendStandText(const state::CommitHead& head, const std::map<std::string, uint64_t>& open,
                     std::string* out) {
  const auto time = [](const std::optional<int64_t>& ms) {
    std::string text;
    if (ms) alerts::AppendTimeMs(*ms, &text);
    return ms ? text : std::string("none");
  };
  absl::StrAppend(out, "commit ", head.number, ", watermark ",
                  head.is_drained ? "end of time (drained)" : time(head.watermark), ", rule set ",
                  head.rule_set_version.empty() ? "none" : head.rule_set_version, "\n");
  for (const auto& [rule, count] : open) {
    absl::StrAppend(out, "  ", rule, ": ", count, " partial matches\n");
  }
  for (const state::PartitionPosition& at : head.positions) {
    absl::StrAppend(out, at.source, "/", at.topic, "/", at.partition, ": next offset ",
                    at.next_offset, ", watermark ", time(at.watermark), at.is_idle ? ", idle" : "",
                    "\n  read ", at.ledger.read, " = processed ", at.ledger.processed, " + late ",
                    at.ledger.late, " + quarantined ", at.ledger.quarantined);
    absl::StrAppend(out, " + rate limited ", at.ledger.rate_limited, " + lost ", at.ledger.lost,
                    " + waiting ", at.waiting.size(), "\n");
  }
  absl::StrAppend(out, "outbox: ", head.outbox_end - head.outbox_begin, " records, ",
                  head.outbox_bytes, " bytes\n");
  for (const state::SinkCursor& cursor : head.cursors) {
    absl::StrAppend(out, "  ", cursor.sink, ": ", head.outbox_end - cursor.position.sequence,
                    " behind, ", cursor.dropped, " dropped\n");
  }
}

std::string UnitText::RuleName(uint64_t incarnation) const {
  const auto name = options_.rules.find(incarnation);
  return name == options_.rules.end() ? absl::StrCat("incarnation ", incarnation) : name->second;
}

std::vector<std::string> UnitText::NamesOf(const StoredState& unit,
                                           const StoredState::Run& run) const {
  Names names;
  for (const uint64_t incarnation : RulesOf(unit, run)) names.push_back(RuleName(incarnation));
  return names;
}

Status UnitText::CountPartialMatches(const state::StoredUnit& unit,
                                     std::map<std::string, uint64_t>* by_rule) const {
  Reading reading;
  RETURN_IF_ERROR(reading.Read(unit, {}));
  const StoredState& stored = reading.read().stored;
  for (const auto* runs : {&stored.runs, &stored.held}) {
    for (const StoredState::Run& run : *runs) {
      for (const std::string& rule : NamesOf(stored, run)) ++(*by_rule)[rule];
    }
  }
  return absl::OkStatus();
}

Status UnitText::Check(const state::StoredUnit& unit) const {
  Reading reading;
  return reading.Read(unit, {});
}

Status UnitText::AppendJson(const state::StoredUnit& unit, std::string* out) const {
  Reading reading;
  RETURN_IF_ERROR(reading.Read(unit, options_.key));
  if (!reading.is_wanted()) return absl::OkStatus();
  const ReadUnit& read = reading.read();
  const StoredState& stored = read.stored;
  *out += '{';
  PutText("what", "unit", out);
  PutText("key_fields", read.key.key_expression, out);
  PutName("key", out);
  *out += '[';
  for (const cep::Value& value : cep::DecodeKey(read.key.key_values)) {
    if (out->back() != '[') *out += ',';
    alerts::AppendValueJson(value, out);
  }
  *out += ']';
  PutText("owner", read.key.owner, out);
  PutNumber("key_group", read.key.key_group, out);
  PutNumber("bytes", unit.body.size(), out);
  PutNumber("events", stored.events.size(), out);
  PutBool("grouped", stored.is_grouped, out);
  PutName("partial_matches", out);
  *out += '[';
  for (const StoredState::Run& run : stored.runs) {
    if (out->back() != '[') *out += ',';
    AppendRunJson(stored, run, NamesOf(stored, run), false, options_.has_events, out);
  }
  for (const StoredState::Run& run : stored.held) {
    if (out->back() != '[') *out += ',';
    AppendRunJson(stored, run, NamesOf(stored, run), true, options_.has_events, out);
  }
  *out += "]}";
  return absl::OkStatus();
}

Status UnitText::AppendText(const state::StoredUnit& unit, std::string* out) const {
  Reading reading;
  RETURN_IF_ERROR(reading.Read(unit, options_.key));
  if (!reading.is_wanted()) return absl::OkStatus();
  const ReadUnit& read = reading.read();
  const StoredState& stored = read.stored;
  const size_t count = stored.runs.size() + stored.held.size();
  out->append(read.key.key_expression).append(" = ").append(read.key_text);
  if (!read.key.owner.empty()) out->append(", ").append(read.key.owner);
  *out += ": " + std::to_string(count) +
          (stored.is_grouped ? " groups of partial matches over "
           : count == 1      ? " partial match over "
                             : " partial matches over ") +
          std::to_string(stored.events.size()) +
          (stored.events.size() == 1 ? " event, " : " events, ") +
          std::to_string(unit.body.size()) + " bytes\n";
  for (const StoredState::Run& run : stored.runs) {
    AppendRunText(stored, run, NamesOf(stored, run), false, options_.has_events, out);
  }
  for (const StoredState::Run& run : stored.held) {
    AppendRunText(stored, run, NamesOf(stored, run), true, options_.has_events, out);
  }
  return absl::OkStatus();
}

}  // namespace vigil::cmd
