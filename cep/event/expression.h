// What a compiled condition or value is to the engine: rules/cel makes them, patterns and alerts
// evaluate them.
//
// A boolean condition is a Condition tree of and/or/not over atoms (field, operator, constant),
// which the engine shares across rules and evaluates over whole columns, and of opaque Expressions.
// A part that reads earlier stages is a correlated Expression, evaluated per partial match. Logic
// is CEL's: three-valued (true, false, error); `false && error` is false, `true || error` is true.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/batch.h"
#include "cep/event/captured_event.h"
#include "cep/event/value.h"

namespace vigil::cep {

// One bit per row of a block.
struct RowBits {
  static constexpr uint32_t kWords = kBatchRows / 64;
  uint64_t words[kWords] = {};

  bool Test(uint32_t row) const { return (words[row >> 6] >> (row & 63)) & 1; }
  void Set(uint32_t row) { words[row >> 6] |= uint64_t{1} << (row & 63); }
  void Clear() {
    for (uint64_t& word : words) word = 0;
  }
  bool Any() const {
    uint64_t any = 0;
    for (uint64_t word : words) any |= word;
    return any != 0;
  }
};

enum class Tri : uint8_t { kFalse, kTrue, kError };

// The events one stage has accepted in one partial match, oldest first.
struct StageEvents {
  const CapturedEvent* const* events = nullptr;
  uint32_t count = 0;
};

// What an expression may read while it is evaluated; borrowed for the call.
struct EvalContext {
  // The current event: a row of a block, or (in alerts) a captured event when `block` is null.
  const ColumnBlock* block = nullptr;
  uint32_t row = 0;
  const CapturedEvent* event = nullptr;
  // Earlier stages by their index in the rule (pattern order, group members included); null where
  // none is in scope.
  const StageEvents* stages = nullptr;
  // Memory for what the evaluation makes; the result may point into it.
  Arena* arena = nullptr;
};

// kStartsWith is of atoms only.
enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kStartsWith };

// `field of the current event op field of the one event that an earlier stage accepted`, both held
// in columns of one kind: numbers, or texts compared by == and !=.
struct StageComparison {
  ColumnKind kind = ColumnKind::kInt;
  uint32_t slot = 0;
  CompareOp op = CompareOp::kEq;
  uint32_t stage = 0;  // by its index in the rule
  uint32_t stage_slot = 0;
};

class Expression {
 public:
  virtual ~Expression() = default;

  // The value, or one whose tag is kError. Thread safe. Cost: bounded by the expression's static
  // cost.
  virtual Value Eval(const EvalContext& context) const = 0;

  // A boolean expression's outcome; anything but true and false is kError. What Eval() says, for
  // those that know a faster way to it.
  virtual Tri EvalBool(const EvalContext& context) const { return ToTri(Eval(context)); }

  // The expression in canonical form; equal texts mean equal expressions over the same layout.
  virtual const std::string& text() const = 0;

  // Comparisons without which the expression is not true: if one of them is false, so is the
  // expression, whatever fails elsewhere in it. There may be others.
  const std::vector<StageComparison>& needed() const { return needed_; }

 protected:
  static Tri ToTri(const Value& v) {
    if (v.tag != ValueTag::kBool) return Tri::kError;
    return v.b ? Tri::kTrue : Tri::kFalse;
  }

  std::vector<StageComparison> needed_;
};

// `field op constant`. An absent, null or mismatched field is an error (CEL), except that null may
// be compared by == and !=. Numbers compare by value across int and double. kIn: equal to one of
// `constants`. kStartsWith: a text that begins with the constant's bytes.
struct Atom {
  uint32_t slot = 0;
  CompareOp op = CompareOp::kEq;
  std::vector<Value> constants;  // one, or several for kIn; scalars; texts live in `storage`
  std::shared_ptr<const void> storage;
};

struct Condition {
  enum class Kind : uint8_t { kTrue, kAtom, kOpaque, kAnd, kOr, kNot };
  Kind kind = Kind::kTrue;
  Atom atom;                                 // kAtom
  std::shared_ptr<const Expression> opaque;  // kOpaque: unary, reads the current event only
  std::vector<Condition> children;           // kAnd, kOr: two or more; kNot: one
  std::string text;                          // canonical CEL of the whole subtree
};

}  // namespace vigil::cep
