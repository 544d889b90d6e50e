// Predicates: columns at once give what single values give, logic is three-valued, equal conditions
// are shared.
#include "patterns/predicates.h"

#include <cmath>
#include <random>

#include <catch2/catch.hpp>

#include "patterns/atom_kernels.h"

namespace vigil::patterns {
namespace {

using cep::ColumnBlock;
using cep::CompareOp;
using cep::Condition;
using cep::Tri;
using cep::Type;
using cep::TypeKind;
using cep::Value;

std::shared_ptr<cep::Layout> OneSlotEach() {
  auto layout = std::make_shared<cep::Layout>();
  layout->Add("i", Type(TypeKind::kInt));
  layout->Add("d", Type(TypeKind::kDouble));
  layout->Add("s", Type(TypeKind::kString));
  layout->Add("b", Type(TypeKind::kBool));
  layout->Add("x", Type(TypeKind::kDyn));
  return layout;
}

Value RandomScalar(std::mt19937_64* random) {
  static const char* kTexts[] = {"", "a", "ab", "login", "logout", "login and a long text, too"};
  switch ((*random)() % 6) {
    case 0:
      return Value::Int(static_cast<int64_t>((*random)() % 7) - 3);
    case 1:
      return Value::Double(static_cast<double>((*random)() % 13) / 2.0 - 3);
    case 2:
      return Value::String(kTexts[(*random)() % 6]);
    case 3:
      return Value::Bool((*random)() % 2 == 0);
    case 4:
      return Value::Null();
    default:
      return Value::Double(std::nan(""));
  }
}

TEST_CASE("EvaluateAtom: a column at once equals one value at a time", "[patterns][property]") {
  std::mt19937_64 random(3);
  ColumnBlock block(OneSlotEach());
  for (int round = 0; round < 400; ++round) {
    block.rows = static_cast<uint32_t>(1 + random() % 200);
    for (cep::Column& column : block.columns) {
      column.ResetStates();
      const bool all_typed = random() % 2 == 0;
      for (uint32_t r = 0; r < block.rows; ++r) {
        Value v = RandomScalar(&random);
        if (all_typed) {
          switch (column.kind()) {
            case cep::ColumnKind::kInt:
              v = Value::Int(static_cast<int64_t>(random() % 7) - 3);
              break;
            case cep::ColumnKind::kDouble:
              v = Value::Double(static_cast<double>(random() % 7) / 2);
              break;
            case cep::ColumnKind::kString:
              v = Value::String(random() % 2 == 0 ? "login" : "a");
              break;
            case cep::ColumnKind::kBool:
              v = Value::Bool(random() % 2 == 0);
              break;
            default:
              break;
          }
        }
        column.Set(r, random() % 20 == 0 ? Value() : v);
      }
    }
    cep::Atom atom;
    atom.slot = static_cast<uint32_t>(random() % 5);
    atom.op = static_cast<CompareOp>(random() % 8);
    atom.constants.push_back(RandomScalar(&random));
    if (atom.op == CompareOp::kStartsWith) {
      static const char* kPrefixes[] = {"", "a", "lo", "log", "login", "login and a long text"};
      atom.constants[0] = Value::String(kPrefixes[random() % 6]);
    }
    if (atom.op == CompareOp::kIn) atom.constants.push_back(RandomScalar(&random));
    TriBits bits;
    EvaluateAtom(atom, block, &bits);
    for (uint32_t r = 0; r < block.rows; ++r) {
      const Tri tri = EvaluateAtomOnValue(atom, block.columns[atom.slot].Get(r));
      REQUIRE(bits.yes.Test(r) == (tri == Tri::kTrue));
      REQUIRE(bits.no.Test(r) == (tri == Tri::kFalse));
    }
  }
}

Condition AtomOf(uint32_t slot, CompareOp op, Value constant, std::string text) {
  Condition condition;
  condition.kind = Condition::Kind::kAtom;
  condition.atom = {slot, op, {constant}, nullptr};
  condition.text = std::move(text);
  return condition;
}

Condition Of(Condition::Kind kind, std::vector<Condition> children, std::string text) {
  Condition condition;
  condition.kind = kind;
  condition.children = std::move(children);
  condition.text = std::move(text);
  return condition;
}

TEST_CASE("PredicateSet: errors are absorbed as CEL says", "[patterns][unit]") {
  const Condition i_pos = AtomOf(0, CompareOp::kGt, Value::Int(0), "i > 0");
  const Condition s_a = AtomOf(2, CompareOp::kEq, Value::String("a"), "s == \"a\"");
  PredicateSet set;
  const uint32_t both = set.Add(Of(Condition::Kind::kAnd, {i_pos, s_a}, "both"));
  const uint32_t either = set.Add(Of(Condition::Kind::kOr, {i_pos, s_a}, "either"));
  const uint32_t neither = set.Add(Of(Condition::Kind::kNot, {i_pos}, "not"));
  ColumnBlock block(OneSlotEach());
  struct Row {
    Value i;
    Value s;
    const char* outcomes;  // of both, either, neither: t, f or e
  };
  const Row rows[] = {
      {Value::Int(1), Value::String("a"), "ttf"},
      {Value::Int(1), Value::String("b"), "ftf"},
      {Value(), Value::String("a"), "ete"},
      {Value(), Value::String("b"), "fee"},
      {Value::Int(0), Value(), "fet"},
      {Value::Int(1), Value(), "etf"},
      {Value(), Value(), "eee"},
  };
  for (const Row& row : rows) {
    block.columns[0].Set(block.rows, row.i);
    block.columns[2].Set(block.rows, row.s);
    ++block.rows;
  }
  const auto shared = std::make_shared<PredicateSet>(std::move(set));
  PredicateResults results(shared);
  results.Evaluate(block);
  for (uint32_t r = 0; r < block.rows; ++r) {
    std::string outcomes;
    for (uint32_t id : {both, either, neither}) {
      outcomes += results.of(id).yes.Test(r) ? 't' : results.of(id).no.Test(r) ? 'f' : 'e';
    }
    CHECK(outcomes == rows[r].outcomes);
  }
  CHECK(results.ExplainError(both, block, 2) == "the event has no field `i`");
}

TEST_CASE("PredicateSet: the same text is one node", "[patterns][unit]") {
  PredicateSet set;
  const uint32_t a = set.Add(AtomOf(0, CompareOp::kGt, Value::Int(0), "i > 0"));
  const uint32_t b = set.Add(AtomOf(0, CompareOp::kGt, Value::Int(0), "i > 0"));
  CHECK(a == b);
  CHECK(set.size() == 1);
  CHECK(set.uses(a) == 2);
}

}  // namespace
}  // namespace vigil::patterns
