#include "rules/pattern_checks.h"

#include <algorithm>
#include <map>
#include <string>

#include "patterns/program.h"
#include "rules/cel/suggest.h"
#include "rules/duration.h"
#include "rules/pattern_warnings.h"
#include "rules/stage_context.h"

namespace vigil::rules {
namespace {

using patterns::Contiguity;

void CheckBegin(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (s.keyword.empty()) return;  // reported
  const bool is_begin = s.stage.contiguity == Contiguity::kBegin;
  if (is_begin == c.is_first) return;
  if (is_begin) {
    c.Report(Code::kMisplacedBegin, s.keyword, "`begin` is for the first stage only",
             "`next`, `followed_by` or `followed_by_any`");
  } else if (s.stage.is_negated()) {
    c.Report(Code::kMisplacedBegin, s.keyword, "a pattern cannot begin with a negated stage",
             "the first stage is `begin`");
  } else {
    c.Report(Code::kMisplacedBegin, s.keyword, "the first stage is `begin`",
             "`begin: " + s.stage.name + "`");
  }
}

void CheckNegation(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (!s.stage.is_negated()) return;
  for (const std::string_view key : {"times", "optional", "greedy", "repeat", "until", "group"}) {
    const Node* value = s.node->Find(key);
    const bool is_off = value != nullptr && value->is_scalar() && value->value == "false";
    if (value == nullptr || is_off) continue;
    c.Report(Code::kNegatedQuantifier, key,
             "the negated stage " + Called(s) + " cannot have " + Quote(key),
             "an event that must be absent is absent once");
  }
  if (c.previous != nullptr && c.previous->may_be_absent()) {
    c.Report(Code::kNegationAfterOptional, s.keyword,
             Quote(s.keyword) + " cannot follow the optional stage " + Called(*c.previous),
             "from when on would the event have to be absent?");
  }
  const bool has_within = c.rule.pattern.within_ms > 0 || s.stage.within_ms > 0;
  if (s.stage.contiguity == Contiguity::kNotFollowedBy && c.is_last_of_pattern && !has_within) {
    c.Report(Code::kEndlessNegation, s.keyword,
             "`not_followed_by` as the last stage needs a `within`",
             "the match comes when that time is over");
  }
}

void CheckGreedy(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (s.stage.greedy && !s.stage.is_negated()) {
    if (s.is_group) {
      c.Report(Code::kGreedy, "greedy", "a group cannot be greedy");
    } else if (!s.stage.has_times) {
      c.Report(Code::kGreedy, "greedy", "`greedy` needs `times`",
               "a stage that takes one event has nothing to be greedy for");
    } else if (s.stage.repeat == patterns::Repeat::kAny) {
      c.Report(Code::kGreedy, "greedy", "`greedy` and `repeat: any` exclude each other");
    }
  }
  if (s.stage.optional && c.previous != nullptr && c.previous->stage.greedy) {
    c.Report(Code::kGreedy, "optional",
             "a stage with `optional: true` cannot follow the greedy stage " + Called(*c.previous));
  }
}

void CheckLoop(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (s.stage.is_negated()) return;  // reported
  if (s.Has("until") && !s.is_open_ended()) {
    c.Report(Code::kUntil, "until", "`until` ends an open-ended stage; " + Called(s) + " is none",
             "`times: \"1..\"` is open-ended");
  }
  if (s.has_repeat && !s.stage.has_times) {
    c.Report(Code::kRepeat, "repeat", "`repeat` needs `times`", Called(s) + " does not repeat");
  }
}

// Whether a round of the group may accept no event at all. Recursion is bounded by the nesting that
// YAML files may have.
bool MembersMayBeAbsent(const StageDraft& group) {
  return !group.members.empty() &&
         std::all_of(group.members.begin(), group.members.end(), [](const StageDraft& member) {
           return member.may_be_absent() || member.stage.is_negated() || MembersMayBeAbsent(member);
         });
}

void CheckGroup(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (!s.is_group) return;
  for (const std::string_view key : {"where", "within", "key"}) {
    if (!s.Has(key)) continue;
    c.Report(Code::kNotOnGroup, key, "a group cannot have " + Quote(key),
             "give it to the stages in the group");
  }
  if (s.is_open_ended() && MembersMayBeAbsent(s)) {
    c.Report(Code::kEmptyLoop, "times",
             "the group " + Called(s) + " repeats without end and all of its stages are optional",
             "make one of them required, or give a largest number of rounds");
  }
}

void CheckStepWithin(const StageContext& c) {
  const int64_t whole_ms = c.rule.pattern.within_ms;
  const int64_t step_ms = c.stage.stage.within_ms;
  if (whole_ms == 0 || step_ms <= whole_ms) return;
  c.Report(Code::kStepWithin, "within",
           "`within: " + FormatDuration(step_ms) + "` of " + Called(c.stage) +
               " is longer than the rule's " + FormatDuration(whole_ms));
}

void CheckOptional(const StageContext& c) {
  const patterns::Stage& s = c.stage.stage;
  if (!s.optional || !s.has_times || s.times_min > 0 || s.times_max == patterns::kUnbounded) return;
  c.Report(Code::kOptionalTwice, "optional", Called(c.stage) + " is optional twice",
           "its `times` begins at 0; leave one of the two away");
}

constexpr void (*kStageChecks[])(const StageContext&) = {
    CheckBegin, CheckNegation,   CheckGreedy,   CheckLoop,
    CheckGroup, CheckStepWithin, CheckOptional, WarnOfStage,
};

class PatternChecker {
 public:
  PatternChecker(const RuleDraft& rule, const cep::Schema& schema, Reporter* reporter)
      : rule_(rule), schema_(schema), reporter_(*reporter) {}

  bool Run() {
    CheckLevel(rule_.stages, {});
    CheckSkipTarget();
    CheckRule();
    return CheckSize();
  }

 private:
  // Recursion is bounded by the nesting that YAML files may have.
  void CheckLevel(const std::vector<StageDraft>& stages, const Surroundings& around);
  void CheckName(const StageDraft& stage);
  void CheckSkipTarget();
  bool CheckSize();
  void CheckRule();
  static uint64_t CountStates(const std::vector<StageDraft>& stages);

  const RuleDraft& rule_;
  const cep::Schema& schema_;
  Reporter& reporter_;
  std::map<std::string, const StageDraft*> names_;
};

void PatternChecker::CheckLevel(const std::vector<StageDraft>& stages, const Surroundings& around) {
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageDraft& stage = stages[i];
    const bool is_last_of_pattern = around.is_pattern && i + 1 == stages.size();
    const StageContext context{
        rule_,  stages,   i, stage, i == 0 ? nullptr : &stages[i - 1], i == 0, is_last_of_pattern,
        around, reporter_};
    for (const auto check : kStageChecks) check(context);
    CheckName(stage);
    Surroundings inside = around;
    inside.is_pattern = false;
    inside.begins_first &= i == 0;
    inside.repeats |= stage.stage.has_times && stage.stage.times_max > 1;
    inside.ends_by_until |= stage.Has("until");
    CheckLevel(stage.members, inside);
  }
}

void PatternChecker::CheckName(const StageDraft& stage) {
  const std::string& name = stage.stage.name;
  if (name.empty()) return;  // reported
  const auto [it, is_new] = names_.emplace(name, &stage);
  if (!is_new) {
    const Place& first = it->second->name_place;
    reporter_.Report(Code::kDuplicateStage, stage.name_place,
                     "the name " + Quote(name) + " is given to two stages",
                     "first given in " + reporter_.Describe(first, stage.name_place));
  } else if (!stage.is_group && schema_.Find(name) != nullptr) {
    reporter_.Report(Code::kHiddenField, stage.name_place,
                     "the stage " + Quote(name) + " hides the field of that name",
                     "`event." + name + "` is the field");
  } else if (name == "event") {
    reporter_.Report(Code::kHiddenField, stage.name_place,
                     "the stage `event` hides the current event");
  }
}

void PatternChecker::CheckSkipTarget() {
  const std::string& target = rule_.pattern.after_match.stage;
  if (target.empty()) return;
  std::vector<std::string_view> stages;
  for (const StageDraft& stage : rule_.stages) {
    if (stage.is_group) continue;
    if (stage.stage.name == target) return;
    stages.push_back(stage.stage.name);
  }
  const auto known = names_.find(target);
  if (known == names_.end()) {
    reporter_.Report(Code::kSkipTarget, rule_.skip_target,
                     "this rule has no stage " + Quote(target), cel::DidYouMean(target, stages));
  } else {
    const std::string what = known->second->is_group ? " is a group" : " is inside a group";
    reporter_.Report(Code::kSkipTarget, rule_.skip_target,
                     Quote(target) + what + ": `after_match` names a stage of the pattern itself");
  }
}

// States that the automaton has at least: one a repetition, and groups multiply what is in them.
// Saturates.
uint64_t PatternChecker::CountStates(const std::vector<StageDraft>& stages) {
  uint64_t total = 0;
  for (const StageDraft& s : stages) {
    const uint32_t rounds = s.is_open_ended() ? std::max(s.stage.times_min, 1u) : s.stage.times_max;
    const uint64_t each = s.is_group ? CountStates(s.members) : 1;
    total = std::min<uint64_t>(total + each * rounds, UINT32_MAX);
  }
  return total;
}

bool PatternChecker::CheckSize() {
  const uint64_t states = CountStates(rule_.stages);
  if (states <= patterns::kMaxStates) return true;
  reporter_.Report(Code::kTooManyStates, rule_.PlaceOfKey("pattern"),
                   "this pattern has more than " + std::to_string(patterns::kMaxStates) + " states",
                   "each repetition is a state, and groups multiply");
  return false;
}

void PatternChecker::CheckRule() {
  const auto has_step_within = [](const auto& self, const std::vector<StageDraft>& stages) -> bool {
    return std::any_of(stages.begin(), stages.end(), [&](const StageDraft& s) {
      return s.stage.within_ms > 0 || self(self, s.members);
    });
  };
  const bool has_within = rule_.pattern.within_ms > 0 || rule_.node->Find("within") != nullptr;
  if (rule_.on_timeout && !has_within && !has_step_within(has_step_within, rule_.stages)) {
    reporter_.Report(Code::kNeverTimesOut, rule_.PlaceOfKey("on_timeout"),
                     "nothing times out: neither the rule nor a stage has a `within`");
  }
  if (rule_.on_change == OnChange::kDrain && !has_within) {
    reporter_.Report(Code::kEndlessDrain, rule_.PlaceOfKey("on_change"),
                     "`on_change: drain` needs a `within` of the rule",
                     "what is open when the rule is edited would never be done");
  }
  if (rule_.pattern.after_match.kind != patterns::SkipKind::kNoSkip && !has_within) {
    reporter_.Report(Code::kSkipWithoutWithin, rule_.PlaceOfKey("after_match"),
                     "a skip strategy without `within`",
                     "an old partial match can hold back complete ones for ever");
  }
}

}  // namespace

bool CheckPattern(const RuleDraft& rule, const cep::Schema& schema, Reporter* reporter) {
  return PatternChecker(rule, schema, reporter).Run();
}

}  // namespace vigil::rules
