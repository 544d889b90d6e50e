// Conditions made of comparisons only, as a chain of tests: the fast way of a typed condition.
//
// Each test compares a field of the current row with a constant or with a field of an earlier
// stage's event, by code for its type, and names the test to go on with, whether it holds or not:
// `&&`, `||` and `!` are the way through the chain. It works for rows whose fields are present and
// of their columns' types. At the first that is not, the chain declines, and the program, which
// knows errors, decides. So it gives what the program gives, or nothing. Invariants: (1) tests go
// on to later tests only. (2) Immutable once made; any number of threads may run it. Tests:
// tests/property/cel_test.cc, tests/rules/cel_chain_test.cc.
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
    kString,
    kIntIn,  // field in constants
    kStringIn,
    kStageInt,  // field op field of a stage
    kStageDouble,
    kStageString,
  };

  struct Test {
    Kind kind = Kind::kBool;
    uint8_t wanted = 0;          // bit by order: less 1, equal 2, greater 4, unordered 8
    bool equality_only = false;  // == or !=: texts of different lengths are told apart at once
    uint32_t slot = 0;
    uint32_t stage = 0;
    uint32_t stage_slot = 0;
    uint32_t if_true = 0;  // the next test, or kTrue, kFalse
    uint32_t if_false = 0;
    const cep::Value* constants = nullptr;
    uint32_t constant_count = 0;
  };
  static constexpr uint32_t kTrue = 0xFFFFFFFE;
  static constexpr uint32_t kFalse = 0xFFFFFFFF;

  // Whether the test holds; nothing where a value is not there, or not of its type.
  static cep::Tri Holds(const Test& test, const cep::EvalContext& context);

  std::vector<Test> tests_;
  Arena arena_;  // of the constants
};

}  // namespace vigil::rules::cel
