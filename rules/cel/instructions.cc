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

// The overload's result, paid for by its cost.
Value Call(Frame& frame, const Overload& overload, const Value* args, size_t count) {
  if (overload.cost == Cost::kConstant) return overload.implementation(frame.call, args);
  if (!frame.call.work.Spend(StepsOf(overload.cost, args, count))) {
    return Value::Error(kTooMuchWork);
  }
  const Value result = overload.implementation(frame.call, args);
  // A comparison that ran out of work says false: it must not pass for an answer.
  if (frame.call.work.left == 0) return Value::Error(kTooMuchWork);
  return IsOverMemory(frame) ? Value::Error(kTooMuchMemory) : result;
}

Next CallAny(Frame& frame, Next self, bool is_member) {
  Value* args = &frame.registers[self->dst];
  if (PassErrorOn(args, self->count)) return self + 1;
  for (const Overload& overload : self->function->overloads) {
    if (overload.is_member != is_member || overload.parameters.size() != self->count ||
        overload.implementation == nullptr || !Takes(overload, args, self->count)) {
      continue;
    }
    *args = Call(frame, overload, args, self->count);
    return self + 1;
  }
  *args = kNoOverload;
  return self + 1;
}

}  // namespace

Value ProblemOfKey(Frame& frame, const Value& map, const Value& key) {
  if (key.tag != ValueTag::kString && key.tag != ValueTag::kInt && key.tag != ValueTag::kUint &&
      key.tag != ValueTag::kBool) {
    return Value::Error("a map's key is bool, int, uint or string");
  }
  if (!frame.call.work.Spend(map.size / 4)) return Value::Error(kTooMuchWork);
  return FindKey(map, key) == nullptr ? Value() : Value::Error("a key is repeated in a map");
}

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

namespace {

constexpr Value kTooMuch = Value::Error(kTooMuchWork);
constexpr uint32_t kSmallMap = 32;  // entries that are looked through for free

bool CanSearch(Frame& frame, const Value& map) {
  return map.size <= kSmallMap || frame.call.work.Spend(map.size / 4);
}

// The value of `key` in a map, absent if there is none; an error if it is no map.
Value Lookup(Frame& frame, const Value& map, std::string_view key) {
  if (map.tag != ValueTag::kMap) return map.is_error() ? map : kNoOverload;
  if (!CanSearch(frame, map)) return kTooMuch;
  const cep::MapEntry* entry = FindKey(map, key);
  return entry == nullptr ? Value() : entry->value;
}

// An optional of a value that may be absent.
Value AsOptional(Frame& frame, const Value& value) {
  if (value.is_error()) return value;
  return value.is_absent() ? OptionalNone() : OptionalOf(value, frame.call.arena);
}

// operand[index], or absent; errors but for a missing key or item.
Value ItemAt(Frame& frame, const Value& operand, const Value& index) {
  if (operand.is_error()) return operand;
  if (index.is_error()) return index;
  if (operand.tag == ValueTag::kMap) {
    if (!CanSearch(frame, operand)) return kTooMuch;
    const cep::MapEntry* entry = FindKey(operand, index);
    return entry == nullptr ? Value() : entry->value;
  }
  if (operand.tag != ValueTag::kList && operand.tag != kEventsTag) return kNoOverload;
  const auto at = AsIndex(index);
  if (!at) return Value::Error("a list is indexed by whole numbers");
  if (*at < 0 || *at >= operand.size) return Value();
  if (operand.tag == ValueTag::kList) return operand.list[*at];
  return EventReference(reinterpret_cast<const cep::CapturedEvent* const*>(operand.s)[*at]);
}

}  // namespace

Next SelectKey(Frame& frame, Next self) {
  const Value& operand = frame.registers[self->a];
  if (operand.tag == kOptionalTag) return OptionalKey(frame, self);
  const Value value = Lookup(frame, operand, self->constant->text());
  frame.registers[self->dst] = value.is_absent() ? *self->error : value;
  return self + 1;
}

Next OptionalKey(Frame& frame, Next self) {
  Value operand = frame.registers[self->a];
  if (operand.tag == kOptionalTag && operand.size > 0) operand = *operand.list;
  frame.registers[self->dst] =
      operand.tag == kOptionalTag
          ? operand
          : AsOptional(frame, Lookup(frame, operand, self->constant->text()));
  return self + 1;
}

Next HasKey(Frame& frame, Next self) {
  Value operand = frame.registers[self->a];
  Value& result = frame.registers[self->dst];
  if (operand.tag == kOptionalTag && operand.size > 0) operand = *operand.list;
  if (operand.tag == kOptionalTag) {
    result = Value::Bool(false);
    return self + 1;
  }
  const Value value = Lookup(frame, operand, self->constant->text());
  result = value.is_error() ? value : Value::Bool(!value.is_absent());
  return self + 1;
}

Next OptionalEventField(Frame& frame, Next self) {
  const Value& event = frame.registers[self->a];
  Value value = event.is_error() ? event : kNoOverload;
  if (event.tag == kEventTag) value = FieldOf(frame.context, event, self->slot);
  frame.registers[self->dst] = AsOptional(frame, value);
  return self + 1;
}

Next Index(Frame& frame, Next self) {
  const Value operand = frame.registers[self->a];
  if (operand.tag == kOptionalTag) return OptionalIndex(frame, self);
  const Value value = ItemAt(frame, operand, frame.registers[self->b]);
  Value& result = frame.registers[self->dst];
  result = value;
  if (value.is_absent()) {
    result =
        Value::Error(operand.tag == ValueTag::kMap ? "no such key" : "list index out of range");
  }
  return self + 1;
}

Next OptionalIndex(Frame& frame, Next self) {
  Value operand = frame.registers[self->a];
  const Value& index = frame.registers[self->b];
  if (operand.tag == kOptionalTag && operand.size > 0) operand = *operand.list;
  const bool none = operand.tag == kOptionalTag && !index.is_error();
  frame.registers[self->dst] = none ? operand : AsOptional(frame, ItemAt(frame, operand, index));
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

Next Splice(Frame& frame, Next self) {
  Value& value = frame.registers[self->dst];
  if (value.tag == kOptionalTag) {
    value.tag = kSpliceTag;
  } else if (!value.is_error()) {
    value = Value::Error("no such overload: after `?` comes an optional value");
  }
  return self + 1;
}

Next MakeList(Frame& frame, Next self) {
  Value* items = &frame.registers[self->dst];
  if (PassErrorOn(items, self->count)) return self + 1;
  Value* list = frame.call.arena.New<Value>(self->count);
  uint32_t size = 0;
  for (uint16_t i = 0; i < self->count; ++i) {
    if (items[i].tag != kSpliceTag) {
      list[size++] = items[i];
    } else if (items[i].size > 0) {
      list[size++] = *items[i].list;
    }
  }
  *items = Value::List(list, size);
  return self + 1;
}

Next MakeMap(Frame& frame, Next self) {
  Value* items = &frame.registers[self->dst];
  if (PassErrorOn(items, self->count)) return self + 1;
  auto* entries = frame.call.arena.New<cep::MapEntry>(self->count / 2);
  Value map = Value::Map(entries, 0);
  for (uint16_t i = 0; i + 1 < self->count; i += 2) {
    const Value& value = items[i + 1];
    if (value.tag == kSpliceTag && value.size == 0) continue;
    const Value problem = ProblemOfKey(frame, map, items[i]);
    if (problem.is_error()) {
      *items = problem;
      return self + 1;
    }
    entries[map.size++] = {items[i], value.tag == kSpliceTag ? *value.list : value};
  }
  *items = map;
  return self + 1;
}

Next CallOverload(Frame& frame, Next self) {
  Value* args = &frame.registers[self->dst];
  if (PassErrorOn(args, self->count)) return self + 1;
  *args = Takes(*self->overload, args, self->count)
              ? Call(frame, *self->overload, args, self->count)
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
  *args = Call(frame, overload, args, 2);
  return self + 1;
}

Next CallFunction(Frame& frame, Next self) { return CallAny(frame, self, /*is_member=*/false); }
Next CallMember(Frame& frame, Next self) { return CallAny(frame, self, /*is_member=*/true); }

Next MatchPattern(Frame& frame, Next self) {
  Value& text = frame.registers[self->dst];
  if (text.tag == ValueTag::kString) {
    if (!frame.call.work.Spend(StepsOf(Cost::kLinear, &text, 1))) {
      text = kTooMuch;
      return self + 1;
    }
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

Next Copy(Frame& frame, Next self) {
  frame.registers[self->dst] = frame.registers[self->a];
  return self + 1;
}

namespace {

// True, with an error in its place, unless the value is an optional.
bool FailsAsOptional(Value& value) {
  if (value.tag == kOptionalTag) return false;
  if (!value.is_error()) value = kNoOverload;
  return true;
}

}  // namespace

Next UnlessOptional(Frame& frame, Next self) {
  Value& value = frame.registers[self->dst];
  return FailsAsOptional(value) || value.size > 0 ? frame.code + self->jump : self + 1;
}

Next UnlessValue(Frame& frame, Next self) {
  Value& value = frame.registers[self->dst];
  if (FailsAsOptional(value)) return frame.code + self->jump;
  if (value.size == 0) return self + 1;
  value = *value.list;
  return frame.code + self->jump;
}

Next OptionalMapBegin(Frame& frame, Next self) {
  Value& value = frame.registers[self->dst];
  if (FailsAsOptional(value) || value.size == 0) return frame.code + self->jump;
  frame.registers[self->dst + 1] = *value.list;
  return self + 1;
}

Next OptionalMapEnd(Frame& frame, Next self) {
  frame.registers[self->dst] = AsOptional(frame, frame.registers[self->a]);
  return self + 1;
}

Next Return(Frame&, Next) { return nullptr; }

}  // namespace vigil::rules::cel::instructions
