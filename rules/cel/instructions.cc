// Loads, makes, calls and control. Comparisons are in instructions_compare.cc, loops in
// instructions_loop.cc.
#include "rules/cel/instructions.h"

#include <algorithm>

#include "cep/base/check.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel::instructions {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr Value kNoOverload = Value::Error("no such overload");
constexpr Value kNoEvent = Value::Error("the stage has accepted no event");

// The current event's field, absent or not.
Value FieldOf(const cep::EvalContext& context, uint32_t slot) {
  if (context.block != nullptr) return context.block->columns[slot].Get(context.row);
  return context.event != nullptr ? context.event->Get(slot) : Value();
}

Value FieldOf(const cep::EvalContext& context, const Value& event, uint32_t slot) {
  if (event.s == nullptr) return FieldOf(context, slot);
  return reinterpret_cast<const cep::CapturedEvent*>(event.s)->Get(slot);
}

const cep::CapturedEvent* EventOfStage(const Frame& frame, uint32_t stage) {
  if (frame.context.stages == nullptr) return nullptr;
  const cep::StageEvents& events = frame.context.stages[stage];
  return events.count > 0 ? events.events[events.count - 1] : nullptr;
}

Value EventReference(const cep::CapturedEvent* event) {
  Value value;
  value.tag = kEventTag;
  value.s = reinterpret_cast<const char*>(event);
  return value;
}

bool TagFits(ValueTag parameter, ValueTag argument) {
  return parameter == argument || parameter == ValueTag::kAbsent ||
         (parameter == ValueTag::kList && argument == kEventsTag);
}

bool Takes(const Overload& overload, const Value* args, uint16_t count) {
  for (uint16_t i = 0; i < count; ++i) {
    if (!TagFits(overload.tags[i], args[i].tag)) return false;
  }
  return true;
}

// True, with the error in r[dst], if one of the arguments is an error.
bool PassErrorOn(Value* args, uint16_t count) {
  for (uint16_t i = 0; i < count; ++i) {
    if (args[i].is_error()) {
      args[0] = args[i];
      return true;
    }
  }
  return false;
}

Next CallAny(Frame& frame, Next self, bool is_member) {
  Value* args = &frame.registers[self->dst];
  if (PassErrorOn(args, self->count)) return self + 1;
  for (const Overload& overload : self->function->overloads) {
    if (overload.is_member != is_member || overload.parameters.size() != self->count ||
        overload.implementation == nullptr || !Takes(overload, args, self->count)) {
      continue;
    }
    *args = overload.implementation(frame.call, args);
    return self + 1;
  }
  *args = kNoOverload;
  return self + 1;
}

}  // namespace

Next LoadConstant(Frame& frame, Next self) {
  frame.registers[self->dst] = *self->constant;
  return self + 1;
}

Next LoadField(Frame& frame, Next self) {
  const Value value = FieldOf(frame.context, self->slot);
  frame.registers[self->dst] = value.is_absent() ? *self->error : value;
  return self + 1;
}

Next LoadStageField(Frame& frame, Next self) {
  const cep::CapturedEvent* event = EventOfStage(frame, self->jump);
  const Value value = event == nullptr ? kNoEvent : event->Get(self->slot);
  frame.registers[self->dst] = value.is_absent() ? *self->error : value;
  return self + 1;
}

Next LoadEventField(Frame& frame, Next self) {
  const Value& event = frame.registers[self->a];
  Value value = event;
  if (event.tag == kEventTag) {
    value = FieldOf(frame.context, event, self->slot);
  } else if (!event.is_error()) {
    value = kNoOverload;
  }
  frame.registers[self->dst] = value.is_absent() ? *self->error : value;
  return self + 1;
}

Next LoadEvent(Frame& frame, Next self) {
  frame.registers[self->dst] = EventReference(nullptr);
  return self + 1;
}

Next LoadStageEvent(Frame& frame, Next self) {
  const cep::CapturedEvent* event = EventOfStage(frame, self->jump);
  frame.registers[self->dst] = event == nullptr ? kNoEvent : EventReference(event);
  return self + 1;
}

Next LoadStageEvents(Frame& frame, Next self) {
  Value value = Value::List(nullptr, 0);
  if (frame.context.stages != nullptr) {
    const cep::StageEvents& events = frame.context.stages[self->jump];
    value.tag = kEventsTag;
    value.s = reinterpret_cast<const char*>(events.events);
    value.size = events.count;
  }
  frame.registers[self->dst] = value;
  return self + 1;
}

Next HasField(Frame& frame, Next self) {
  frame.registers[self->dst] = Value::Bool(!FieldOf(frame.context, self->slot).is_absent());
  return self + 1;
}

Next HasStageField(Frame& frame, Next self) {
  const cep::CapturedEvent* event = EventOfStage(frame, self->jump);
  frame.registers[self->dst] =
      event == nullptr ? kNoEvent : Value::Bool(!event->Get(self->slot).is_absent());
  return self + 1;
}

Next HasEventField(Frame& frame, Next self) {
  const Value& event = frame.registers[self->a];
  Value value = event.is_error() ? event : kNoOverload;
  if (event.tag == kEventTag) {
    value = Value::Bool(!FieldOf(frame.context, event, self->slot).is_absent());
  }
  frame.registers[self->dst] = value;
  return self + 1;
}

Next SelectKey(Frame& frame, Next self) {
  const Value& map = frame.registers[self->a];
  Value value = map.is_error() ? map : kNoOverload;
  if (map.tag == ValueTag::kMap) {
    const cep::MapEntry* entry = FindKey(map, self->constant->text());
    value = entry == nullptr ? *self->error : entry->value;
  }
  frame.registers[self->dst] = value.is_absent() ? *self->error : value;
  return self + 1;
}

Next HasKey(Frame& frame, Next self) {
  const Value& map = frame.registers[self->a];
  Value value = map.is_error() ? map : kNoOverload;
  if (map.tag == ValueTag::kMap) {
    const cep::MapEntry* entry = FindKey(map, self->constant->text());
    value = Value::Bool(entry != nullptr && !entry->value.is_absent());
  }
  frame.registers[self->dst] = value;
  return self + 1;
}

Next Index(Frame& frame, Next self) {
  const Value operand = frame.registers[self->a];
  const Value index = frame.registers[self->b];
  Value& result = frame.registers[self->dst];
  if (operand.is_error() || index.is_error()) {
    result = operand.is_error() ? operand : index;
  } else if (operand.tag == ValueTag::kMap) {
    const cep::MapEntry* entry = FindKey(operand, index);
    result = entry == nullptr ? Value::Error("no such key") : entry->value;
  } else if (operand.tag != ValueTag::kList && operand.tag != kEventsTag) {
    result = kNoOverload;
  } else if (const auto at = AsIndex(index); !at) {
    result = Value::Error("a list is indexed by whole numbers");
  } else if (*at < 0 || *at >= operand.size) {
    result = Value::Error("list index out of range");
  } else if (operand.tag == kEventsTag) {
    result = EventReference(reinterpret_cast<const cep::CapturedEvent* const*>(operand.s)[*at]);
  } else {
    result = operand.list[*at];
  }
  return self + 1;
}

namespace {

Value EventToMap(Frame& frame, const Value& event) {
  const auto& fields = frame.program.event_fields();
  auto* entries = frame.call.arena.New<cep::MapEntry>(fields.size());
  uint32_t count = 0;
  for (const Program::EventField& field : fields) {
    const Value value = FieldOf(frame.context, event, field.slot);
    if (value.is_absent()) continue;
    entries[count++] = {field.name, value};
  }
  return Value::Map(entries, count);
}

}  // namespace

Next EventsToMaps(Frame& frame, Next self) {
  Value& value = frame.registers[self->dst];
  if (value.tag == kEventTag) {
    value = EventToMap(frame, value);
  } else if (value.tag == kEventsTag || value.tag == ValueTag::kList) {
    Value* items = frame.call.arena.New<Value>(value.size);
    for (uint32_t i = 0; i < value.size; ++i) {
      const Value event =
          value.tag == ValueTag::kList
              ? value.list[i]
              : EventReference(reinterpret_cast<const cep::CapturedEvent* const*>(value.s)[i]);
      items[i] = event.tag == kEventTag ? EventToMap(frame, event) : event;
    }
    value = Value::List(items, value.size);
  }
  return self + 1;
}

Next MakeList(Frame& frame, Next self) {
  Value* items = &frame.registers[self->dst];
  if (PassErrorOn(items, self->count)) return self + 1;
  Value* list = frame.call.arena.New<Value>(self->count);
  std::copy_n(items, self->count, list);
  *items = Value::List(list, self->count);
  return self + 1;
}

Next MakeMap(Frame& frame, Next self) {
  Value* items = &frame.registers[self->dst];
  if (PassErrorOn(items, self->count)) return self + 1;
  const uint32_t size = self->count / 2;
  auto* entries = frame.call.arena.New<cep::MapEntry>(size);
  for (uint32_t i = 0; i < size; ++i) {
    const Value& key = items[2 * i];
    if (key.tag != ValueTag::kString && key.tag != ValueTag::kInt && key.tag != ValueTag::kUint &&
        key.tag != ValueTag::kBool) {
      *items = Value::Error("a map's key is bool, int, uint or string");
      return self + 1;
    }
    if (FindKey(Value::Map(entries, i), key) != nullptr) {
      *items = Value::Error("a key is repeated in a map");
      return self + 1;
    }
    entries[i] = {key, items[2 * i + 1]};
  }
  *items = Value::Map(entries, size);
  return self + 1;
}

Next CallOverload(Frame& frame, Next self) {
  Value* args = &frame.registers[self->dst];
  if (PassErrorOn(args, self->count)) return self + 1;
  *args = Takes(*self->overload, args, self->count)
              ? self->overload->implementation(frame.call, args)
              : kNoOverload;
  return self + 1;
}

Next CallBinary(Frame& frame, Next self) {
  Value* args = &frame.registers[self->dst];
  const Overload& overload = *self->overload;
  if (args[0].tag != overload.tags[0] || args[1].tag != overload.tags[1]) [[unlikely]] {
    if (!PassErrorOn(args, 2)) *args = kNoOverload;
    return self + 1;
  }
  *args = overload.implementation(frame.call, args);
  return self + 1;
}

Next CallFunction(Frame& frame, Next self) { return CallAny(frame, self, /*is_member=*/false); }
Next CallMember(Frame& frame, Next self) { return CallAny(frame, self, /*is_member=*/true); }

Next MatchPattern(Frame& frame, Next self) {
  Value& text = frame.registers[self->dst];
  if (text.tag == ValueTag::kString) {
    text = Value::Bool(PartialMatch(*self->pattern, text.text()));
  } else if (!text.is_error()) {
    text = kNoOverload;
  }
  return self + 1;
}

namespace {

// `&&` is settled by false, `||` by true; anything but a bool counts as an error, the first one is
// kept.
template <bool kSettles>
Next LogicFirst(Frame& frame, Next self) {
  Value& result = frame.registers[self->dst];
  if (result.tag != ValueTag::kBool) {
    if (!result.is_error()) result = kNoOverload;
    return self + 1;
  }
  return result.b == kSettles ? frame.code + self->jump : self + 1;
}

template <bool kSettles>
Next LogicNext(Frame& frame, Next self) {
  Value& result = frame.registers[self->dst];
  const Value& value = frame.registers[self->a];
  if (value.tag == ValueTag::kBool) {
    if (value.b != kSettles) return self + 1;
    result = value;
    return frame.code + self->jump;
  }
  if (!result.is_error()) result = value.is_error() ? value : kNoOverload;
  return self + 1;
}

}  // namespace

Next AndFirst(Frame& frame, Next self) { return LogicFirst<false>(frame, self); }
Next AndNext(Frame& frame, Next self) { return LogicNext<false>(frame, self); }
Next OrFirst(Frame& frame, Next self) { return LogicFirst<true>(frame, self); }
Next OrNext(Frame& frame, Next self) { return LogicNext<true>(frame, self); }

Next Branch(Frame& frame, Next self) {
  Value& condition = frame.registers[self->dst];
  if (condition.tag == ValueTag::kBool) return condition.b ? self + 1 : frame.code + self->jump;
  if (!condition.is_error()) condition = kNoOverload;
  return frame.code + self->slot;
}

Next Jump(Frame& frame, Next self) { return frame.code + self->jump; }

Next Return(Frame&, Next) { return nullptr; }

}  // namespace vigil::rules::cel::instructions
