// All unary conditions of a rule set, each distinct one evaluated once per block of rows.
//
// Conditions are hash-consed by their canonical text into a graph whose leaves are atoms (field,
// operator, constant) and opaque expressions. Evaluation is columnar and three-valued: per node,
// one bit per row for "true" and one for "false"; neither means that the evaluation failed (CEL:
// `false && error` is false). Thread safety: a PredicateSet is immutable once built; each shard has
// its own PredicateResults.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/expression.h"

namespace vigil::patterns {

// One node's outcome for each row of a block.
struct TriBits {
  cep::RowBits yes;
  cep::RowBits no;

  bool IsError(uint32_t row) const { return !yes.Test(row) && !no.Test(row); }
};

class PredicateSet {
 public:
  // The id of the node for `condition`, added when new. Not thread safe.
  uint32_t Add(const cep::Condition& condition);
  // Number of distinct nodes.
  size_t size() const { return nodes_.size(); }
  // Canonical CEL of a node.
  const std::string& text(uint32_t id) const { return nodes_[id].text; }
  // How often Add() was asked for a node at the root of a condition.
  uint32_t uses(uint32_t id) const { return nodes_[id].uses; }
  // True for a condition that is always true.
  bool IsTrue(uint32_t id) const { return nodes_[id].kind == cep::Condition::Kind::kTrue; }

 private:
  friend class PredicateResults;
  struct Node {
    cep::Condition::Kind kind;
    cep::Atom atom;
    std::shared_ptr<const cep::Expression> opaque;
    std::vector<uint32_t> children;
    std::string text;
    uint32_t uses = 0;
  };

  uint32_t AddNode(const cep::Condition& condition);

  std::vector<Node> nodes_;  // children before parents
  std::map<std::string, uint32_t> by_text_;
};

class PredicateResults {
 public:
  explicit PredicateResults(std::shared_ptr<const PredicateSet> set)
      : set_(std::move(set)), results_(set_->size()) {}

  // Evaluates every node over `block`. O(nodes * rows / 64) plus O(rows) per atom and opaque
  // expression.
  void Evaluate(const cep::ColumnBlock& block);

  // Valid for rows < block.rows of the last Evaluate().
  const TriBits& of(uint32_t id) const { return results_[id]; }

  // Why node `id` failed on a row of `block`, the block of the last Evaluate(), where it did.
  std::string ExplainError(uint32_t id, const cep::ColumnBlock& block, uint32_t row) const;

 private:
  std::shared_ptr<const PredicateSet> set_;
  std::vector<TriBits> results_;
  Arena arena_;
};

}  // namespace vigil::patterns
