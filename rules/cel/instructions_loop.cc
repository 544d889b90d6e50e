// Macros: loops over lists, the keys of maps and the events of stages.
#include <algorithm>

#include "rules/cel/instructions.h"
#include "rules/cel/list_sort.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel::instructions {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr Value kNoOverload = Value::Error("no such overload");
constexpr Value kTooLong = Value::Error("more than 100,000 iterations in one evaluation");

bool IsRange(const Value& value) {
  return value.tag == ValueTag::kList || value.tag == ValueTag::kMap || value.tag == kEventsTag;
}

Value ItemOf(const Value& range, uint32_t at) {
  if (range.tag == ValueTag::kList) return range.list[at];
  if (range.tag == ValueTag::kMap) return range.map[at].key;
  Value event;
  event.tag = kEventTag;
  event.s = reinterpret_cast<const char*>(
      reinterpret_cast<const cep::CapturedEvent* const*>(range.s)[at]);
  return event;
}

Next Begin(Frame& frame, Next self, Value result) {
  Value* loop = &frame.registers[self->dst];
  const Value& range = loop[kLoopRange];
  if (!IsRange(range)) {
    loop[0] = range.is_error() ? range : kNoOverload;
    return frame.code + self->slot;
  }
  loop[0] = result;
  loop[kLoopPosition] = Value::Int(0);
  return self + 1;
}

// Ends the loop with an error: the value if it is one, else that it is no bool.
Next Fail(Frame& frame, Next self, const Value& value) {
  frame.registers[self->dst] = value.is_error() ? value : kNoOverload;
  return frame.code + self->slot;
}

// LoopOverList made room for one item per item of the range.
void Append(Value& list, const Value& item) { const_cast<Value*>(list.list)[list.size++] = item; }

template <bool kSettles>
Next LogicStep(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const Value& value = loop[kLoopBody];
  if (value.tag != ValueTag::kBool) {
    if (!loop[0].is_error()) loop[0] = value.is_error() ? value : kNoOverload;
    return frame.code + self->jump;
  }
  if (value.b != kSettles) return frame.code + self->jump;
  loop[0] = value;
  return frame.code + self->slot;
}

}  // namespace

Next LoopOverAll(Frame& frame, Next self) { return Begin(frame, self, Value::Bool(true)); }
Next LoopOverExists(Frame& frame, Next self) { return Begin(frame, self, Value::Bool(false)); }
Next LoopOverCount(Frame& frame, Next self) { return Begin(frame, self, Value::Int(0)); }

Next LoopOverList(Frame& frame, Next self) {
  const Value& range = frame.registers[self->dst + kLoopRange];
  if (!IsRange(range)) return Begin(frame, self, Value());
  if (range.size > frame.iterations_left) return Fail(frame, self, kTooLong);
  return Begin(frame, self, Value::List(frame.call.arena.New<Value>(range.size), 0));
}

Next LoopOverEntries(Frame& frame, Next self) { return Begin(frame, self, Value::Map(nullptr, 0)); }

Next LoopOverMap(Frame& frame, Next self) {
  const Value& range = frame.registers[self->dst + kLoopRange];
  if (!IsRange(range)) return Begin(frame, self, Value());
  if (range.size > frame.iterations_left) return Fail(frame, self, kTooLong);
  return Begin(frame, self, Value::Map(frame.call.arena.New<cep::MapEntry>(range.size), 0));
}

namespace {

// Goes on to the item at the loop's position; null if there is none, or the loop must end.
Next Advance(Frame& frame, Next self, uint32_t* at) {
  Value* loop = &frame.registers[self->dst];
  *at = static_cast<uint32_t>(loop[kLoopPosition].i);
  if (*at >= loop[kLoopRange].size) return frame.code + self->slot;
  if (frame.iterations_left == 0) return Fail(frame, self, kTooLong);
  --frame.iterations_left;
  if (!frame.call.work.Spend(1)) return Fail(frame, self, Value::Error(kTooMuchWork));
  if (IsOverMemory(frame)) return Fail(frame, self, Value::Error(kTooMuchMemory));
  loop[kLoopPosition].i = *at + 1;
  return nullptr;
}

}  // namespace

Next LoopNext(Frame& frame, Next self) {
  uint32_t at = 0;
  if (const Next end = Advance(frame, self, &at)) return end;
  Value* loop = &frame.registers[self->dst];
  loop[kLoopVariable] = ItemOf(loop[kLoopRange], at);
  return self + 1;
}

Next LoopNextPair(Frame& frame, Next self) {
  uint32_t at = 0;
  if (const Next end = Advance(frame, self, &at)) return end;
  Value* loop = &frame.registers[self->dst];
  const Value& range = loop[kLoopRange];
  const bool is_map = range.tag == ValueTag::kMap;
  loop[kLoopVariable] = is_map ? range.map[at].key : Value::Int(at);
  loop[kLoopSecond] = is_map ? range.map[at].value : ItemOf(range, at);
  return self + 1;
}

Next AllStep(Frame& frame, Next self) { return LogicStep<false>(frame, self); }
Next ExistsStep(Frame& frame, Next self) { return LogicStep<true>(frame, self); }

Next CountStep(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const Value& value = loop[kLoopBody];
  if (value.tag != ValueTag::kBool) return Fail(frame, self, value);
  loop[0].i += value.b ? 1 : 0;
  return frame.code + self->jump;
}

Next FilterStep(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const Value& value = loop[kLoopBody];
  if (value.tag != ValueTag::kBool) return Fail(frame, self, value);
  if (value.b) Append(loop[0], loop[kLoopVariable]);
  return frame.code + self->jump;
}

Next MapCondition(Frame& frame, Next self) {
  const Value& value = frame.registers[self->dst + kLoopBody];
  if (value.tag != ValueTag::kBool) return Fail(frame, self, value);
  return value.b ? self + 1 : frame.code + self->jump;
}

Next MapStep(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const Value& value = loop[kLoopBody];
  if (value.is_error()) return Fail(frame, self, value);
  Append(loop[0], value);
  return frame.code + self->jump;
}

Next TransformMapStep(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const Value& value = loop[kLoopBody];
  if (value.is_error()) return Fail(frame, self, value);
  // Keys of a map and indices are different from each other: none can be repeated.
  auto* entries = const_cast<cep::MapEntry*>(loop[0].map);
  entries[loop[0].size++] = {loop[kLoopVariable], value};
  return frame.code + self->jump;
}

namespace {

bool IsPowerOfTwo(uint32_t n) { return (n & (n - 1)) == 0; }

// Appends an entry; a map whose size is a power of two (or 0) is full, and moves to twice the room.
void AppendEntry(Frame& frame, Value& map, const cep::MapEntry& entry) {
  auto* entries = const_cast<cep::MapEntry*>(map.map);
  if (IsPowerOfTwo(map.size)) {
    entries = frame.call.arena.New<cep::MapEntry>(std::max<uint32_t>(1, map.size * 2));
    std::copy_n(map.map, map.size, entries);
    map.map = entries;
  }
  entries[map.size++] = entry;
}

}  // namespace

Next TransformEntryStep(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const Value& made = loop[kLoopBody];
  if (made.tag != ValueTag::kMap) return Fail(frame, self, made);
  for (uint32_t i = 0; i < made.size; ++i) {
    const Value problem = ProblemOfKey(frame, loop[0], made.map[i].key);
    if (problem.is_error()) return Fail(frame, self, problem);
    AppendEntry(frame, loop[0], made.map[i]);
  }
  return frame.code + self->jump;
}

Next SortByResult(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  if (loop[0].is_error()) return self + 1;
  const Value& range = loop[kLoopRange];
  if (range.tag == ValueTag::kMap) {
    loop[0] = kNoOverload;
    return self + 1;
  }
  Value list = range;
  if (range.tag == kEventsTag) {
    Value* items = frame.call.arena.New<Value>(range.size);
    for (uint32_t i = 0; i < range.size; ++i) items[i] = ItemOf(range, i);
    list = Value::List(items, range.size);
  }
  loop[0] = SortByKeys(frame.call, list, loop[0]);
  return self + 1;
}

Next CountIsOne(Frame& frame, Next self) {
  Value& result = frame.registers[self->dst];
  if (!result.is_error()) result = Value::Bool(result.i == 1);
  return self + 1;
}

}  // namespace vigil::rules::cel::instructions
