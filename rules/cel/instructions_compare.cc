// Comparisons: of two values, and of a column's field with a constant.
#include <algorithm>
#include <array>

#include "rules/cel/instructions.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel::instructions {
namespace {

using cep::ColumnKind;
using cep::CompareOp;
using cep::Value;
using cep::ValueTag;

constexpr Value kNoOverload = Value::Error("no such overload");

template <CompareOp kOp, typename T>
bool Holds(const T& a, const T& b) {
  if constexpr (kOp == CompareOp::kEq) return a == b;
  if constexpr (kOp == CompareOp::kNe) return !(a == b);
  if constexpr (kOp == CompareOp::kLt) return a < b;
  if constexpr (kOp == CompareOp::kLe) return a <= b;
  if constexpr (kOp == CompareOp::kGt) return a > b;
  if constexpr (kOp == CompareOp::kGe) return a >= b;
}

template <CompareOp kOp>
bool HoldsFor(Order order) {
  if constexpr (kOp == CompareOp::kLt) return order == Order::kLess;
  if constexpr (kOp == CompareOp::kGt) return order == Order::kGreater;
  if constexpr (kOp == CompareOp::kLe) return order == Order::kLess || order == Order::kEqual;
  return order == Order::kGreater || order == Order::kEqual;
}

constexpr Value kTooMuch = Value::Error(kTooMuchWork);
constexpr uint32_t kBytesPerStep = 64;  // of texts compared

Value IsIn(WorkMeter& work, const Value& item, const Value& container) {
  if (container.tag != ValueTag::kMap && container.tag != ValueTag::kList) return kNoOverload;
  if (!work.Spend(container.size)) return kTooMuch;
  if (container.tag == ValueTag::kMap) return Value::Bool(FindKey(container, item) != nullptr);
  for (uint32_t i = 0; i < container.size; ++i) {
    if (Equals(item, container.list[i], work)) return Value::Bool(true);
  }
  return work.left == 0 ? kTooMuch : Value::Bool(false);
}

// Equality that may fail: of large lists and maps, when the evaluation is out of work.
Value IsEqual(WorkMeter& work, const Value& a, const Value& b, bool wanted) {
  const bool equal = Equals(a, b, work);
  return work.left == 0 ? kTooMuch : Value::Bool(equal == wanted);
}

// Any two values.
template <CompareOp kOp>
Value CompareValues(WorkMeter& work, const Value& a, const Value& b) {
  if (a.is_error()) return a;
  if (b.is_error()) return b;
  if (a.tag == b.tag && (a.tag == ValueTag::kString || a.tag == ValueTag::kBytes) &&
      !work.Spend(std::min(a.size, b.size) / kBytesPerStep)) {
    return kTooMuch;
  }
  if constexpr (kOp == CompareOp::kIn) {
    return IsIn(work, a, b);
  } else if constexpr (kOp == CompareOp::kEq || kOp == CompareOp::kNe) {
    return IsEqual(work, a, b, kOp == CompareOp::kEq);
  } else {
    const std::optional<Order> order = Compare(a, b);
    return order ? Value::Bool(HoldsFor<kOp>(*order)) : kNoOverload;
  }
}

template <CompareOp kOp>
Next CompareAny(Frame& frame, Next self) {
  const Value& a = frame.registers[self->a];
  const Value& b = frame.registers[self->b];
  Value& result = frame.registers[self->dst];
  if constexpr (kOp != CompareOp::kIn) {
    if (a.tag == b.tag) {
      if (a.tag == ValueTag::kInt) {
        result = Value::Bool(Holds<kOp>(a.i, b.i));
        return self + 1;
      }
      if (a.tag == ValueTag::kDouble) {
        result = Value::Bool(Holds<kOp>(a.d, b.d));
        return self + 1;
      }
    }
  }
  result = CompareValues<kOp>(frame.call.work, a, b);
  return self + 1;
}

// A row of a column as the constant's C++ type.
template <ColumnKind kKind>
auto Cell(const cep::Column& column, uint32_t row) {
  if constexpr (kKind == ColumnKind::kInt) return column.ints()[row];
  if constexpr (kKind == ColumnKind::kDouble) return column.doubles()[row];
  if constexpr (kKind == ColumnKind::kString) return column.strings()[row];
}

template <ColumnKind kKind>
auto Operand(const Value& constant) {
  if constexpr (kKind == ColumnKind::kInt) return constant.i;
  if constexpr (kKind == ColumnKind::kDouble) return constant.d;
  if constexpr (kKind == ColumnKind::kString) return constant.text();
}

template <CompareOp kOp, ColumnKind kKind>
Next CompareField(Frame& frame, Next self) {
  const cep::EvalContext& context = frame.context;
  Value& result = frame.registers[self->dst];
  if (context.block != nullptr) {
    const cep::Column& column = context.block->columns[self->slot];
    if (column.state(context.row) == cep::FieldState::kPresent) {
      result = Value::Bool(
          Holds<kOp>(Cell<kKind>(column, context.row), Operand<kKind>(*self->constant)));
      return self + 1;
    }
  }
  LoadField(frame, self);
  result = CompareValues<kOp>(frame.call.work, result, *self->constant);
  return self + 1;
}

template <ColumnKind kKind>
constexpr std::array<Handler, 6> kFieldHandlers = {
    &CompareField<CompareOp::kEq, kKind>, &CompareField<CompareOp::kNe, kKind>,
    &CompareField<CompareOp::kLt, kKind>, &CompareField<CompareOp::kLe, kKind>,
    &CompareField<CompareOp::kGt, kKind>, &CompareField<CompareOp::kGe, kKind>,
};

}  // namespace

Handler CompareRegisters(CompareOp op) {
  static constexpr std::array<Handler, 7> kHandlers = {
      &CompareAny<CompareOp::kEq>, &CompareAny<CompareOp::kNe>, &CompareAny<CompareOp::kLt>,
      &CompareAny<CompareOp::kLe>, &CompareAny<CompareOp::kGt>, &CompareAny<CompareOp::kGe>,
      &CompareAny<CompareOp::kIn>,
  };
  return kHandlers[static_cast<size_t>(op)];
}

Handler CompareFieldToConstant(CompareOp op, ColumnKind kind) {
  if (op == CompareOp::kIn) return nullptr;
  const auto at = static_cast<size_t>(op);
  if (kind == ColumnKind::kInt) return kFieldHandlers<ColumnKind::kInt>[at];
  if (kind == ColumnKind::kDouble) return kFieldHandlers<ColumnKind::kDouble>[at];
  if (kind == ColumnKind::kString) return kFieldHandlers<ColumnKind::kString>[at];
  return nullptr;
}

}  // namespace vigil::rules::cel::instructions
