#include "rules/pattern_warnings.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vigil::rules {
namespace {

using patterns::Contiguity;

// A strict loop ends with the first event that does not fit.
void WarnOfEndlessLoop(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (!s.is_open_ended() || s.stage.is_negated()) return;
  const bool breaks = s.stage.repeat == patterns::Repeat::kStrict && s.where != nullptr;
  const bool ends = s.Has("until") || c.around.ends_by_until || c.rule.pattern.within_ms > 0;
  if (ends || breaks) return;
  const std::string which = c.is_last_of_pattern ? "the last stage " : "the stage ";
  c.Report(Code::kEndlessLoop, "times", which + Called(s) + " repeats without end",
           "give the rule a `within`, the stage an `until` or a largest number");
}

// The parts that `&&` joins at the outermost level, without spaces around them; empty if the
// condition is not such a list.
std::vector<std::string_view> Conjuncts(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  char quote = 0;
  size_t begin = 0;
  const auto add = [&](size_t end) {
    std::string_view part = text.substr(begin, end - begin);
    while (!part.empty() && part.front() <= ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() <= ' ') part.remove_suffix(1);
    parts.push_back(part);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    } else if (depth == 0 && (c == '?' || text.substr(i, 2) == "||" || text.substr(i, 2) == "//")) {
      return {};
    } else if (depth == 0 && text.substr(i, 2) == "&&") {
      add(i);
      begin = ++i + 1;
    }
  }
  add(text.size());
  return parts;
}

// Whether every event that satisfies `narrow` satisfies `wide`, as far as the texts show it.
bool Covers(const Node* wide, const Node* narrow) {
  if (wide == nullptr || wide->value == "true") return true;
  if (narrow == nullptr) return false;
  if (wide->value == narrow->value) return true;
  const std::vector<std::string_view> parts = Conjuncts(wide->value);
  const std::vector<std::string_view> given = Conjuncts(narrow->value);
  return !parts.empty() && std::all_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return std::find(given.begin(), given.end(), part) != given.end();
  });
}

// What comes behind a greedy stage sees only events that the stage does not accept. If that stage
// may be left out it waits apart, and then sees all.
void WarnOfShadowedExit(const StageContext& c) {
  const patterns::Stage& greedy = c.stage.stage;
  const bool is_range = std::max(greedy.times_min, 1u) != greedy.times_max;
  if (!greedy.greedy || !is_range || c.stage.Has("until")) return;
  if (c.position + 1 == c.level.size()) return;
  const StageDraft& next = c.level[c.position + 1];
  const bool has_same_key =
      std::equal(c.stage.key.begin(), c.stage.key.end(), next.key.begin(), next.key.end(),
                 [](const PlacedName& a, const PlacedName& b) { return a.name == b.name; });
  if (next.is_group || next.stage.is_negated() || next.may_be_absent() || !has_same_key) return;
  if (!Covers(c.stage.where, next.where)) return;
  c.Report(Code::kShadowedExit, "greedy",
           Called(c.stage) + " takes every event that " + Called(next) + " could accept",
           "without `greedy` such an event goes to both; or let the conditions exclude each other");
}

// Whether a `not_followed_by` stands before the stage, or before optional stages before it.
bool IsBehindNegation(const std::vector<StageDraft>& level, size_t position) {
  while (position-- > 0) {
    if (level[position].stage.contiguity == Contiguity::kNotFollowedBy) return true;
    if (!level[position].may_be_absent()) return false;
  }
  return false;
}

// The optional stage before this one that lifts a negation: by accepting an event it leads to a
// copy of what comes next, and copies have no bound of their own.
const StageDraft* LiftsNegationBefore(const std::vector<StageDraft>& level, size_t position) {
  while (position-- > 0 && level[position].may_be_absent()) {
    if (IsBehindNegation(level, position) && !level[position].is_group) return &level[position];
  }
  return nullptr;
}

void WarnOfStepWithin(const StageContext& c) {
  const StageDraft& s = c.stage;
  if (s.stage.within_ms == 0 || s.is_group) return;
  const auto warn = [&](std::string message, std::string hint) {
    c.Report(Code::kStepNotEnforced, "within", std::move(message), std::move(hint));
  };
  if (c.is_first && c.around.begins_first && !c.around.repeats && !s.stage.has_times) {
    warn("`within` of the first stage " + Called(s) + " bounds nothing",
         "it counts from the stage before; the rule's `within` bounds the whole match");
  } else if (s.stage.has_times && s.stage.times_max == 1 && !c.around.repeats) {
    warn("`within` of " + Called(s) + " bounds nothing",
         "with `times` it does not bound the last repetition; leave `times` away");
  } else if (s.may_be_absent()) {
    warn("`within` of the optional stage " + Called(s) + " ends with the first event left out",
         "from then on only the rule's `within` bounds it");
  } else if (const StageDraft* lifting = LiftsNegationBefore(c.level, c.position)) {
    warn("`within` of " + Called(s) + " does not hold once " + Called(*lifting) +
             " has accepted an event",
         "an optional stage behind `not_followed_by` lifts what held before; the rule's `within` "
         "stays");
  } else if (c.previous != nullptr && c.previous->stage.greedy && c.previous->Has("until")) {
    warn("`within` of " + Called(s) + " does not hold once the `until` of " + Called(*c.previous) +
             " has ended it",
         "the rule's `within` stays");
  }
}

}  // namespace

void WarnOfStage(const StageContext& context) {
  WarnOfEndlessLoop(context);
  WarnOfShadowedExit(context);
  WarnOfStepWithin(context);
}

}  // namespace vigil::rules
