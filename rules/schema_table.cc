#include "rules/schema_table.h"

namespace vigil::rules {
namespace {

using S = Section;
using K = ValueKind;

constexpr bool kLater = false;

// One row per key. Rows with `.is_supported = kLater` are recognised and refused.
std::vector<KeyRow> Keys() {
  return {
      // The file.
      {S::kFile,
       "version",
       K::kCount,
       "Version of the rule language.",
       {.default_text = "1", .min = 1, .max = 1}},
      {S::kFile, "define", K::kDefines,
       "Named expressions and lists, usable in every condition of the rule set."},
      {S::kFile, "rules", K::kSections, "The rules.", {.inner = S::kRule}},
      {S::kFile, "features", K::kAny, "Per-key trailing aggregates.", {.is_supported = kLater}},
      {S::kFile, "tables", K::kAny, "Reference data.", {.is_supported = kLater}},

      // A rule.
      {S::kRule,
       "rule",
       K::kRuleId,
       "Id, unique over all files: lower-case letters, digits, `_`, `.`, `-`.",
       {.is_required = true}},
      {S::kRule, "description", K::kText, "For people."},
      {S::kRule,
       "severity",
       K::kWord,
       "Carried by alerts.",
       {.words = "info low medium high critical"}},
      {S::kRule, "tags", K::kNames, "Carried by alerts."},
      {S::kRule,
       "mode",
       K::kWord,
       "`shadow`: evaluated and counted, never delivered; `off`: checked only.",
       {.default_text = "live", .words = "live shadow off"}},
      {S::kRule,
       "key",
       K::kNames,
       "Field or fields; each distinct value has its own partial matches.",
       {.is_required = true}},
      {S::kRule, "pattern", K::kSections, "The stages, in order.", {.inner = S::kStage}},
      {S::kRule, "within", K::kDuration, "From the first event to the last, exclusive."},
      {S::kRule,
       "after_match",
       K::kWordOrSection,
       "Which partial matches a match ends.",
       {.default_text = "no_skip",
        .words = "no_skip skip_to_next skip_past_last_event",
        .inner = S::kAfterMatch}},
      {S::kRule,
       "alert",
       K::kSection,
       "What a match says, and where it goes.",
       {.inner = S::kAlert}},
      {S::kRule,
       "on_timeout",
       K::kSection,
       "Report partial matches that a `within` dropped; absent: they are counted only.",
       {.inner = S::kAlert}},
      {S::kRule,
       "on_error",
       K::kWord,
       "What a condition that cannot be evaluated counts as.",
       {.default_text = "no_match", .words = "no_match match quarantine"}},
      {S::kRule, "limits", K::kSection, "Bounds on what the rule may keep.", {.inner = S::kLimits}},
      {S::kRule, "ttl", K::kDuration, "Drop the state of a key that saw no event for this long."},
      {S::kRule,
       "on_change",
       K::kWord,
       "Partial matches that cannot go on under an edited version: `reset` drops them, with "
       "`drain` "
       "the version that began them finishes them, while the new one starts. Of a rule that is "
       "removed its last version says it.",
       {.default_text = "reset", .words = "reset drain"}},
      {S::kRule, "window", K::kAny, "A rule over a window of time.", {.is_supported = kLater}},
      {S::kRule, "join", K::kAny, "A rule over two streams.", {.is_supported = kLater}},
      {S::kRule, "when", K::kAny, "A rule over one event.", {.is_supported = kLater}},
      {S::kRule, "where", K::kAny, "Of a window rule.", {.is_supported = kLater}},
      {S::kRule, "aggregate", K::kAny, "Of a window rule.", {.is_supported = kLater}},
      {S::kRule, "having", K::kAny, "Of a window rule.", {.is_supported = kLater}},
      {S::kRule, "allowed_lateness", K::kAny, "Of a window rule.", {.is_supported = kLater}},

      // A stage.
      {S::kStage, "begin", K::kStageName, "The first stage."},
      {S::kStage, "next", K::kStageName, "The very next event of the key."},
      {S::kStage, "followed_by", K::kStageName, "Other events may lie between."},
      {S::kStage, "followed_by_any", K::kStageName, "Also skips events that match."},
      {S::kStage, "not_next", K::kStageName, "The next event must not match."},
      {S::kStage, "not_followed_by", K::kStageName,
       "No such event until the next stage, or until `within` ends when it is last."},
      {S::kStage, "where", K::kExpression, "Condition on the event; absent: any event."},
      {S::kStage,
       "times",
       K::kTimes,
       "How many events: `3`, `\"2..4\"`, `\"0..2\"`, `\"1..\"`.",
       {.default_text = "1", .max = 10000}},
      {S::kStage, "optional", K::kBool, "The stage may be left out.", {.default_text = "false"}},
      {S::kStage, "greedy", K::kBool, "Takes as many events as it can.", {.default_text = "false"}},
      {S::kStage,
       "repeat",
       K::kWord,
       "Contiguity among the stage's own repetitions.",
       {.default_text = "relaxed", .words = "relaxed strict any"}},
      {S::kStage, "until", K::kExpression, "Ends an open-ended stage."},
      {S::kStage, "within", K::kDuration, "Since the previous stage's event."},
      {S::kStage, "group", K::kSections, "Stages in place of `where`.", {.inner = S::kStage}},
      {S::kStage, "key", K::kNames, "Fields that carry the rule's key in this stage's event."},

      // An alert.
      {S::kAlert, "summary", K::kTemplate, "Text with `${expression}` in it."},
      {S::kAlert, "fields", K::kExpressions, "Named values."},
      {S::kAlert, "to", K::kNames, "Output names.", {.default_text = "alerts"}},
      {S::kAlert,
       "evidence",
       K::kWord,
       "How much of the events goes along: all, the fields that the rule reads, or positions.",
       {.default_text = "full", .words = "full used refs"}},

      // after_match.
      {S::kAfterMatch, "skip_to_first", K::kStageName,
       "Drop partial matches that began before this stage's first event."},
      {S::kAfterMatch, "skip_to_last", K::kStageName,
       "Drop partial matches that began before this stage's last event."},

      // limits.
      {S::kLimits,
       "partial_matches_per_key",
       K::kCount,
       "Open partial matches of one key.",
       {.default_text = "10000", .min = 1, .max = 1000000}},
      {S::kLimits,
       "events_per_match",
       K::kCount,
       "Events in one match.",
       {.default_text = "1000", .min = 1, .max = 1000000}},
      {S::kLimits,
       "matches_per_event",
       K::kCount,
       "Matches that one event completes.",
       {.default_text = "10000", .min = 1, .max = 1000000}},
  };
}

std::vector<SectionRow> Sections() {
  return {
      {S::kFile, "file", "The file", "a rule file"},
      {S::kRule, "rule", "A rule", "a rule"},
      {S::kStage, "stage", "A stage", "a stage"},
      {S::kAlert, "alert", "`alert` and `on_timeout`", "an alert"},
      {S::kAfterMatch, "after_match", "`after_match`", "`after_match`"},
      {S::kLimits, "limits", "`limits`", "`limits`"},
  };
}

}  // namespace

const Vocabulary& RuleLanguage() {
  static const Vocabulary kLanguage(Sections(), Keys());
  return kLanguage;
}

}  // namespace vigil::rules
