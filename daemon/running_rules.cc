#include "daemon/running_rules.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "alerts/builder.h"
#include "daemon/rule_edits.h"
#include "rules/explain.h"

namespace vigil::daemon {
namespace {

using patterns::Generation;
using patterns::kRetired;
using rules::CompiledRule;
using rules::OnChange;

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

// A rule of the set that is to run.
struct Entry {
  const CompiledRule* rule = nullptr;
  uint64_t incarnation = 0;
  std::vector<uint32_t> captured;  // before the edit; unused of a new incarnation
  bool is_new = false;             // its incarnation
  uint32_t from = kRetired;        // its index before
  bool stays = false;              // where it is matched
  std::string drains;              // RuleInfo::rule_set
};

// `declared` with the entries' rules in place of its own.
std::shared_ptr<const rules::RuleSet> WithRules(const rules::RuleSet& declared,
                                                const std::vector<Entry>& entries,
                                                std::shared_ptr<const cep::Layout> layout) {
  auto set = std::make_shared<rules::RuleSet>();
  set->schema = declared.schema;
  set->layout = std::move(layout);
  set->version = declared.version;
  set->texts = declared.texts;
  set->source_texts = declared.source_texts;
  set->sources = declared.sources;
  for (const Entry& entry : entries) {
    set->rules.push_back(*entry.rule);
    set->rules.back().info.rule_set = entry.drains;
  }
  return set;
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

// What stored partial matches of a version that drains are known by: no rule's id has `#`.
std::string DrainingName(const std::string& id, uint64_t incarnation) {
  return id + "#" + std::to_string(incarnation);
}

// Compiles what does not stay where it is matched. `next` has all that is said of the rules but
// what follows from entries. What drains is a generation of its own: nothing starts there.
StatusOr<std::shared_ptr<const RunningRules>> Assemble(const RunningRules* before,
                                                       std::shared_ptr<const rules::RuleSet> rules,
                                                       const std::vector<Entry>& entries,
                                                       std::shared_ptr<RunningRules> next,
                                                       const Rendering& rendering) {
  const std::vector<uint32_t> kept = KeptSlots(*rules->layout);
  std::vector<uint32_t> index_after;
  if (before != nullptr) index_after.assign(before->rules->rules.size(), kRetired);
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    next->incarnations.push_back(entry.incarnation);
    std::vector<uint32_t>& captured = next->captured.emplace_back();
    if (entry.is_new) {
      captured = kept;
    } else {
      std::set_intersection(entry.captured.begin(), entry.captured.end(), kept.begin(), kept.end(),
                            std::back_inserter(captured));
    }
    if (entry.stays) index_after[entry.from] = i;
  }
  auto running = std::make_shared<patterns::RunningPatterns>();
  if (before != nullptr) {
    running->generations = GoOn(*before, index_after);
    next->key_exprs = before->key_exprs;
  }
  Generation added[2];
  std::vector<patterns::PatternRule> compiled[2];
  added[1].is_draining = true;
  for (Generation& generation : added) generation.index_now.assign(entries.size(), kRetired);
  for (patterns::PatternRule& rule : rules::PatternRules(*rules)) {
    const Entry& entry = entries[rule.id];
    if (entry.stays) continue;
    rule.incarnation = entry.incarnation;
    const size_t which = entry.drains.empty() ? 0 : 1;
    if (which == 1) rule.name = DrainingName(rule.name, rule.incarnation);
    added[which].index_now[rule.id] = rule.id;
    compiled[which].push_back(std::move(rule));
  }
  for (size_t which = 0; which < 2; ++which) {
    if (compiled[which].empty()) continue;
    Generation& generation = added[which];
    generation.number = next->next_generation++;
    ASSIGN_OR_RETURN(
        generation.patterns,
        patterns::CompilePatterns(compiled[which], patterns::kGroupAbove, next->key_exprs));
    next->key_exprs = generation.patterns->key_exprs;
    running->generations.push_back(std::move(generation));
  }
  running->layout = rules->layout;
  next->rule_keys.resize(entries.size());
  for (const Generation& generation : running->generations) {
    AddRuleKeys(generation, &next->rule_keys);
  }
  next->patterns = std::move(running);
  next->context = MakeContext(*rules, rendering);
  next->rules = std::move(rules);
  return std::shared_ptr<const RunningRules>(std::move(next));
}

// How an edit that cannot keep partial matches, or the removal, of `from` is to be taken.
// `draining`: how many versions drain already.
RuleVerdict DrainOr(Verdict verdict, const CompiledRule& from, OnChange on_change,
                    const std::string& why, size_t draining) {
  if (on_change == OnChange::kReset) return {from.info.id, verdict, why};
  const std::string since = why.empty() ? "" : why + "; ";
  if (from.pattern.within_ms == 0) {
    return {from.info.id, verdict,
            since + "the former version has no `within`, so that it would never be done"};
  }
  if (draining >= kMaxDraining) {
    return {from.info.id, verdict,
            since + std::to_string(kMaxDraining) + " former versions of rules drain already"};
  }
  return {from.info.id, Verdict::kDrain, since + "the former version finishes what it began"};
}

}  // namespace

size_t CountDraining(const rules::RuleSet& rules) {
  return static_cast<size_t>(std::count_if(rules.rules.begin(), rules.rules.end(), IsDraining));
}

std::shared_ptr<const cep::Layout> JoinUses(const cep::Layout& a, const cep::Layout& b) {
  const bool is_a_longer = a.slots().size() >= b.slots().size();
  auto joined = std::make_shared<cep::Layout>(is_a_longer ? a : b);
  const std::vector<cep::Slot>& others = (is_a_longer ? b : a).slots();
  for (uint32_t s = 0; s < others.size(); ++s) {
    if (others[s].is_read) joined->Add(others[s].name, others[s].type);
    if (others[s].is_kept) joined->Keep(s);
  }
  return joined;
}

std::string_view NameOf(Verdict verdict) {
  constexpr std::string_view kNames[] = {"identical", "compatible", "reset",
                                         "drain",     "new",        "removed"};
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
  if (stored != nullptr) next->next_incarnation = stored->next_incarnation;
  const std::vector<uint32_t> kept = KeptSlots(*rules->layout);
  std::vector<Entry> entries;
  std::map<std::string_view, uint32_t> old_index;
  size_t draining = 0;
  const auto add_former = [&](uint32_t from, bool stays) {
    const CompiledRule& rule = before->rules->rules[from];
    entries.push_back({.rule = &rule,
                       .incarnation = before->incarnations[from],
                       .captured = before->captured[from],
                       .from = from,
                       .stays = stays,
                       .drains = stays ? rule.info.rule_set : before->rules->version});
    ++draining;
  };
  if (before != nullptr) {
    next->next_generation = before->next_generation;
    next->next_incarnation = before->next_incarnation;
    for (uint32_t i = 0; i < before->rules->rules.size(); ++i) {
      if (IsDraining(before->rules->rules[i])) {
        add_former(i, true);
      } else {
        old_index.emplace(before->rules->rules[i].info.id, i);
      }
    }
  }
  for (uint32_t i = 0; i < rules->rules.size(); ++i) {
    const CompiledRule& rule = rules->rules[i];
    Entry entry{.rule = &rule};
    const auto old = old_index.find(rule.info.id);
    if (old == old_index.end()) {
      const bool is_stored = stored != nullptr && stored->incarnations[i] != 0;
      entry.is_new = !is_stored;
      if (is_stored) {
        entry.incarnation = stored->incarnations[i];
        entry.captured = stored->captured[i];
      }
      next->verdicts.push_back({rule.info.id, Verdict::kNew, ""});
    } else {
      entry.from = old->second;
      old_index.erase(old);
      const CompiledRule& from = before->rules->rules[entry.from];
      entry.captured = before->captured[entry.from];
      RuleVerdict verdict = Judge(from, rule, entry.captured, kept);
      entry.is_new = verdict.verdict == Verdict::kReset;
      if (entry.is_new) {
        verdict = DrainOr(Verdict::kReset, from, rule.on_change, verdict.why, draining);
        if (verdict.verdict == Verdict::kDrain) add_former(entry.from, false);
      } else {
        entry.incarnation = before->incarnations[entry.from];
        entry.stays = from.matching == rule.matching;
      }
      next->verdicts.push_back(std::move(verdict));
    }
    if (entry.is_new) entry.incarnation = next->next_incarnation++;
    entries.push_back(std::move(entry));
  }
  for (const auto& [id, index] : old_index) {
    const CompiledRule& from = before->rules->rules[index];
    next->verdicts.push_back(DrainOr(Verdict::kRemoved, from, from.on_change, "", draining));
    if (next->verdicts.back().verdict == Verdict::kDrain) add_former(index, false);
  }
  std::sort(next->verdicts.begin(), next->verdicts.end(),
            [](const RuleVerdict& a, const RuleVerdict& b) { return a.rule < b.rule; });
  if (stored != nullptr) {
    for (const StoredDraining& former : stored->draining) {
      entries.push_back({.rule = &former.rule,
                         .incarnation = former.incarnation,
                         .captured = former.captured,
                         .drains = former.rule.info.rule_set});
      ++draining;
    }
  }
  if (draining > 0) {
    // Results at one instant are in order of ids, of one id in order of versions.
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.rule->info.id, a.incarnation) < std::tie(b.rule->info.id, b.incarnation);
    });
    // What a former version reads and keeps goes on to be read and kept.
    const cep::Layout& former = before != nullptr ? *before->rules->layout : *stored->layout;
    rules = WithRules(*rules, entries, JoinUses(*rules->layout, former));
  }
  return Assemble(before, std::move(rules), entries, std::move(next), rendering);
}

StatusOr<std::shared_ptr<const RunningRules>> EndDraining(const RunningRules& before,
                                                          const std::vector<bool>& open) {
  auto next = std::make_shared<RunningRules>();
  next->next_generation = before.next_generation;
  next->next_incarnation = before.next_incarnation;
  // Rows that wait stay as they are.
  next->key_exprs = before.key_exprs;
  std::vector<Entry> entries;
  for (uint32_t i = 0; i < before.rules->rules.size(); ++i) {
    const CompiledRule& rule = before.rules->rules[i];
    if (IsDraining(rule) && !open[i]) continue;
    entries.push_back({.rule = &rule,
                       .incarnation = before.incarnations[i],
                       .captured = before.captured[i],
                       .from = i,
                       .stays = true,
                       .drains = rule.info.rule_set});
  }
  auto rules = WithRules(*before.rules, entries, before.rules->layout);
  return Assemble(&before, std::move(rules), entries, std::move(next), {});
}

}  // namespace vigil::daemon
