// Macros: loops over lists, the keys of maps and the events of stages.
#include "rules/cel/instructions.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel::instructions {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr Value kNoOverload = Value::Error("no such overload");
constexpr Value kTooLong = Value::Error("more than 100,000 iterations in one evaluation");
constexpr Value kTooMuch = Value::Error("more than 64 MiB of memory in one evaluation");

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

Next LoopNext(Frame& frame, Next self) {
  Value* loop = &frame.registers[self->dst];
  const auto at = static_cast<uint32_t>(loop[kLoopPosition].i);
  if (at >= loop[kLoopRange].size) return frame.code + self->slot;
  if (frame.iterations_left == 0) return Fail(frame, self, kTooLong);
  --frame.iterations_left;
  if (frame.call.arena.bytes_used() - frame.bytes_at_start > kMaxEvaluationBytes) {
    return Fail(frame, self, kTooMuch);
  }
  loop[kLoopVariable] = ItemOf(loop[kLoopRange], at);
  loop[kLoopPosition].i = at + 1;
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

Next CountIsOne(Frame& frame, Next self) {
  Value& result = frame.registers[self->dst];
  if (!result.is_error()) result = Value::Bool(result.i == 1);
  return self + 1;
}

}  // namespace vigil::rules::cel::instructions
