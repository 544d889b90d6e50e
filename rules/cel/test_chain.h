// Conditions made of comparisons only, as a chain of tests: the fast way of a typed condition.
//
// Each test compares a field of the current row with a constant or with a field of an earlier
// stage's event, by code for its type, and names the test to go on with, whether it holds or not:
// `&&`, `||` and `!` are the way through the chain. It works for rows whose fields are present and
// of their columns' types. At the first that is not, the chain declines, and the program, which
// knows errors, decides. So it gives what the program gives, or nothing. What the first test says
// is often easy to foresee for the processor, what the others say is not: where they are few, all
// of them are done, whatever they say, and the outcome is looked up in a table. Invariants: (1)
// tests go on to later tests only. (2) Immutable once made; any number of threads may run it.
// Tests: tests/property/cel_test.cc, tests/rules/cel_chain_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/expression.h"
#include "rules/cel/ast.h"

namespace vigil::rules::cel {

class TestChain {
 public:
  // The chain of a checked condition; null if it has parts that are no such tests.
  static std::unique_ptr<const TestChain> Make(const Expr& root, const cep::Layout* layout);

  // True or false, or kError where the program must decide. O(tests), no allocation.
  cep::Tri Run(const cep::EvalContext& context) const;

 private:
  friend class TestChainBuilder;

  enum class Kind : uint8_t {
    kBool,  // the field
    kInt,   // field op constant
    kDouble,
    kText,       // == or !=
    kTextOrder,  // <, <=, > or >=
    kIntIn,      // field in constants
    kTextIn,
    kStageInt,  // field op field of a stage
    kStageDouble,
    kStageText,
    kStageTextOrder,
  };

  // A constant text. `head` and `tail` are its first and last bytes, as many as LoadEnds() says.
  struct Text {
    const char* data = nullptr;
    size_t size = 0;
    uint64_t head = 0;
    uint64_t tail = 0;
  };

  struct alignas(64) Test {
    Kind kind = Kind::kBool;
    uint8_t wanted = 0;  // bit by order: less 1, equal 2, greater 4, unordered 8
    uint32_t slot = 0;
    uint32_t next[2] = {};  // the next test, or kTrue, kFalse: if it does not hold, if it holds
    uint32_t stage = 0;
    uint32_t stage_slot = 0;
    uint32_t count = 0;  // of kIntIn, kTextIn
    union {
      int64_t int_value = 0;  // kInt
      double double_value;    // kDouble
      const int64_t* ints;    // kIntIn
      const Text* texts;      // kTextIn
    };
    Text text;  // kText, kTextOrder
  };
  static constexpr uint32_t kTrue = 0xFFFFFFFE;
  static constexpr uint32_t kFalse = 0xFFFFFFFF;

  // Of more tests, those behind the first are not done together.
  static constexpr uint32_t kMaxTogether = 6;

  static uint32_t LoadEnds(const char* data, size_t size, uint64_t* head, uint64_t* tail);
  static bool IsSame(std::string_view value, const Text& constant);
  static bool IsOneOf(std::string_view value, const Text* constants, uint32_t count);
  // What tests read: a row of columns.
  struct Row {
    const cep::Column* columns;
    uint32_t row;
    const cep::EvalContext& context;
  };
  // kError where a value is not there, or not of its type.
  [[gnu::always_inline]] static cep::Tri Holds(const Test& test, const Row& row);
  [[gnu::noinline]] static cep::Tri HoldsInOrder(const Test& test, const cep::Column& column,
                                                 const Row& row);
  static cep::Tri HoldsForStage(const Test& test, const cep::Column& column, const Row& row);
  // The outcome from test `at` on, one test after the other.
  [[gnu::noinline]] cep::Tri Walk(uint32_t at, const Row& row) const;
  uint64_t MakeTable(uint32_t from) const;

  std::vector<Test> tests_;
  // By where the first test leads, if it does: the outcome for each outcome of those behind it, a
  // bit each, test 1 the lowest.
  uint64_t tables_[2] = {};
  Arena arena_;  // of the constants
};

}  // namespace vigil::rules::cel
