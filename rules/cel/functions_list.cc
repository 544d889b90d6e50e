// Lists and sets. Sources: cel-go's lists and sets extensions, Kubernetes' list library.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "rules/cel/functions.h"
#include "rules/cel/list_sort.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr Value kNoOrder = Value::Error("no such overload: the items have no order between them");

Value MakeRange(CallContext& context, const Value* args) {
  const int64_t count = args[0].i;
  if (count < 0) return Value::Error("a list has no negative number of items");
  if (static_cast<uint64_t>(count) > kMaxListSize) return Value::Error(kListTooLong);
  if (!context.work.Spend(static_cast<uint64_t>(count))) return Value::Error(kTooMuchWork);
  Value* items = context.arena.New<Value>(count);
  for (int64_t i = 0; i < count; ++i) items[i] = Value::Int(i);
  return Value::List(items, static_cast<uint32_t>(count));
}

Value Slice(CallContext& context, const Value* args) {
  const int64_t start = args[1].i;
  const int64_t end = args[2].i;
  if (start < 0 || end < start || end > args[0].size) {
    return MakeError(context.arena, "slice(" + std::to_string(start) + ", " + std::to_string(end) +
                                        ") of a list of " + std::to_string(args[0].size));
  }
  return Value::List(args[0].list + start, static_cast<uint32_t>(end - start));
}

Value Reverse(CallContext& context, const Value* args) {
  Value* items = context.arena.New<Value>(args[0].size);
  std::reverse_copy(args[0].list, args[0].list + args[0].size, items);
  return Value::List(items, args[0].size);
}

// Appends the items of `list`, lists among them opened up to `depth` levels; false on a limit.
bool AppendFlat(CallContext& context, const Value& list, int64_t depth, std::vector<Value>& out) {
  for (uint32_t i = 0; i < list.size; ++i) {
    const Value& item = list.list[i];
    if (!context.work.Spend(1) || out.size() > kMaxListSize) return false;
    if (item.tag != ValueTag::kList || depth == 0) {
      out.push_back(item);
    } else if (!AppendFlat(context, item, depth - 1, out)) {
      return false;
    }
  }
  return true;
}

Value FlattenTo(CallContext& context, const Value& list, int64_t depth) {
  if (depth < 0) return Value::Error("flatten to a negative depth");
  std::vector<Value> flat;
  if (!AppendFlat(context, list, std::min<int64_t>(depth, kMaxValueNesting), flat)) {
    return Value::Error(flat.size() > kMaxListSize ? kListTooLong : kTooMuchWork);
  }
  Value* items = context.arena.New<Value>(flat.size());
  std::copy(flat.begin(), flat.end(), items);
  return Value::List(items, static_cast<uint32_t>(flat.size()));
}

Value Flatten(CallContext& context, const Value* args) { return FlattenTo(context, args[0], 1); }

Value FlattenDepth(CallContext& context, const Value* args) {
  return FlattenTo(context, args[0], args[1].i);
}

bool Holds(CallContext& context, const Value& list, uint32_t count, const Value& item) {
  for (uint32_t i = 0; i < count; ++i) {
    if (Equals(list.list[i], item, context.work)) return true;
  }
  return false;
}

Value Distinct(CallContext& context, const Value* args) {
  Value* items = context.arena.New<Value>(args[0].size);
  Value seen = Value::List(items, 0);
  for (uint32_t i = 0; i < args[0].size; ++i) {
    if (!context.work.Spend(seen.size + 1)) return Value::Error(kTooMuchWork);
    if (!Holds(context, seen, seen.size, args[0].list[i])) items[seen.size++] = args[0].list[i];
  }
  return seen;
}

Value Sort(CallContext& context, const Value* args) {
  return SortByKeys(context, args[0], args[0]);
}

Value First(CallContext& context, const Value* args) {
  return args[0].size == 0 ? OptionalNone() : OptionalOf(args[0].list[0], context.arena);
}

Value Last(CallContext& context, const Value* args) {
  const uint32_t size = args[0].size;
  return size == 0 ? OptionalNone() : OptionalOf(args[0].list[size - 1], context.arena);
}

Value AddPair(CallContext& context, const Value& a, const Value& b) {
  static const Function* const kPlus = FunctionTable::Get().Find("_+_");
  const Value args[] = {a, b};
  for (const Overload& overload : kPlus->overloads) {
    const bool adds = overload.parameters.size() == 2 && overload.cost == Cost::kConstant &&
                      a.tag != ValueTag::kTimestamp && b.tag != ValueTag::kTimestamp;
    if (adds && overload.tags[0] == a.tag && overload.tags[1] == b.tag) {
      return overload.implementation(context, args);
    }
  }
  return Value::Error("no such overload: sum() adds numbers of one type, or durations");
}

// The zero of the value's type.
Value ZeroLike(const Value& value) {
  Value zero = value;
  zero.size = 0;
  zero.u = 0;  // the bits of 0, 0u, 0.0 and 0s alike
  return zero;
}

// The sum; of nothing the zero of the type `kZero`.
template <ValueTag kZero>
Value Sum(CallContext& context, const Value* args) {
  Value sum;
  sum.tag = kZero;
  for (uint32_t i = 0; i < args[0].size && !sum.is_error(); ++i) {
    sum = AddPair(context, i == 0 ? ZeroLike(args[0].list[0]) : sum, args[0].list[i]);
  }
  return sum;
}

template <Order kBetter>
Value Best(CallContext&, const Value* args) {
  if (args[0].size == 0) return Value::Error("an empty list has no least or greatest item");
  Value best = args[0].list[0];
  if (!Compare(best, best)) return kNoOrder;
  for (uint32_t i = 1; i < args[0].size; ++i) {
    const std::optional<Order> order = Compare(args[0].list[i], best);
    if (!order) return kNoOrder;
    if (*order == kBetter) best = args[0].list[i];
  }
  return best;
}

Value IsSorted(CallContext&, const Value* args) {
  for (uint32_t i = 1; i < args[0].size; ++i) {
    const std::optional<Order> order = Compare(args[0].list[i - 1], args[0].list[i]);
    if (!order) return kNoOrder;
    if (*order == Order::kGreater) return Value::Bool(false);
  }
  return Value::Bool(true);
}

template <bool kLast>
Value IndexOf(CallContext& context, const Value* args) {
  for (uint32_t i = 0; i < args[0].size; ++i) {
    const uint32_t at = kLast ? args[0].size - 1 - i : i;
    if (Equals(args[0].list[at], args[1], context.work)) return Value::Int(at);
  }
  return Value::Int(-1);
}

bool ContainsAll(CallContext& context, const Value& list, const Value& items) {
  for (uint32_t i = 0; i < items.size; ++i) {
    if (!Holds(context, list, list.size, items.list[i])) return false;
  }
  return true;
}

Value SetContains(CallContext& context, const Value* args) {
  return Value::Bool(ContainsAll(context, args[0], args[1]));
}

Value SetEquivalent(CallContext& context, const Value* args) {
  return Value::Bool(ContainsAll(context, args[0], args[1]) &&
                     ContainsAll(context, args[1], args[0]));
}

Value SetIntersects(CallContext& context, const Value* args) {
  for (uint32_t i = 0; i < args[0].size; ++i) {
    if (Holds(context, args[1], args[1].size, args[0].list[i])) return Value::Bool(true);
  }
  return Value::Bool(false);
}

}  // namespace

Value SortByKeys(CallContext& context, const Value& list, const Value& keys) {
  const uint32_t size = list.size;
  if (size == 0) return list;
  if (!Compare(keys.list[0], keys.list[0])) return kNoOrder;
  for (uint32_t i = 1; i < size; ++i) {
    if (keys.list[i].tag == keys.list[0].tag) continue;
    return Value::Error("no such overload: a list is sorted by values of one type");
  }
  uint64_t steps = size;
  for (uint32_t n = size; n > 1; n /= 2) steps += size;
  if (!context.work.Spend(steps)) return Value::Error(kTooMuchWork);
  auto* order = context.arena.New<uint32_t>(size);
  for (uint32_t i = 0; i < size; ++i) order[i] = i;
  // NaN has no place in the order: it goes last, so that the order is total.
  const auto is_nan = [](const Value& v) { return v.tag == ValueTag::kDouble && v.d != v.d; };
  std::stable_sort(order, order + size, [&](uint32_t a, uint32_t b) {
    if (is_nan(keys.list[a])) return false;
    if (is_nan(keys.list[b])) return true;
    return *Compare(keys.list[a], keys.list[b]) == Order::kLess;
  });
  Value* items = context.arena.New<Value>(size);
  for (uint32_t i = 0; i < size; ++i) items[i] = list.list[order[i]];
  return Value::List(items, size);
}

std::vector<FunctionRow> ListRows() {
  return {
      {"lists.range(int) -> list(int)", "0, 1, ... up to the number, which is left out.",
       &MakeRange, Cost::kLinear},
      {"list(<T>).slice(int, int) -> list(<T>)",
       "The items from a position up to another one, which is left out.", &Slice},
      {"list(<T>).reverse() -> list(<T>)", "The items from the last to the first.", &Reverse,
       Cost::kLinear},
      {"list(list(<T>)).flatten() -> list(<T>)", "With the items of lists in place of the lists.",
       &Flatten, Cost::kLinear},
      {"list(dyn).flatten(int) -> list(dyn)", "The same, so many levels deep.", &FlattenDepth,
       Cost::kLinear},
      {"list(<T>).distinct() -> list(<T>)", "Each item once, in the order of first appearance.",
       &Distinct, Cost::kLinear},
      {"list(<ordered>).sort() -> list(<ordered>)",
       "The items in ascending order; equal ones keep theirs.", &Sort, Cost::kLinear},
      {"list(<T>).first() -> optional_type(<T>)", "The first item, if there is one.", &First},
      {"list(<T>).last() -> optional_type(<T>)", "The last item, if there is one.", &Last},
      {"list(int).sum() -> int", "The sum; 0 of nothing.", &Sum<ValueTag::kInt>, Cost::kLinear},
      {"list(uint).sum() -> uint", "The sum; 0u of nothing.", &Sum<ValueTag::kUint>, Cost::kLinear},
      {"list(double).sum() -> double", "The sum; 0.0 of nothing.", &Sum<ValueTag::kDouble>,
       Cost::kLinear},
      {"list(duration).sum() -> duration", "The sum; 0s of nothing.", &Sum<ValueTag::kDuration>,
       Cost::kLinear},
      {"list(<ordered>).min() -> <ordered>", "The least item; an error for an empty list.",
       &Best<Order::kLess>, Cost::kLinear},
      {"list(<ordered>).max() -> <ordered>", "The greatest item; an error for an empty list.",
       &Best<Order::kGreater>, Cost::kLinear},
      {"list(<ordered>).isSorted() -> bool", "Whether no item is greater than the next.", &IsSorted,
       Cost::kLinear},
      {"list(<T>).indexOf(<T>) -> int", "Where the item is first found, or -1.", &IndexOf<false>,
       Cost::kLinear},
      {"list(<T>).lastIndexOf(<T>) -> int", "Where the item is last found, or -1.", &IndexOf<true>,
       Cost::kLinear},
  };
}

std::vector<FunctionRow> SetRows() {
  return {
      {"sets.contains(list(<T>), list(<T>)) -> bool",
       "Whether the first list has every item of the second.", &SetContains, Cost::kProduct},
      {"sets.equivalent(list(<T>), list(<T>)) -> bool",
       "Whether each list has every item of the other.", &SetEquivalent, Cost::kProduct},
      {"sets.intersects(list(<T>), list(<T>)) -> bool", "Whether they have an item in common.",
       &SetIntersects, Cost::kProduct},
  };
}

}  // namespace vigil::rules::cel
