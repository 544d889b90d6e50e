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
#include "patterns/constant_index.h"

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
  // Takes an index of constants, finished; its number. Nothing is looked up where the node `common`
  // is false. Not thread safe.
  uint32_t AddIndex(std::unique_ptr<const ConstantIndex> index, uint32_t common) {
    indexes_.push_back({std::move(index), common});
    return static_cast<uint32_t>(indexes_.size() - 1);
  }
  const ConstantIndex& index(uint32_t id) const { return *indexes_[id].constants; }
  uint32_t common(uint32_t index) const { return indexes_[index].common; }
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

  struct Index {
    std::unique_ptr<const ConstantIndex> constants;
    uint32_t common;
  };

  uint32_t AddNode(const cep::Condition& condition);

  std::vector<Node> nodes_;  // children before parents
  std::map<std::string, uint32_t> by_text_;
  std::vector<Index> indexes_;
};

// What a ConstantIndex finds for the rows of a block, where the common condition is not false.
struct IndexHits {
  std::vector<uint32_t> entries = std::vector<uint32_t>(cep::kBatchRows);  // by row, or kNone
  std::vector<uint32_t> found = std::vector<uint32_t>(cep::kBatchRows);    // rows that have one
  cep::RowBits failed;                 // rows whose field cannot be tested: an error
  std::vector<cep::RowBits> possible;  // rows at which a rule of the block holds, by member
};

class PredicateResults {
 public:
  explicit PredicateResults(std::shared_ptr<const PredicateSet> set)
      : set_(std::move(set)), results_(set_->size()), hits_(set_->indexes_.size()) {}

  // Evaluates every node over `block`. O(nodes * rows / 64) plus O(rows) per atom, opaque
  // expression and index.
  void Evaluate(const cep::ColumnBlock& block);

  // Valid for rows < block.rows of the last Evaluate().
  const TriBits& of(uint32_t id) const { return results_[id]; }

  // What an index found, for the rows of the last Evaluate().
  const IndexHits& hits(uint32_t index) const { return hits_[index]; }
  // The rules of block `member` whose test by a constant in the index holds for the row's value.
  uint64_t IndexedRules(uint32_t index, uint32_t member, uint32_t row) const {
    return set_->index(index).RulesOf(hits_[index].entries[row], member);
  }

  // Why node `id` failed on a row of `block`, the block of the last Evaluate(), where it did.
  std::string ExplainError(uint32_t id, const cep::ColumnBlock& block, uint32_t row) const;
  // Why the index's field could not be tested.
  std::string ExplainIndexError(uint32_t index, const cep::ColumnBlock& block, uint32_t row) const;

 private:
  void EvaluateIndex(uint32_t id, const cep::ColumnBlock& block);

  std::shared_ptr<const PredicateSet> set_;
  std::vector<TriBits> results_;
  std::vector<IndexHits> hits_;
  Arena arena_;
};

}  // namespace vigil::patterns
