#include "daemon/running_rules.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "alerts/builder.h"
#include "daemon/rule_edits.h"
#include "rules/explain.h"

namespace vigil::daemon {
namespace {

using patterns::Generation;
using patterns::kRetired;
using rules::CompiledRule;

std::vector<uint32_t> KeptSlots(const cep::Layout& layout) {
  std::vector<uint32_t> kept;
  for (uint32_t s = 0; s < layout.slots().size(); ++s) {
    if (layout.slots()[s].is_kept) kept.push_back(s);
  }
  return kept;
}

bool ShowsUsed(const CompiledRule& rule) {
  return rule.info.on_match.evidence == alerts::Evidence::kUsed ||
         rule.info.on_timeout.evidence == alerts::Evidence::kUsed;
}

// `captured`: of the old rule's partial matches. `kept`: what the new set captures.
RuleVerdict Judge(const CompiledRule& from, const CompiledRule& to,
                  const std::vector<uint32_t>& captured, const std::vector<uint32_t>& kept) {
  if (from.content == to.content && from.matching == to.matching) {
    return {to.info.id, Verdict::kIdentical, ""};
  }
  if (from.matching != to.matching) {
    const std::string why = WhyIncompatible(from, to);
    if (!why.empty()) return {to.info.id, Verdict::kReset, why};
  }
  const std::vector<uint32_t>& needed = ShowsUsed(to) ? kept : to.kept_slots;
  if (!std::includes(captured.begin(), captured.end(), needed.begin(), needed.end())) {
    return {to.info.id, Verdict::kReset,
            "it reads fields of accepted events that its partial matches do not hold"};
  }
  return {to.info.id, Verdict::kCompatible,
          from.matching == to.matching ? "" : "its partial matches go on under the new version"};
}

void AddRuleKeys(const Generation& generation, std::vector<std::vector<uint32_t>>* rule_keys) {
  for (const patterns::RuleBlock& block : generation.patterns->blocks) {
    for (const uint32_t rule : block.rules) {
      if (generation.index_now[rule] == kRetired) continue;
      (*rule_keys)[generation.index_now[rule]] =
          generation.patterns->key_spaces[block.key_space].variants;
    }
  }
}

// The generations of `before` that go on, with the indices that their rules have now.
std::vector<Generation> GoOn(const RunningRules& before, const std::vector<uint32_t>& index_after) {
  std::vector<Generation> generations;
  for (Generation generation : before.patterns->generations) {
    bool goes_on = false;
    for (uint32_t& index : generation.index_now) {
      if (index != kRetired) index = index_after[index];
      goes_on |= index != kRetired;
    }
    if (goes_on) generations.push_back(std::move(generation));
  }
  return generations;
}

}  // namespace

std::string_view NameOf(Verdict verdict) {
  constexpr std::string_view kNames[] = {"identical", "compatible", "reset", "new", "removed"};
  return kNames[static_cast<size_t>(verdict)];
}

cep::RemakeOperator RunningRules::Remake() const {
  return [patterns = patterns](cep::Operator* before) -> std::unique_ptr<cep::Operator> {
    return std::make_unique<patterns::RunningOperator>(
        patterns, static_cast<patterns::RunningOperator*>(before));
  };
}

cep::ShardGroup::MakeSink RunningRules::MakeBuilders() const {
  return [context = context] { return std::make_unique<alerts::AlertBuilder>(context); };
}

StatusOr<std::shared_ptr<const RunningRules>> FollowRules(
    const RunningRules* before, std::shared_ptr<const rules::RuleSet> rules,
    const StoredRules* stored, const Rendering& rendering) {
  auto next = std::make_shared<RunningRules>();
  const size_t count = rules->rules.size();
  const std::vector<uint32_t> kept = KeptSlots(*rules->layout);
  next->captured.assign(count, kept);
  next->incarnations.resize(count);
  if (stored != nullptr) next->next_incarnation = stored->next_incarnation;
  std::map<std::string_view, uint32_t> old_index;
  std::vector<uint32_t> index_after;
  if (before != nullptr) {
    for (uint32_t i = 0; i < before->rules->rules.size(); ++i) {
      old_index.emplace(before->rules->rules[i].info.id, i);
    }
    index_after.assign(old_index.size(), kRetired);
    next->next_generation = before->next_generation;
    next->next_incarnation = before->next_incarnation;
  }
  std::vector<bool> goes_on(count);  // where it is matched
  for (uint32_t i = 0; i < count; ++i) {
    const CompiledRule& rule = rules->rules[i];
    const auto old = old_index.find(rule.info.id);
    if (old == old_index.end()) {
      const bool is_stored = stored != nullptr && stored->incarnations[i] != 0;
      next->incarnations[i] = is_stored ? stored->incarnations[i] : next->next_incarnation++;
      if (is_stored) next->captured[i] = stored->captured[i];
      next->verdicts.push_back({rule.info.id, Verdict::kNew, ""});
      continue;
    }
    const std::vector<uint32_t>& captured = before->captured[old->second];
    next->verdicts.push_back(Judge(before->rules->rules[old->second], rule, captured, kept));
    const uint32_t from = old->second;
    old_index.erase(old);
    if (next->verdicts.back().verdict == Verdict::kReset) {
      next->incarnations[i] = next->next_incarnation++;
      continue;
    }
    next->incarnations[i] = before->incarnations[from];
    if (before->rules->rules[from].matching == rule.matching) {
      goes_on[i] = true;
      index_after[from] = i;
    }
    next->captured[i].clear();
    std::set_intersection(captured.begin(), captured.end(), kept.begin(), kept.end(),
                          std::back_inserter(next->captured[i]));
  }
  for (const auto& [id, index] : old_index) {
    next->verdicts.push_back({std::string(id), Verdict::kRemoved, ""});
  }
  std::sort(next->verdicts.begin(), next->verdicts.end(),
            [](const RuleVerdict& a, const RuleVerdict& b) { return a.rule < b.rule; });

  auto running = std::make_shared<patterns::RunningPatterns>();
  if (before != nullptr) {
    running->generations = GoOn(*before, index_after);
    next->key_exprs = before->key_exprs;
  }
  Generation added;
  added.index_now.assign(count, kRetired);
  std::vector<patterns::PatternRule> compiled;
  for (patterns::PatternRule& rule : rules::PatternRules(*rules)) {
    if (goes_on[rule.id]) continue;
    rule.incarnation = next->incarnations[rule.id];
    compiled.push_back(rule);
    added.index_now[rule.id] = rule.id;
  }
  if (!compiled.empty()) {
    added.number = next->next_generation++;
    ASSIGN_OR_RETURN(added.patterns,
                     patterns::CompilePatterns(compiled, patterns::kGroupAbove, next->key_exprs));
    next->key_exprs = added.patterns->key_exprs;
    running->generations.push_back(std::move(added));
  }
  running->layout = rules->layout;
  next->rule_keys.resize(count);
  for (const Generation& generation : running->generations) {
    AddRuleKeys(generation, &next->rule_keys);
  }
  next->patterns = std::move(running);
  next->context = MakeContext(*rules, rendering);
  next->rules = std::move(rules);
  return std::shared_ptr<const RunningRules>(std::move(next));
}

}  // namespace vigil::daemon
