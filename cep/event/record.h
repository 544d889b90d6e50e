// What leaves the engine: alerts, late and erroneous records, rendered and ready to be written.
#pragma once

#include <cstdint>
#include <string>

#include "cep/base/hash.h"

namespace vigil::cep {

enum class RecordKind : uint8_t { kAlert, kLate, kError };

// One result. `head + output name + tail` is its line for one output; alerts may go to several.
struct Record {
  RecordKind kind = RecordKind::kAlert;
  int64_t instant = 0;  // logical time; results are written in the order (instant, rule, key)
  uint32_t rule =
      0;  // index in the rule set, whose order is that of the rules' ids; of alerts and rule errors
  bool has_rule = false;    // false: a record that the source turned away
  bool is_timeout = false;  // an alert of a partial match that ran out of time
  std::string key;          // typed key bytes
  Hash128 id;
  std::string head;
  std::string tail;
  // Records of equal group are samples of one failure, of which the output keeps the first few.
  // Empty: never dropped.
  std::string sample_group;
};

// Order of results that are merged over shards: by time, rule and key; those of one key keep the
// order in which its shard made them, which does not depend on positions or on the number of
// shards. What the source turned away comes after the results of the same instant, in the order in
// which it was read.
bool ComesBefore(const Record& a, const Record& b);

}  // namespace vigil::cep
