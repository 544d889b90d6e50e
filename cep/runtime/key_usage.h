// The keys of a batch's rows, and how many rows lack those of each rule.
#pragma once

#include <cstdint>
#include <vector>

#include "cep/event/batch.h"
#include "cep/event/expression.h"
#include "cep/event/key.h"

namespace vigil::cep {

// Thread safety: none; the thread that drives the job owns it.
class KeyUsage {
 public:
  // rule_keys: for each rule the key expressions of which one at least must give a key for the rule
  // to see a row.
  KeyUsage(std::vector<KeyExpr> key_exprs, const std::vector<std::vector<uint32_t>>& rule_keys);

  // Fills the batch's key hashes.
  void Hash(Batch* batch) const;
  // Counts, per rule, the rows among `in_time` that it does not see.
  void CountMissing(const Batch& batch, const RowBits& in_time);

  // Rows that a rule did not see for want of a key, by rule.
  std::vector<uint64_t> no_key() const;

 private:
  // Rules that are seen by a row through the same keys, and how many rows had none of them.
  struct Use {
    std::vector<uint32_t> keys;
    std::vector<size_t> rules;
    uint64_t missing = 0;
  };

  std::vector<KeyExpr> key_exprs_;
  size_t rules_;
  std::vector<Use> uses_;
};

}  // namespace vigil::cep
