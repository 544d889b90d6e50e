// Optional values. Source: cel-go's optional types.
#include "rules/cel/functions.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

Value Of(CallContext& context, const Value* args) { return OptionalOf(args[0], context.arena); }

Value OfNonZero(CallContext& context, const Value* args) {
  return IsZeroValue(args[0]) ? OptionalNone() : OptionalOf(args[0], context.arena);
}

Value None(CallContext&, const Value*) { return OptionalNone(); }

Value HasValue(CallContext&, const Value* args) { return Value::Bool(args[0].size > 0); }

Value ValueOf(CallContext&, const Value* args) {
  return args[0].size > 0 ? *args[0].list : Value::Error("optional.none() has no value");
}

// Programs evaluate the second operand of these two only if it is wanted (emitter.cc).
Value Or(CallContext&, const Value* args) { return args[0].size > 0 ? args[0] : args[1]; }
Value OrValue(CallContext&, const Value* args) {
  return args[0].size > 0 ? *args[0].list : args[1];
}

Value Unwrap(CallContext& context, const Value* args) {
  Value* items = context.arena.New<Value>(args[0].size);
  uint32_t count = 0;
  for (uint32_t i = 0; i < args[0].size; ++i) {
    const Value& item = args[0].list[i];
    if (item.tag != kOptionalTag) return Value::Error("no such overload: an item is not optional");
    if (item.size > 0) items[count++] = *item.list;
  }
  return Value::List(items, count);
}

}  // namespace

std::vector<FunctionRow> OptionalRows() {
  return {
      {"optional.of(<T>) -> optional_type(<T>)", "An optional that holds the value.", &Of},
      {"optional.ofNonZeroValue(<T>) -> optional_type(<T>)",
       "The same, but none for null, 0, \"\", false and what else is empty.", &OfNonZero},
      {"optional.none() -> optional_type(<T>)", "An optional that holds nothing.", &None},
      {"optional_type(<T>).hasValue() -> bool", "Whether it holds a value.", &HasValue},
      {"optional_type(<T>).value() -> <T>", "The value; an error if there is none.", &ValueOf},
      {"optional_type(<T>).or(optional_type(<T>)) -> optional_type(<T>)",
       "The optional itself if it holds a value, else the other one.", &Or},
      {"optional_type(<T>).orValue(<T>) -> <T>", "The value, or another one if there is none.",
       &OrValue},
      {"optional.unwrap(list(optional_type(<T>))) -> list(<T>)",
       "What the optionals hold, those without a value left out.", &Unwrap, Cost::kLinear},
      {"list(optional_type(<T>)).unwrapOpt() -> list(<T>)", "The same.", &Unwrap, Cost::kLinear},
  };
}

}  // namespace vigil::rules::cel
