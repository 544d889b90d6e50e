// The body of a unit of state: one key's partial matches for rules that share them, as bytes.
//
// Self-contained and free of anything that is a process's own: rules are named by their
// incarnations, automaton states by stage and role, fields and partitions by name; events carry
// their whole text and are referred to by their place in the total order of rows. What follows from
// this is not stored: start, due time, operands. Byte by byte: docs/state-format.md.
// Tests: tests/patterns/stored_state_test.cc, tests/property/snapshot_test.cc,
// tests/fuzz/unit_fuzz.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/encoding.h"
#include "cep/base/status.h"
#include "cep/event/batch.h"
#include "cep/event/value.h"

namespace vigil::patterns {

inline constexpr uint64_t kBodyFormat = 1;

// A value with its tag. Lists and maps nest at most kMaxValueDepth deep.
inline constexpr uint32_t kMaxValueDepth = 100;
void PutValue(const cep::Value& value, std::string* out);
// Texts point into what `reader` reads, lists and maps into `arena`.
cep::Value ReadValue(ByteReader* reader, Arena* arena);

// Numbers first, first + 1, ... as many as `count`, at least 1.
struct NumberRange {
  uint64_t first = 0;
  uint64_t count = 0;
};
// Appends ascending numbers as ranges: how many, then of each the gap to the end of the one before
// and its length - 1.
void PutRanges(const std::vector<uint64_t>& numbers, std::string* out);
void ReadRanges(ByteReader* reader, std::vector<NumberRange>* out);
bool Contains(const std::vector<NumberRange>& ranges, uint64_t number);

// A body as it was read; texts point into its bytes. Every reference below is in range, those of
// nodes to nodes go backwards.
struct StoredState {
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Place {
    std::string_view source;
    std::string_view topic;
    uint32_t number = 0;
    std::string_view text;  // empty: `SOURCE/TOPIC/NUMBER`
  };
  struct Event {
    int64_t ts = 0;
    uint32_t place = 0;
    uint64_t offset = 0;
    std::string_view json;
    size_t first_value = 0;  // in `values`, one for each field
  };
  // Rules that call the stages alike.
  struct Naming {
    std::vector<std::string_view> stages;  // in their order in the rule, groups behind them
    std::vector<NumberRange> rules;        // incarnations
    uint64_t first = 0;                    // the place of the first of them among all
  };
  struct AutomatonState {
    uint32_t stage = 0;
    std::string_view role;  // which of the stage's states, as Flink numbers them
  };
  // An accepted event behind the path of `parent`.
  struct Node {
    uint32_t event = 0;
    uint32_t stage = 0;
    uint32_t parent = kNone;
  };
  // Of a graph: as Node, or, with stage kNone, the paths of `event` and of `parent`.
  struct Run {
    uint32_t state = kNone;  // none: complete and held back
    uint32_t rules = 0;      // in `sets`
    uint32_t node = 0;
    bool is_by_time = false;  // completed at `end` by time
    int64_t end = 0;
  };

  std::vector<std::string_view> fields;
  std::vector<Place> places;
  std::vector<Event> events;  // in the order of rows: time, partition, offset
  std::vector<cep::Value> values;
  std::vector<Naming> namings;
  uint32_t stage_count = 0;  // without groups
  uint64_t rule_count = 0;
  std::vector<std::vector<NumberRange>> sets;  // of rules, by their places
  std::vector<AutomatonState> states;
  bool is_grouped = false;
  std::vector<Node> nodes;
  std::vector<Run> runs;  // by start
  std::vector<Run> held;  // by start
  // Of a graph: the `within` that ends its paths, 0 for none, which leaves no trace in it before it
  // is swept; GroupedRuns::Counts.
  int64_t within = 0;
  uint64_t accepted = 0;
  uint64_t size = 0;
  uint64_t swept_size = 0;
  // When the key saw its last event, if that was stored, as it is for a `ttl`.
  bool has_last_seen = false;
  int64_t last_seen = 0;
};

// Reads a body into `out`, whose memory is used again. Cost and memory are linear in `body`.
// DATA_LOSS, saying what is wrong, for anything but what StateEncoder writes; UNIMPLEMENTED for a
// newer format.
Status ReadStoredState(std::string_view body, Arena* arena, StoredState* out);

// Says which fields stored events have (UnitKind::capture_layout).
uint64_t CaptureLayoutOf(const std::vector<std::string_view>& fields);

}  // namespace vigil::patterns
