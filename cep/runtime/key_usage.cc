#include "cep/runtime/key_usage.h"

#include <map>
#include <utility>

namespace vigil::cep {

KeyUsage::KeyUsage(std::vector<KeyExpr> key_exprs,
                   const std::vector<std::vector<uint32_t>>& rule_keys)
    : key_exprs_(std::move(key_exprs)), rules_(rule_keys.size()) {
  std::map<std::vector<uint32_t>, std::vector<size_t>> rules_by_keys;
  for (size_t rule = 0; rule < rule_keys.size(); ++rule) {
    rules_by_keys[rule_keys[rule]].push_back(rule);
  }
  for (auto& [keys, rules] : rules_by_keys) uses_.push_back({keys, std::move(rules)});
}

void KeyUsage::Hash(Batch* batch) const {
  batch->key_hashes.resize(key_exprs_.size());
  for (size_t k = 0; k < key_exprs_.size(); ++k) {
    batch->key_hashes[k].resize(kBatchRows);
    HashKeys(*batch, key_exprs_[k], batch->key_hashes[k].data());
  }
}

void KeyUsage::CountMissing(const Batch& batch, const RowBits& in_time) {
  for (Use& use : uses_) {
    for (uint32_t row = 0; row < batch.rows; ++row) {
      uint64_t any = 0;
      for (uint32_t k : use.keys) any |= batch.key_hashes[k][row];
      if (any == kNoKey && in_time.Test(row)) ++use.missing;
    }
  }
}

std::vector<uint64_t> KeyUsage::no_key() const {
  std::vector<uint64_t> by_rule(rules_);
  for (const Use& use : uses_) {
    for (size_t rule : use.rules) by_rule[rule] = use.missing;
  }
  return by_rule;
}

}  // namespace vigil::cep
