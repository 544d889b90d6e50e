// The rule set that a live job runs, and how the next one follows it: what each rule's partial
// matches become (the verdict), and what is compiled anew.
//
//   identical   says the same: keeps its partial matches
//   compatible  differs, but not in what partial matches are made of (daemon/rule_edits.h), and
//               what it reads of accepted events is held by them: keeps them, also those that stand
//               for it and for others
//   reset       differs otherwise: starts anew
//   drain       as reset, or removed, with `on_change: drain`: the former version goes on beside
//   the
//               new one until nothing of what it began is left
//   new, removed
//
// A version that drains is a rule of the set that runs, under the same id, before the rule that has
// replaced it: RuleInfo::rule_set says which set it is of. It starts nothing, keeps its
// incarnation, and no later edit concerns it; EndDraining() takes it out.
//
// A compatible rule of which no more than description, severity, tags, mode or alerts differ stays
// where it is matched. Another one comes with the next generation and takes its partial matches
// along: what they accepted stays accepted, due times are those of the new version, and what they
// let pass already falls due at the swap.
// Tests: tests/daemon/running_rules_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/context.h"
#include "cep/base/status.h"
#include "cep/runtime/live_job.h"
#include "daemon/rendering.h"
#include "patterns/running_patterns.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

// Versions that drain, of all rules; beyond it an edit resets.
inline constexpr size_t kMaxDraining = 256;

enum class Verdict : uint8_t { kIdentical, kCompatible, kReset, kDrain, kNew, kRemoved };

std::string_view NameOf(Verdict verdict);

struct RuleVerdict {
  std::string rule;
  Verdict verdict = Verdict::kNew;
  std::string why;  // of kReset and kDrain; of kCompatible if what it matches differs
};

// Immutable once made; any number of threads may read it.
struct RunningRules {
  std::shared_ptr<const rules::RuleSet> rules;  // those that drain, too
  std::shared_ptr<const alerts::AlertContext> context;
  std::shared_ptr<const patterns::RunningPatterns> patterns;
  std::vector<cep::KeyExpr> key_exprs;
  std::vector<std::vector<uint32_t>> rule_keys;  // cep/runtime/key_usage.h
  // By rule: the slots that all events which its partial matches hold have been captured with.
  std::vector<std::vector<uint32_t>> captured;
  // By rule: a number that no other rule has or had, and that goes on with its partial matches.
  std::vector<uint64_t> incarnations;
  uint64_t next_incarnation = 1;
  uint64_t next_generation = 0;
  std::vector<RuleVerdict> verdicts;  // how it follows its predecessor, by rule id

  // What the job is given to go on with.
  cep::RemakeOperator Remake() const;
  cep::ShardGroup::MakeSink MakeBuilders() const;
};

inline bool IsDraining(const rules::CompiledRule& rule) { return !rule.info.rule_set.empty(); }
// How many of them drain.
size_t CountDraining(const rules::RuleSet& rules);

// A version of a rule that is to drain, as a former run left it.
struct StoredDraining {
  rules::CompiledRule rule;
  uint64_t incarnation = 0;
  std::vector<uint32_t> captured;
};

// Rules as a former run left them, by index in the rule set that is to follow.
struct StoredRules {
  std::vector<uint64_t> incarnations;           // 0: it kept nothing of the rule that can go on
  std::vector<std::vector<uint32_t>> captured;  // RunningRules::captured
  uint64_t next_incarnation = 1;
  std::vector<StoredDraining> draining;
  // With the fields of `draining` behind those of the rule set that is to follow, and what they
  // read and keep; null without any.
  std::shared_ptr<const cep::Layout> layout;
};

// `rules` must have been loaded with the layout of `before`; null: there is nothing before them but
// what is `stored`. Key expressions keep their places, too.
// Errors: INVALID_ARGUMENT for a pattern that has too many states.
StatusOr<std::shared_ptr<const RunningRules>> FollowRules(
    const RunningRules* before, std::shared_ptr<const rules::RuleSet> rules,
    const StoredRules* stored = nullptr, const Rendering& rendering = {});

// `before` without the draining versions for which nothing is `open`, by index.
StatusOr<std::shared_ptr<const RunningRules>> EndDraining(const RunningRules& before,
                                                          const std::vector<bool>& open);

// The uses of both, which have the same fields as far as both go.
std::shared_ptr<const cep::Layout> JoinUses(const cep::Layout& a, const cep::Layout& b);

}  // namespace vigil::daemon
