#include "rules/cel/cost.h"

#include <algorithm>
#include <limits>

#include "rules/cel/functions.h"

namespace vigil::rules::cel {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kAssumedTextSteps = 4;  // to go through a text of an event once
constexpr uint64_t kPatternSteps = 100;    // to match a regular expression

uint64_t Add(uint64_t a, uint64_t b) { return a > kMost - b ? kMost : a + b; }
uint64_t Multiply(uint64_t a, uint64_t b) { return a != 0 && b > kMost / a ? kMost : a * b; }

bool IsSized(const Expr& expr) {
  return expr.type != nullptr &&
         (expr.type->tag == TypeTag::kList || expr.type->tag == TypeTag::kMap ||
          expr.type->tag == TypeTag::kObject || IsDynamic(expr.type));
}

// How many items a part has; as text, how many steps it takes to go through it.
uint64_t SizeOf(const Expr& expr) {
  if (expr.items > 0 || expr.kind == ExprKind::kList || expr.kind == ExprKind::kMap) {
    return expr.items;
  }
  return IsSized(expr) ? kAssumedItems : kAssumedTextSteps;
}

const Cost* CostOf(const Expr& expr) {
  if (expr.overload != nullptr) return &expr.overload->cost;
  const bool known = expr.function != nullptr && !expr.function->overloads.empty();
  return known ? &expr.function->overloads.front().cost : nullptr;
}

uint64_t StepsOfCall(const Expr& expr) {
  const Cost* cost = CostOf(expr);
  if (cost == nullptr) return 1;
  uint64_t sum = 1;
  uint64_t product = 1;
  for (const Expr* arg : expr.args) {
    sum = Add(sum, SizeOf(*arg));
    product = Multiply(product, std::max<uint64_t>(1, SizeOf(*arg)));
  }
  switch (*cost) {
    case Cost::kConstant:
      return 1;
    case Cost::kLinear:
      return sum;
    case Cost::kProduct:
      return Add(sum, product);
    case Cost::kPattern:
      return Add(sum, kPatternSteps);
    case Cost::kSquare:
      return Add(sum, Multiply(sum, sum));
  }
  return 1;
}

// Items of the list that a call gives.
uint64_t ItemsOfCall(const Expr& expr) {
  if (expr.type == nullptr || expr.type->tag != TypeTag::kList) return 0;
  const bool is_range = expr.name == "lists.range" && expr.args.size() == 1 &&
                        expr.args[0]->kind == ExprKind::kLiteral &&
                        expr.args[0]->literal.tag == cep::ValueTag::kInt;
  if (is_range) return static_cast<uint64_t>(std::max<int64_t>(0, expr.args[0]->literal.i));
  uint64_t sum = 0;
  for (const Expr* arg : expr.args) {
    if (arg->type != nullptr && arg->type->tag == TypeTag::kList) sum = Add(sum, SizeOf(*arg));
  }
  return sum;
}

void EstimateLoop(Expr& expr) {
  const uint64_t rounds = SizeOf(*expr.args[0]);
  uint64_t body = 1;
  uint64_t inner = 1;
  for (size_t i = 1; i < expr.args.size(); ++i) {
    body = Add(body, expr.args[i]->cost);
    inner = Add(inner, expr.args[i]->iterations);
  }
  expr.cost = Add(expr.args[0]->cost, Multiply(rounds, body));
  expr.iterations = Add(expr.args[0]->iterations, Multiply(rounds, inner));
  expr.items = rounds;
}

}  // namespace

void EstimateCost(Expr& expr) {
  if (expr.kind == ExprKind::kComprehension) return EstimateLoop(expr);
  expr.cost = 1;
  expr.iterations = 0;
  for (const Expr* arg : expr.args) {
    expr.cost = Add(expr.cost, arg->cost);
    expr.iterations = Add(expr.iterations, arg->iterations);
  }
  switch (expr.kind) {
    case ExprKind::kList:
      expr.items = expr.args.size();
      break;
    case ExprKind::kMap:
      expr.items = expr.args.size() / 2;
      break;
    case ExprKind::kBind:
      expr.items = expr.args[1]->items;
      break;
    case ExprKind::kConditional:
      expr.items = std::max(expr.args[1]->items, expr.args[2]->items);
      break;
    case ExprKind::kIdent:
      if (expr.ref == RefKind::kInlined && !expr.args.empty()) expr.items = expr.args[0]->items;
      break;
    case ExprKind::kCall:
      expr.items = ItemsOfCall(expr);
      expr.cost = Add(expr.cost, StepsOfCall(expr));
      break;
    case ExprKind::kCompare:
      if (expr.op == cep::CompareOp::kIn) expr.cost = Add(expr.cost, SizeOf(*expr.args[1]));
      break;
    default:
      break;
  }
}

}  // namespace vigil::rules::cel
