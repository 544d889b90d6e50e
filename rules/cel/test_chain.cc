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

uint8_t OrderOf(std::string_view a, std::string_view b) {
  const int order = a.compare(b);
  return order < 0 ? kLess : order > 0 ? kGreater : kEqual;
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

[[gnu::noinline]] bool SameLongText(std::string_view a, std::string_view b) { return a == b; }

// Equality without a call for the short texts that conditions compare, and without a branch on what
// they hold.
inline bool SameText(std::string_view a, std::string_view b) {
  const size_t size = b.size();
  const bool is_long = a.size() == size;
  const char* data = is_long ? a.data() : b.data();  // a conditional move
  bool same;
  if (size >= 8) {
    if (size > 16) return SameLongText(a, b);
    same = SameEnds<uint64_t>(data, b.data(), size);
  } else if (size >= 4) {
    same = SameEnds<uint32_t>(data, b.data(), size);
  } else if (size >= 2) {
    same = SameEnds<uint16_t>(data, b.data(), size);
  } else {
    same = size == 0 || *data == *b.data();
  }
  return static_cast<bool>(static_cast<int>(is_long) & static_cast<int>(same));
}

template <typename Word>
uint64_t Load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

Tri ToTri(bool holds) { return holds ? Tri::kTrue : Tri::kFalse; }

const Expr& SkipInlined(const Expr& expr) {
  const Expr* at = &expr;
  while (at->ref == RefKind::kInlined) at = at->args[0];
  return *at;
}

}  // namespace

// The ends of a text of up to 16 bytes, which are all of it; none of a longer one. Returns how many
// bytes an end has.
inline uint32_t TestChain::LoadEnds(const char* data, size_t size, uint64_t* head, uint64_t* tail) {
  if (size >= 8) {
    if (size > 16) return 0;
    *head = Load<uint64_t>(data);
    *tail = Load<uint64_t>(data + size - 8);
    return 8;
  }
  if (size >= 4) {
    *head = Load<uint32_t>(data);
    *tail = Load<uint32_t>(data + size - 4);
    return 4;
  }
  if (size >= 2) {
    *head = Load<uint16_t>(data);
    *tail = Load<uint16_t>(data + size - 2);
    return 2;
  }
  *head = *tail = size == 1 ? static_cast<uint8_t>(*data) : 0;
  return 1;
}

// Equality without a call for the short texts that conditions compare.
inline bool TestChain::IsSame(std::string_view value, const Text& constant) {
  const bool is_long = value.size() == constant.size;
  const char* data = is_long ? value.data() : constant.data;  // a conditional move
  uint64_t head = 0;
  uint64_t tail = 0;
  if (LoadEnds(data, constant.size, &head, &tail) != 0) {
    return static_cast<bool>(
        static_cast<int>(is_long) &
        static_cast<int>(((head ^ constant.head) | (tail ^ constant.tail)) == 0));
  }
  return is_long && std::memcmp(data, constant.data, constant.size) == 0;
}

// Looks at all of the few constants: which one it is, is hard to foresee for the processor.
inline bool TestChain::IsOneOf(std::string_view value, const Text* constants, uint32_t count) {
  uint64_t head = 0;
  uint64_t tail = 0;
  bool found = false;
  if (LoadEnds(value.data(), value.size(), &head, &tail) == 0) {
    for (uint32_t i = 0; i < count; ++i) found |= IsSame(value, constants[i]);
    return found;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const Text& c = constants[i];
    found |= ((value.size() ^ c.size) | (head ^ c.head) | (tail ^ c.tail)) == 0;
  }
  return found;
}

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
      for (uint32_t& next : test.next) {
        if (next <= last) next = last - next;
      }
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
    chain_.tests_.back().next[0] = if_false;
    chain_.tests_.back().next[1] = if_true;
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
    const bool ordered = op != CompareOp::kEq && op != CompareOp::kNe;
    const ColumnKind kind = KindOf(a->index);
    const bool made = op == CompareOp::kIn ? SetItems(kind, *b, &test)
                      : b->kind == ExprKind::kLiteral
                          ? SetConstant(kind, b->literal, ordered, &test)
                          : SetStage(kind, *b, ordered, &test);
    return made ? Push(test, if_true, if_false) : Decline();
  }

  TestChain::Text KeepText(std::string_view text) {
    TestChain::Text kept;
    const std::string_view copy = chain_.arena_.Copy(text);
    kept.data = copy.data();
    kept.size = copy.size();
    TestChain::LoadEnds(kept.data, kept.size, &kept.head, &kept.tail);
    return kept;
  }

  bool SetConstant(ColumnKind kind, const Value& literal, bool ordered, Test* test) {
    if (kind == ColumnKind::kInt && literal.tag == ValueTag::kInt) {
      test->kind = Kind::kInt;
      test->int_value = literal.i;
    } else if (kind == ColumnKind::kDouble && literal.tag == ValueTag::kDouble) {
      test->kind = Kind::kDouble;
      test->double_value = literal.d;
    } else if (kind == ColumnKind::kString && literal.tag == ValueTag::kString) {
      test->kind = ordered ? Kind::kTextOrder : Kind::kText;
      test->text = KeepText(literal.text());
    } else {
      return false;
    }
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
    if (kind == ColumnKind::kString) {
      test->kind = Kind::kTextIn;
      auto* kept = chain_.arena_.New<TestChain::Text>(items.size);
      for (uint32_t i = 0; i < items.size; ++i) kept[i] = KeepText(items.list[i].text());
      test->texts = kept;
    } else {
      test->kind = Kind::kIntIn;
      auto* kept = chain_.arena_.New<int64_t>(items.size);
      for (uint32_t i = 0; i < items.size; ++i) kept[i] = items.list[i].i;
      test->ints = kept;
    }
    test->count = items.size;
    return true;
  }

  bool SetStage(ColumnKind kind, const Expr& field, bool ordered, Test* test) {
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
      test->kind = ordered ? Kind::kStageTextOrder : Kind::kStageText;
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
  if (chain->tests_.size() > 1 + kMaxTogether) return chain;
  for (const uint32_t outcome : {0, 1}) {
    const uint32_t from = chain->tests_[0].next[outcome];
    if (from < kTrue) chain->tables_[outcome] = chain->MakeTable(from);
  }
  return chain;
}

// The rare ones, out of the way.
Tri TestChain::HoldsInOrder(const Test& test, const Column& column, const Row& row) {
  const std::string_view text = column.strings()[row.row];
  if (test.kind == Kind::kTextOrder) {
    return ToTri((test.wanted & OrderOf(text, {test.text.data, test.text.size})) != 0);
  }
  const Value other = row.context.stages[test.stage].events[0]->Get(test.stage_slot);
  return ToTri((test.wanted & OrderOf(text, other.text())) != 0);
}

inline Tri TestChain::HoldsForStage(const Test& test, const Column& column, const Row& row) {
  if (row.context.stages == nullptr) return Tri::kError;
  const cep::StageEvents& stage = row.context.stages[test.stage];
  if (stage.count != 1) return Tri::kError;
  const Value other = stage.events[0]->Get(test.stage_slot);
  switch (test.kind) {
    case Kind::kStageInt:
      if (other.tag != ValueTag::kInt) return Tri::kError;
      return ToTri((test.wanted & OrderOf(column.ints()[row.row], other.i)) != 0);
    case Kind::kStageDouble:
      if (other.tag != ValueTag::kDouble) return Tri::kError;
      return ToTri((test.wanted & OrderOf(column.doubles()[row.row], other.d)) != 0);
    case Kind::kStageText:
      if (other.tag != ValueTag::kString) return Tri::kError;
      return ToTri(SameText(column.strings()[row.row], other.text()) == (test.wanted == kEqual));
    default:
      if (other.tag != ValueTag::kString) return Tri::kError;
      return HoldsInOrder(test, column, row);
  }
}

inline Tri TestChain::Holds(const Test& test, const Row& row) {
  const Column& column = row.columns[test.slot];
  const uint32_t at = row.row;
  if (column.state(at) != cep::FieldState::kPresent) return Tri::kError;
  bool holds = false;
  switch (test.kind) {
    case Kind::kBool:
      return ToTri(column.bools()[at] != 0);
    case Kind::kInt:
      return ToTri((test.wanted & OrderOf(column.ints()[at], test.int_value)) != 0);
    case Kind::kDouble:
      return ToTri((test.wanted & OrderOf(column.doubles()[at], test.double_value)) != 0);
    case Kind::kText:
      return ToTri(IsSame(column.strings()[at], test.text) == (test.wanted == kEqual));
    case Kind::kIntIn:
      for (uint32_t i = 0; i < test.count; ++i) holds |= column.ints()[at] == test.ints[i];
      return ToTri(holds);
    case Kind::kTextIn:
      return ToTri(IsOneOf(column.strings()[at], test.texts, test.count));
    case Kind::kTextOrder:
      return HoldsInOrder(test, column, row);
    default:
      return HoldsForStage(test, column, row);
  }
}

Tri TestChain::Walk(uint32_t at, const Row& row) const {
  while (at < kTrue) {
    const Tri outcome = Holds(tests_[at], row);
    if (outcome == Tri::kError) return outcome;
    at = tests_[at].next[outcome == Tri::kTrue ? 1 : 0];
  }
  return ToTri(at == kTrue);
}

// What comes of the tests from `from` on, by their outcomes.
uint64_t TestChain::MakeTable(uint32_t from) const {
  uint64_t table = 0;
  for (uint64_t outcomes = 0; outcomes < uint64_t{1} << (tests_.size() - 1); ++outcomes) {
    uint32_t at = from;
    while (at < kTrue) at = tests_[at].next[(outcomes >> (at - 1)) & 1];
    if (at == kTrue) table |= uint64_t{1} << outcomes;
  }
  return table;
}

Tri TestChain::Run(const cep::EvalContext& context) const {
  if (context.block == nullptr) return Tri::kError;
  const Row row = {context.block->columns.data(), context.row, context};
  const Test* const tests = tests_.data();
  const Tri first = Holds(tests[0], row);
  if (first == Tri::kError) return first;
  const bool first_holds = first == Tri::kTrue;
  const uint32_t at = tests[0].next[first_holds ? 1 : 0];
  if (at >= kTrue) return ToTri(at == kTrue);
  const size_t others = tests_.size() - 1;
  if (others > kMaxTogether) return Walk(at, row);
  uint64_t outcomes = 0;
  for (size_t i = 0; i < others; ++i) {
    const Tri outcome = Holds(tests[i + 1], row);
    if (outcome == Tri::kError) return Walk(at, row);
    outcomes |= static_cast<uint64_t>(outcome == Tri::kTrue) << i;
  }
  return ToTri((tables_[first_holds ? 1 : 0] >> outcomes & 1) != 0);
}

}  // namespace vigil::rules::cel
