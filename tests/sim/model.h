// What a job over a world must give: lateness, ledgers and results, by the rules of time alone.
//
// One loop a partition and one over all rows; nothing of the engine is used. What the input does
// not determine (silence, and what time it was when a partition came or came back) is the journal's
// to say; the model obeys it and holds it against the world.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/sim/world.h"

namespace vigil::sim {

// An entry of the journal.
struct Mark {
  enum class Kind { kJoined, kIdle, kReturned };
  Kind kind;
  uint64_t offset;    // of the first record after it
  int64_t watermark;  // W after it
  int64_t engine;     // E
};
using Journal = std::map<std::string, std::vector<Mark>>;  // by the partition's place

struct ModelLedger {
  uint64_t read = 0;
  uint64_t processed = 0;
  uint64_t late = 0;
  uint64_t quarantined = 0;
  bool operator==(const ModelLedger&) const = default;
};

struct ModelResult {
  int64_t instant;
  std::string rule;
  std::string key;
  std::string text;  // kind and positions
  auto operator<=>(const ModelResult&) const = default;
};

struct ModelOutcome {
  std::map<std::string, ModelLedger> ledgers;  // by the partition's place
  std::vector<std::string> late;               // places of records, sorted
  std::vector<std::string> quarantined;        // the same
  std::vector<ModelResult> results;
};

inline constexpr int64_t kWithinMs = 60;

// `pair` is begin a, next b within 60 ms, with timeouts; `triple` is three c, relaxed, each used
// once; `any` is one row.
inline constexpr char kRules[] = R"(version: 1
rules:
  - rule: any
    key: account
    pattern: [{ begin: one, where: n > 0 }]
  - rule: pair
    key: account
    pattern:
      - begin: first
        where: kind == "a"
      - next: second
        where: kind == "b"
    within: 60ms
    on_timeout: {}
  - rule: triple
    key: account
    pattern: [{ begin: many, where: kind == "c", times: 3 }]
    after_match: skip_past_last_event
)";
inline constexpr char kSchema[] = "fields: {ts: int, account: string, kind: string, n: int}\n";

struct ModelRow {
  int64_t ts;
  const SimPartition* partition;
  size_t offset;
  std::string place;

  const SimRecord& record() const { return partition->records[offset]; }
  auto order() const {
    return std::tie(ts, partition->id.source, partition->id.topic, partition->id.number, offset);
  }
};

// Judges a partition's records one by one; appends those that are in time to `rows`.
inline void JudgePartition(const SimSource& source, const SimPartition& partition,
                           const std::vector<Mark>& marks, ModelOutcome* outcome,
                           std::vector<ModelRow>* rows) {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::min();
  INFO(partition.id.place);
  ModelLedger& ledger = outcome->ledgers[partition.id.place];
  int64_t w = kNever;
  bool is_idle = false;
  size_t next_mark = 0;
  for (size_t offset = 0; offset <= partition.records.size(); ++offset) {
    for (; next_mark < marks.size() && marks[next_mark].offset == offset; ++next_mark) {
      const Mark& mark = marks[next_mark];
      CAPTURE(offset, next_mark);
      switch (mark.kind) {
        case Mark::Kind::kJoined:
          REQUIRE(offset == 0);
          w = std::max(w, mark.engine);
          break;
        case Mark::Kind::kIdle: {
          REQUIRE_FALSE(is_idle);
          is_idle = true;
          // Nothing had come for so long, and nothing was there to be read.
          const int64_t since =
              offset == 0 ? partition.appears_ms : partition.records[offset - 1].arrival_ms;
          const bool is_end = offset == partition.records.size();
          REQUIRE((is_end ||
                   partition.records[offset].arrival_ms - since >= source.time.idle_after_ms));
          break;
        }
        case Mark::Kind::kReturned:
          REQUIRE(is_idle);
          is_idle = false;
          w = std::max(w, mark.engine);
          break;
      }
      REQUIRE(mark.watermark == w);
    }
    if (offset == partition.records.size()) break;
    const SimRecord& record = partition.records[offset];
    const std::string place = partition.id.place + "/" + std::to_string(offset);
    REQUIRE_FALSE(is_idle);
    ++ledger.read;
    if (record.is_broken || record.ts > record.append_ms() + source.max_future_ms) {
      ++ledger.quarantined;
      outcome->quarantined.push_back(place);
      continue;
    }
    if (record.ts <= w) {
      ++ledger.late;
      outcome->late.push_back(place);
    } else {
      ++ledger.processed;
      rows->push_back({record.ts, &partition, offset, place});
    }
    w = std::max(w, record.ts - source.time.bound_ms - 1);
  }
  REQUIRE(next_mark == marks.size());
}

// The rules of kRules over one key's rows, which are in order.
inline void MatchKey(const std::string& key, const std::vector<ModelRow>& rows,
                     std::vector<ModelResult>* results) {
  std::vector<std::string> many;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ModelRow& row = rows[i];
    results->push_back({row.ts, "any", key, "match " + row.place});
    if (row.record().kind == 'a') {
      const int64_t due = row.ts + kWithinMs;
      const bool is_followed = i + 1 < rows.size() && rows[i + 1].ts < due;
      if (!is_followed) {
        results->push_back({due, "pair", key, "timeout " + row.place});
      } else if (rows[i + 1].record().kind == 'b') {
        results->push_back(
            {rows[i + 1].ts, "pair", key, "match " + row.place + " " + rows[i + 1].place});
      }
    }
    if (row.record().kind != 'c') continue;
    many.push_back(row.place);
    if (many.size() < 3) continue;
    results->push_back({row.ts, "triple", key, "match " + many[0] + " " + many[1] + " " + many[2]});
    many.clear();
  }
}

inline ModelOutcome RunModel(const World& world, const Journal& journal) {
  ModelOutcome outcome;
  std::vector<ModelRow> rows;
  for (const SimSource& source : world.sources) {
    for (const SimPartition& partition : source.partitions) {
      const auto marks = journal.find(partition.id.place);
      JudgePartition(source, partition,
                     marks == journal.end() ? std::vector<Mark>() : marks->second, &outcome, &rows);
    }
  }
  std::sort(rows.begin(), rows.end(),
            [](const ModelRow& a, const ModelRow& b) { return a.order() < b.order(); });
  std::map<std::string, std::vector<ModelRow>> keys;
  for (ModelRow& row : rows) {
    const std::string& key = row.record().account;
    if (!key.empty()) keys[key].push_back(std::move(row));
  }
  for (const auto& [key, of_key] : keys) MatchKey(key, of_key, &outcome.results);
  std::sort(outcome.late.begin(), outcome.late.end());
  std::sort(outcome.quarantined.begin(), outcome.quarantined.end());
  std::sort(outcome.results.begin(), outcome.results.end());
  return outcome;
}

}  // namespace vigil::sim
