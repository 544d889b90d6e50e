// A parsed expression: nodes as written, and what the checker finds out about them.
//
// Nodes are owned by the Ast, link to each other by plain pointers and die together. The checker
// turns the tree into a graph: a use of a define links to the define's own nodes. Invariant: no
// path is longer than kMaxDepth, so every pass may recurse.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/expression.h"
#include "cep/event/value.h"
#include "rules/cel/issues.h"
#include "rules/cel/types.h"

namespace vigil::rules::cel {

inline constexpr uint32_t kMaxTextBytes = 64 * 1024;  // of an expression, and of each define
inline constexpr uint32_t kMaxNesting = 250;  // brackets, calls, unary operators, else-branches
inline constexpr uint32_t kMaxDepth =
    1000;  // nesting plus chains like a.b.c and a+b+c, defines put in
inline constexpr uint32_t kMaxNodes = 64 * 1024;           // defines put in
inline constexpr uint64_t kMaxStaticIterations = 100'000;  // of nested macros, multiplied
inline constexpr uint64_t kMaxStaticCost = 10'000'000;     // steps of one evaluation
inline constexpr uint64_t kAssumedItems = 10;              // of a list of unknown size

enum class ExprKind : uint8_t {
  kError,          // already reported
  kLiteral,        // `literal`
  kIdent,          // `name`
  kSelect,         // args[0].name
  kHas,            // has(args[0].name)
  kIndex,          // args[0][args[1]]
  kCall,           // name(args) or args[0].name(args[1..]); operators are named `_+_`, `-_`, `!_`
  kList,           // args
  kMap,            // args: key, value, key, value
  kMessage,        // name{...}: parsed, never supported
  kAnd,            // args, two or more
  kOr,             // args, two or more
  kConditional,    // args[0] ? args[1] : args[2]
  kCompare,        // args[0] op args[1]
  kComprehension,  // args[0].macro(name, args[1], ...), or with two variables name and second_name
  kBind,           // cel.bind(name, args[0], args[1])
  kOptionalMap,    // args[0].macro(name, args[1]), macro kOptMap or kOptFlatMap
};

enum class Macro : uint8_t {
  kAll,
  kExists,
  kExistsOne,
  kMap,
  kFilter,
  kTransformList,
  kTransformMap,
  kTransformMapEntry,
  kSortBy,
  kOptMap,
  kOptFlatMap,
};

// What a name turned out to be.
enum class RefKind : uint8_t {
  kNone,
  kLocal,       // a comprehension variable; index: its level
  kConstant,    // a declared variable or a type; the value is in `literal`
  kField,       // of the current event; index: slot
  kEvent,       // the current event
  kStage,       // a stage's event or list of events; index: in EvalContext::stages
  kEventField,  // of the event that args[0] gives; index: slot
  kInlined,     // a define; args[0] is its expression
};

struct Overload;
struct Function;

inline constexpr uint32_t kNoLocal = std::numeric_limits<uint32_t>::max();

struct Expr {
  ExprKind kind = ExprKind::kError;
  Macro macro = Macro::kAll;
  cep::CompareOp op = cep::CompareOp::kEq;
  bool is_member = false;    // kCall: written args[0].name(...)
  bool is_absolute = false;  // kIdent, kCall: written .name; a field selected from `event`: its
                             // name alone means another
  bool is_optional = false;  // kSelect: written args[0].?name; kIndex: args[0][?args[1]]
  Span span;                 // all of it
  Span token;                // what an issue points at: the name or the operator
  std::string name;
  std::string second_name;  // kComprehension: of the second variable; may be empty
  cep::Value literal;
  std::vector<Expr*> args;
  // kList, kMap: which of args are written ?x (of a map the values, whose key has the mark); empty
  // where none is.
  std::vector<bool> splices;

  // Set by the checker.
  TypeRef type = nullptr;
  RefKind ref = RefKind::kNone;
  uint32_t index = 0;
  bool as_value = false;               // an event or events, to be made a map or a list of maps
  const Overload* overload = nullptr;  // kCall: the only one that can apply
  const Function* function = nullptr;  // kCall: chosen among its overloads when evaluated
  std::string failure;                 // not empty: evaluation gives this error (unchecked mode)
  bool reads_event = false;
  bool reads_stage = false;
  uint32_t lowest_local =
      kNoLocal;  // the outermost comprehension variable read and not defined within
  uint32_t depth = 1;
  uint32_t nodes = 1;  // of the subtree, defines put in
  uint64_t cost = 1;   // steps that one evaluation takes at most or, where sizes are unknown, about
  uint64_t items = 0;  // of a list or map, by the same measure; 0: unknown
  uint64_t iterations = 0;  // of macros
};

class Ast {
 public:
  Ast() = default;
  Ast(const Ast&) = delete;
  Ast& operator=(const Ast&) = delete;

  Expr* New(ExprKind kind, Span span, Span token);
  // A copy of `text` that lives as long as the Ast.
  std::string_view Keep(std::string_view text) { return arena_.Copy(text); }
  Arena& arena() { return arena_; }

 private:
  std::deque<Expr> nodes_;
  Arena arena_;
};

std::string_view MacroName(Macro macro);
// The operator's spelling: `==`, `in`.
std::string_view OperatorText(cep::CompareOp op);
// The operator that holds for (b, a) when `op` holds for (a, b).
cep::CompareOp Mirrored(cep::CompareOp op);

}  // namespace vigil::rules::cel
