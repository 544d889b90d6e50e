#include "patterns/running_patterns.h"

#include <utility>

namespace vigil::patterns {
namespace {

// Gives results the indices that their rules have now.
class IndexedSink : public cep::MatchSink {
 public:
  IndexedSink(const std::vector<uint32_t>& index_now, cep::MatchSink* out)
      : index_now_(index_now), out_(out) {}

  void OnMatch(const cep::Match& match) override {
    cep::Match now = match;
    now.rule = index_now_[match.rule];
    if (now.rule != kRetired) out_->OnMatch(now);
  }
  bool WantsRuleError(uint32_t rule, std::string_view expression) override {
    return index_now_[rule] != kRetired && out_->WantsRuleError(index_now_[rule], expression);
  }
  void OnRuleError(const cep::RuleError& error) override {
    cep::RuleError now = error;
    now.rule = index_now_[error.rule];
    if (now.rule != kRetired) out_->OnRuleError(now);
  }

 private:
  const std::vector<uint32_t>& index_now_;
  cep::MatchSink* out_;
};

}  // namespace

RunningOperator::RunningOperator(std::shared_ptr<const RunningPatterns> running,
                                 RunningOperator* before)
    : running_(std::move(running)) {
  for (const Generation& generation : running_->generations) {
    std::unique_ptr<PatternOperator>& op = operators_.emplace_back();
    const Generation* old = nullptr;
    for (size_t i = 0; before != nullptr && i < before->operators_.size(); ++i) {
      if (before->running_->generations[i].number != generation.number) continue;
      old = &before->running_->generations[i];
      op = std::move(before->operators_[i]);
    }
    if (op == nullptr) op = std::make_unique<PatternOperator>(generation.patterns);
    // Those that were retired before have nothing left to drop.
    std::vector<uint32_t> retired;
    for (uint32_t rule = 0; rule < generation.index_now.size(); ++rule) {
      const bool was_retired = old != nullptr && old->index_now[rule] == kRetired;
      if (generation.index_now[rule] == kRetired && !was_retired) retired.push_back(rule);
    }
    op->Retire(retired);
  }
}

void RunningOperator::ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink* out) {
  for (size_t i = 0; i < operators_.size(); ++i) {
    IndexedSink sink(running_->generations[i].index_now, out);
    operators_[i]->ProcessRows(rows, &sink);
  }
}

void RunningOperator::AdvanceTime(int64_t watermark, cep::MatchSink* out) {
  for (size_t i = 0; i < operators_.size(); ++i) {
    IndexedSink sink(running_->generations[i].index_now, out);
    operators_[i]->AdvanceTime(watermark, &sink);
  }
}

void RunningOperator::AddCounters(std::vector<RuleCounters>* by_rule) const {
  for (size_t i = 0; i < operators_.size(); ++i) {
    const std::vector<uint32_t>& index_now = running_->generations[i].index_now;
    std::vector<RuleCounters> own(index_now.size());
    operators_[i]->AddCounters(&own);
    for (size_t rule = 0; rule < own.size(); ++rule) {
      if (index_now[rule] != kRetired) (*by_rule)[index_now[rule]].Add(own[rule]);
    }
  }
}

double RunningOperator::AddLoad(std::vector<RuleLoad>* by_rule) const {
  double partial_matches = 0;
  for (size_t i = 0; i < operators_.size(); ++i) {
    const std::vector<uint32_t>& index_now = running_->generations[i].index_now;
    std::vector<RuleLoad> own(index_now.size());
    partial_matches += operators_[i]->AddLoad(&own);
    for (size_t rule = 0; rule < own.size(); ++rule) {
      if (index_now[rule] != kRetired) (*by_rule)[index_now[rule]].Add(own[rule]);
    }
  }
  return partial_matches;
}

size_t RunningOperator::live_keys() const {
  size_t keys = 0;
  for (const auto& op : operators_) keys += op->live_keys();
  return keys;
}

size_t RunningOperator::live_nodes() const {
  size_t nodes = 0;
  for (const auto& op : operators_) nodes += op->live_nodes();
  return nodes;
}

}  // namespace vigil::patterns
