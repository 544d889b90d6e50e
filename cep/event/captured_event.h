// An event that a partial match holds on to: a copy of what alerts and correlated conditions need
// of it.
//
// Its memory belongs to the shard that captured it (patterns/match_store.h). Many are held at a
// time, and what they take is most of what a job takes: what several have in common lies elsewhere,
// and of a line whose frame is known only the values are kept.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cep/event/batch.h"
#include "cep/event/text_frame.h"
#include "cep/event/value.h"

namespace vigil::cep {

// What events of one origin have in common.
struct EventShape {
  const Partition* partition = nullptr;
  std::shared_ptr<const TextFrame> frame;  // null: the texts are whole
  // Slots of the layout of which values are held.
  uint32_t first_slot = 0;
  uint32_t value_count = 0;
};
inline const EventShape kNoShape;

struct CapturedEvent {
  int64_t ts = 0;  // event time, ms
  uint64_t offset = 0;
  uint64_t seq = 0;  // number in the shard's order: which of two events is the later one
  const EventShape* shape = &kNoShape;
  // Absent where a slot in between is not kept; texts live in the same allocation.
  const Value* values = nullptr;
  // Of the event as a JSON object, whole or packed, which ends where the values begin, but for
  // padding to kTextAlignment.
  uint32_t text_size = 0;

  static constexpr size_t kTextAlignment = 8;
  static constexpr size_t PaddedTextSize(size_t size) {
    return (size + kTextAlignment - 1) / kTextAlignment * kTextAlignment;
  }

  const Partition* partition() const { return shape->partition; }
  // The field in `slot`; kAbsent where the event has none.
  Value Get(uint32_t slot) const {
    const uint32_t place = slot - shape->first_slot;
    return place < shape->value_count ? values[place] : Value();
  }

  // The whole event as a JSON object, one line.
  size_t json_size() const {
    return shape->frame == nullptr ? text_size : shape->frame->UnpackedSize(text());
  }
  void AppendJson(std::string* out) const {
    if (shape->frame == nullptr) {
      out->append(text());
    } else {
      shape->frame->AppendUnpacked(text(), out);
    }
  }
  std::string Json() const {
    std::string json;
    AppendJson(&json);
    return json;
  }

 private:
  std::string_view text() const {
    return {reinterpret_cast<const char*>(values) - PaddedTextSize(text_size), text_size};
  }
};

}  // namespace vigil::cep
