#include "rules/cel/test_chain.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "rules/cel/emitter.h"

namespace vigil::rules::cel {
namespace {

using cep::Column;
using cep::ColumnKind;
using cep::CompareOp;
using cep::Tri;
using cep::Value;
using cep::ValueTag;

constexpr uint8_t kLess = 1;
constexpr uint8_t kEqual = 2;
constexpr uint8_t kGreater = 4;
constexpr uint8_t kUnordered = 8;

// The orders for which an operator holds; != holds of NaN, too.
uint8_t WantedBy(CompareOp op) {
  switch (op) {
    case CompareOp::kEq:
      return kEqual;
    case CompareOp::kNe:
      return kLess | kGreater | kUnordered;
    case CompareOp::kLt:
      return kLess;
    case CompareOp::kLe:
      return kLess | kEqual;
    case CompareOp::kGt:
      return kGreater;
    default:
      return kGreater | kEqual;
  }
}

uint8_t OrderOf(int64_t a, int64_t b) {
  return static_cast<uint8_t>((a < b) * kLess | (a == b) * kEqual | (a > b) * kGreater);
}

uint8_t OrderOf(double a, double b) {
  const auto order = static_cast<uint8_t>((a < b) * kLess | (a == b) * kEqual | (a > b) * kGreater);
  return order == 0 ? kUnordered : order;
}

template <typename Word>
bool SameEnds(const char* a, const char* b, size_t size) {
  Word heads[2];
  Word tails[2];
  std::memcpy(&heads[0], a, sizeof(Word));
  std::memcpy(&heads[1], b, sizeof(Word));
  std::memcpy(&tails[0], a + size - sizeof(Word), sizeof(Word));
  std::memcpy(&tails[1], b + size - sizeof(Word), sizeof(Word));
  return ((heads[0] ^ heads[1]) | (tails[0] ^ tails[1])) == 0;
}

// Equality without a call for the short texts that conditions compare.
bool SameText(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const size_t size = a.size();
  if (size >= 8 && size <= 16) return SameEnds<uint64_t>(a.data(), b.data(), size);
  if (size >= 4 && size < 8) return SameEnds<uint32_t>(a.data(), b.data(), size);
  if (size >= 2 && size < 4) return SameEnds<uint16_t>(a.data(), b.data(), size);
  return size == 0 || (size == 1 ? a[0] == b[0] : std::memcmp(a.data(), b.data(), size) == 0);
}

uint8_t OrderOf(std::string_view a, std::string_view b, bool equality_only) {
  if (equality_only) return SameText(a, b) ? kEqual : kLess;
  const int order = a.compare(b);
  return order < 0 ? kLess : order > 0 ? kGreater : kEqual;
}

Tri ToTri(bool holds) { return holds ? Tri::kTrue : Tri::kFalse; }

const Expr& SkipInlined(const Expr& expr) {
  const Expr* at = &expr;
  while (at->ref == RefKind::kInlined) at = at->args[0];
  return *at;
}

}  // namespace

// Builds tests from the last to the first: what a test goes on to is known when it is made.
class TestChainBuilder {
 public:
  TestChainBuilder(const cep::Layout& layout, TestChain& chain) : layout_(layout), chain_(chain) {}

  bool Build(const Expr& root) {
    const uint32_t first = Add(root, TestChain::kTrue, TestChain::kFalse);
    if (!ok_ || first >= chain_.tests_.size()) return false;
    // Tests were made last to first; running goes first to last.
    auto& tests = chain_.tests_;
    const auto last = static_cast<uint32_t>(tests.size() - 1);
    std::reverse(tests.begin(), tests.end());
    for (TestChain::Test& test : tests) {
      if (test.if_true <= last) test.if_true = last - test.if_true;
      if (test.if_false <= last) test.if_false = last - test.if_false;
    }
    return first == last;
  }

 private:
  using Test = TestChain::Test;
  using Kind = TestChain::Kind;

  static constexpr size_t kMaxTests = 64;

  // Makes the tests of `expr`; returns where to start.
  uint32_t Add(const Expr& wrapped, uint32_t if_true, uint32_t if_false) {
    const Expr& expr = SkipInlined(wrapped);
    if (!ok_ || !expr.failure.empty()) return Decline();
    switch (expr.kind) {
      case ExprKind::kAnd:
      case ExprKind::kOr: {
        const bool is_and = expr.kind == ExprKind::kAnd;
        uint32_t next = is_and ? if_true : if_false;
        for (size_t i = expr.args.size(); i-- > 0;) {
          next = is_and ? Add(*expr.args[i], next, if_false) : Add(*expr.args[i], if_true, next);
        }
        return next;
      }
      case ExprKind::kCall:
        if (expr.name != "!_") return Decline();
        return Add(*expr.args[0], if_false, if_true);
      case ExprKind::kCompare:
        return AddCompare(expr, if_true, if_false);
      default:
        return AddBool(expr, if_true, if_false);
    }
  }

  uint32_t Decline() {
    ok_ = false;
    return TestChain::kFalse;
  }

  bool IsField(const Expr& expr) const {
    return expr.ref == RefKind::kField && expr.kind != ExprKind::kHas && !expr.is_optional;
  }

  ColumnKind KindOf(uint32_t slot) const { return layout_.slots()[slot].kind; }

  uint32_t Push(const Test& test, uint32_t if_true, uint32_t if_false) {
    if (chain_.tests_.size() >= kMaxTests) return Decline();
    chain_.tests_.push_back(test);
    chain_.tests_.back().if_true = if_true;
    chain_.tests_.back().if_false = if_false;
    return static_cast<uint32_t>(chain_.tests_.size() - 1);
  }

  uint32_t AddBool(const Expr& expr, uint32_t if_true, uint32_t if_false) {
    if (!IsField(expr) || KindOf(expr.index) != ColumnKind::kBool) return Decline();
    Test test;
    test.kind = Kind::kBool;
    test.slot = expr.index;
    return Push(test, if_true, if_false);
  }

  uint32_t AddCompare(const Expr& expr, uint32_t if_true, uint32_t if_false) {
    const Expr* a = &SkipInlined(*expr.args[0]);
    const Expr* b = &SkipInlined(*expr.args[1]);
    CompareOp op = expr.op;
    if (!IsField(*a) && op != CompareOp::kIn) {
      std::swap(a, b);
      op = Mirrored(op);
    }
    if (!IsField(*a)) return Decline();
    Test test;
    test.slot = a->index;
    test.wanted = WantedBy(op);
    test.equality_only = op == CompareOp::kEq || op == CompareOp::kNe;
    const ColumnKind kind = KindOf(a->index);
    const bool made = op == CompareOp::kIn            ? SetItems(kind, *b, &test)
                      : b->kind == ExprKind::kLiteral ? SetConstant(kind, b->literal, &test)
                                                      : SetStage(kind, *b, &test);
    return made ? Push(test, if_true, if_false) : Decline();
  }

  void Keep(const Value* values, uint32_t count, Test* test) {
    Value* kept = chain_.arena_.New<Value>(count);
    for (uint32_t i = 0; i < count; ++i) kept[i] = CopyValue(values[i], chain_.arena_);
    test->constants = kept;
    test->constant_count = count;
  }

  bool SetConstant(ColumnKind kind, const Value& literal, Test* test) {
    if (kind == ColumnKind::kInt && literal.tag == ValueTag::kInt) {
      test->kind = Kind::kInt;
    } else if (kind == ColumnKind::kDouble && literal.tag == ValueTag::kDouble) {
      test->kind = Kind::kDouble;
    } else if (kind == ColumnKind::kString && literal.tag == ValueTag::kString) {
      test->kind = Kind::kString;
    } else {
      return false;
    }
    Keep(&literal, 1, test);
    return true;
  }

  bool SetItems(ColumnKind kind, const Expr& list, Test* test) {
    constexpr uint32_t kMaxItems = 16;  // more are better looked up by the program
    const Value& items = list.literal;
    if (list.kind != ExprKind::kLiteral || items.tag != ValueTag::kList) return false;
    if (items.size == 0 || items.size > kMaxItems) return false;
    const ValueTag tag = kind == ColumnKind::kString ? ValueTag::kString : ValueTag::kInt;
    if (kind != ColumnKind::kString && kind != ColumnKind::kInt) return false;
    for (uint32_t i = 0; i < items.size; ++i) {
      if (items.list[i].tag != tag) return false;
    }
    test->kind = kind == ColumnKind::kString ? Kind::kStringIn : Kind::kIntIn;
    Keep(items.list, items.size, test);
    return true;
  }

  bool SetStage(ColumnKind kind, const Expr& field, Test* test) {
    if (field.ref != RefKind::kEventField || field.kind != ExprKind::kSelect || field.is_optional) {
      return false;
    }
    const Expr& stage = SkipInlined(*field.args[0]);
    if (stage.ref != RefKind::kStage || stage.as_value || KindOf(field.index) != kind) return false;
    if (kind == ColumnKind::kInt) {
      test->kind = Kind::kStageInt;
    } else if (kind == ColumnKind::kDouble) {
      test->kind = Kind::kStageDouble;
    } else if (kind == ColumnKind::kString) {
      test->kind = Kind::kStageString;
    } else {
      return false;
    }
    test->stage = stage.index;
    test->stage_slot = field.index;
    return true;
  }

  const cep::Layout& layout_;
  TestChain& chain_;
  bool ok_ = true;
};

std::unique_ptr<const TestChain> TestChain::Make(const Expr& root, const cep::Layout* layout) {
  if (layout == nullptr) return nullptr;
  auto chain = std::make_unique<TestChain>();
  if (!TestChainBuilder(*layout, *chain).Build(root)) return nullptr;
  return chain;
}

inline Tri TestChain::Holds(const Test& test, const cep::EvalContext& context) {
  const Column& column = context.block->columns[test.slot];
  const uint32_t row = context.row;
  if (column.state(row) != cep::FieldState::kPresent) return Tri::kError;
  const auto wanted = [&](uint8_t order) { return ToTri((test.wanted & order) != 0); };
  Value other;
  if (test.kind >= Kind::kStageInt) {
    if (context.stages == nullptr) return Tri::kError;
    const cep::StageEvents& stage = context.stages[test.stage];
    if (stage.count == 0) return Tri::kError;
    other = stage.events[stage.count - 1]->Get(test.stage_slot);
  }
  switch (test.kind) {
    case Kind::kBool:
      return ToTri(column.bools()[row] != 0);
    case Kind::kInt:
      return wanted(OrderOf(column.ints()[row], test.constants[0].i));
    case Kind::kDouble:
      return wanted(OrderOf(column.doubles()[row], test.constants[0].d));
    case Kind::kString:
      return wanted(OrderOf(column.strings()[row], test.constants[0].text(), test.equality_only));
    case Kind::kIntIn: {
      bool found = false;
      for (uint32_t i = 0; i < test.constant_count; ++i) {
        found |= column.ints()[row] == test.constants[i].i;
      }
      return ToTri(found);
    }
    case Kind::kStringIn: {
      // All of the few items: which one it is, is hard to foresee for the processor.
      const std::string_view text = column.strings()[row];
      bool found = false;
      for (uint32_t i = 0; i < test.constant_count; ++i) {
        found |= SameText(text, test.constants[i].text());
      }
      return ToTri(found);
    }
    case Kind::kStageInt:
      if (other.tag != ValueTag::kInt) return Tri::kError;
      return wanted(OrderOf(column.ints()[row], other.i));
    case Kind::kStageDouble:
      if (other.tag != ValueTag::kDouble) return Tri::kError;
      return wanted(OrderOf(column.doubles()[row], other.d));
    case Kind::kStageString:
      if (other.tag != ValueTag::kString) return Tri::kError;
      return wanted(OrderOf(column.strings()[row], other.text(), test.equality_only));
  }
  return Tri::kError;
}

Tri TestChain::Run(const cep::EvalContext& context) const {
  if (context.block == nullptr) return Tri::kError;
  uint32_t at = 0;
  while (at < kTrue) {
    const Test& test = tests_[at];
    const Tri outcome = Holds(test, context);
    if (outcome == Tri::kError) return outcome;
    at = outcome == Tri::kTrue ? test.if_true : test.if_false;
  }
  return at == kTrue ? Tri::kTrue : Tri::kFalse;
}

}  // namespace vigil::rules::cel
