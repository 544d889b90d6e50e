#include "patterns/running_patterns.h"

#include <algorithm>
#include <string>
#include <utility>

#include "cep/base/check.h"

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

// Of a generation that is older than the operators that are to run it.
std::vector<uint32_t> RetiredRules(const Generation& generation) {
  std::vector<uint32_t> retired;
  for (uint32_t rule = 0; rule < generation.index_now.size(); ++rule) {
    if (generation.index_now[rule] == kRetired) retired.push_back(rule);
  }
  return retired;
}

// Gives units to operators instead of a store.
class HandOverWriter : public cep::UnitWriter {
 public:
  explicit HandOverWriter(const std::vector<PatternOperator*>& to) : to_(to) {}

  Status Put(const cep::UnitName& name, const cep::UnitKind& kind,
             std::span<const std::string_view> segments, cep::StoredParts*) override {
    body_.clear();
    for (const std::string_view segment : segments) body_ += segment;
    for (PatternOperator* op : to_) {
      RETURN_IF_ERROR(op->Take({name, kind, body_, {}}).status());
    }
    return absl::OkStatus();
  }
  Status Remove(const cep::UnitName&, cep::StoredParts*) override { return absl::OkStatus(); }

 private:
  const std::vector<PatternOperator*>& to_;
  std::string body_;
};

}  // namespace

RunningOperator::RunningOperator(std::shared_ptr<const RunningPatterns> running,
                                 RunningOperator* before)
    : running_(std::move(running)) {
  std::vector<PatternOperator*> old_operators;
  if (before != nullptr) {
    keeps_changes_ = before->keeps_changes_;
    reader_ = before->reader_;
    save_status_ = before->save_status_;
    watermark_ = before->watermark_;
    strays_ = std::move(before->strays_);
    for (const auto& op : before->operators_) old_operators.push_back(op.get());
  }
  std::vector<PatternOperator*> added;
  std::vector<const Generation*> now(old_operators.size());
  for (const Generation& generation : running_->generations) {
    std::unique_ptr<PatternOperator>& op = operators_.emplace_back();
    for (size_t i = 0; i < old_operators.size(); ++i) {
      if (before->running_->generations[i].number != generation.number) continue;
      op = std::move(before->operators_[i]);
      now[i] = &generation;
    }
    if (op == nullptr) {
      op = std::make_unique<PatternOperator>(generation.patterns);
      if (generation.is_draining) op->StartNothing();
      op->Retire(RetiredRules(generation));
      op->ResumeAt(watermark_);
      added.push_back(op.get());
    }
    if (running_->layout != nullptr) op->UseLayout(running_->layout);
    if (keeps_changes_) op->KeepChanges();
    op->ReadFrom(reader_);
  }
  for (size_t i = 0; i < old_operators.size(); ++i) {
    HandOver(before->running_->generations[i], now[i], old_operators[i], added);
  }
}

void RunningOperator::HandOver(const Generation& old, const Generation* now, PatternOperator* op,
                               const std::vector<PatternOperator*>& added) {
  std::vector<uint32_t> retired;
  std::vector<uint32_t> handed_over;
  for (const RuleBlock& block : old.patterns->blocks) {
    for (size_t bit = 0; bit < block.rules.size(); ++bit) {
      const uint32_t rule = block.rules[bit];
      // What was retired before has nothing left to drop.
      if (old.index_now[rule] == kRetired) continue;
      if (now != nullptr && now->index_now[rule] != kRetired) continue;
      retired.push_back(rule);
      const auto knows = [&](const PatternOperator* other) {
        return other->Matches(block.names[bit].incarnation);
      };
      if (std::any_of(added.begin(), added.end(), knows)) handed_over.push_back(rule);
    }
  }
  if (!handed_over.empty()) {
    HandOverWriter writer(added);
    const Status status = op->ExportUnits(handed_over, &writer);
    CEP_CHECK(status.ok());  // what one operator writes, another one reads
  }
  if (now != nullptr) {
    op->Retire(retired);
  } else if (keeps_changes_) {
    const Status status = op->AbandonUnits(&strays_);
    if (save_status_.ok()) save_status_ = status;
  }
}

void RunningOperator::KeepChanges() {
  keeps_changes_ = true;
  for (const auto& op : operators_) op->KeepChanges();
}

Status RunningOperator::BeginSnapshot(cep::UnitWriter* out) {
  writer_ = out;
  removing_strays_.swap(strays_);
  for (const auto& op : operators_) RETURN_IF_ERROR(op->BeginSnapshot(out));
  return absl::OkStatus();
}

StatusOr<bool> RunningOperator::ContinueSnapshot(size_t units) {
  RETURN_IF_ERROR(save_status_);
  ASSIGN_OR_RETURN(bool is_complete, RemoveStrays(units, &removing_strays_, writer_));
  for (size_t i = 0; is_complete && i < operators_.size(); ++i) {
    ASSIGN_OR_RETURN(is_complete, operators_[i]->ContinueSnapshot(units));
  }
  return is_complete;
}

Status RunningOperator::Restore(const cep::RestoredUnit& unit) {
  bool has_owner = false;
  for (const auto& op : operators_) {
    ASSIGN_OR_RETURN(const PatternOperator::Taken taken, op->Take(unit));
    has_owner |= taken == PatternOperator::Taken::kWithOwner;
  }
  if (!has_owner && !unit.stored.empty()) strays_.emplace_back(unit);
  return absl::OkStatus();
}

void RunningOperator::ReadFrom(const cep::UnitReader* reader) {
  reader_ = reader;
  for (const auto& op : operators_) op->ReadFrom(reader);
}

// Each gives up its share of what is too much.
void RunningOperator::LeaveMemory(size_t bytes, size_t pending) {
  const size_t held = state_bytes();
  if (held <= bytes) return;
  const double share = static_cast<double>(bytes) / static_cast<double>(held);
  for (const auto& op : operators_) {
    op->LeaveMemory(static_cast<size_t>(share * static_cast<double>(op->state_bytes())), pending);
  }
}

void RunningOperator::ResumeAt(int64_t watermark) {
  watermark_ = watermark;
  for (const auto& op : operators_) op->ResumeAt(watermark);
}

void RunningOperator::ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink* out) {
  for (size_t i = 0; i < operators_.size(); ++i) {
    IndexedSink sink(running_->generations[i].index_now, out);
    operators_[i]->ProcessRows(rows, &sink);
  }
}

void RunningOperator::AdvanceTime(int64_t watermark, cep::MatchSink* out) {
  watermark_ = std::max(watermark_, watermark);
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

void RunningOperator::MarkOpen(std::vector<bool>* open) const {
  for (size_t i = 0; i < operators_.size(); ++i) {
    if (!running_->generations[i].is_draining) continue;
    const std::vector<uint32_t>& index_now = running_->generations[i].index_now;
    std::vector<bool> own(index_now.size());
    operators_[i]->MarkOpen(&own);
    for (size_t rule = 0; rule < own.size(); ++rule) {
      if (own[rule] && index_now[rule] != kRetired) (*open)[index_now[rule]] = true;
    }
  }
}

size_t RunningOperator::live_keys() const {
  size_t keys = 0;
  for (const auto& op : operators_) keys += op->live_keys();
  return keys;
}

size_t RunningOperator::cold_keys() const {
  size_t keys = 0;
  for (const auto& op : operators_) keys += op->cold_keys();
  return keys;
}

size_t RunningOperator::state_bytes() const {
  size_t bytes = 0;
  for (const auto& op : operators_) bytes += op->state_bytes();
  return bytes;
}

size_t RunningOperator::live_events() const {
  size_t events = 0;
  for (const auto& op : operators_) events += op->live_events();
  return events;
}

}  // namespace vigil::patterns
