// An event that a partial match holds on to: a copy of what alerts and correlated conditions need
// of it.
//
// Its memory belongs to the shard that captured it (patterns/match_store.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "cep/event/batch.h"
#include "cep/event/value.h"

namespace vigil::cep {

struct CapturedEvent {
  int64_t ts = 0;  // event time, ms
  const Partition* partition = nullptr;
  uint64_t offset = 0;
  uint64_t seq = 0;  // number in the shard's order: which of two events is the later one
  const char* json_text = nullptr;
  const Value* values = nullptr;  // by slot of the layout, absent where it is not kept; texts live
                                  // in the same allocation
  uint32_t json_size = 0;
  uint32_t value_count = 0;

  // The whole event as a JSON object, one line.
  std::string_view json() const { return {json_text, json_size}; }
  void set_json(std::string_view json) {
    json_text = json.data();
    json_size = static_cast<uint32_t>(json.size());
  }

  // The field in `slot`; kAbsent where the event has none.
  Value Get(uint32_t slot) const { return slot < value_count ? values[slot] : Value(); }
};

}  // namespace vigil::cep
