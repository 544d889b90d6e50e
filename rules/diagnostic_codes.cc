#include "rules/diagnostic_codes.h"

#include "cep/base/check.h"

namespace vigil::rules {
namespace {

constexpr Level E = Level::kError;
constexpr Level W = Level::kWarning;

}  // namespace

const std::vector<CodeRow>& CodeTable() {
  static const std::vector<CodeRow> kRows = {
      {Code::kCannotRead, "V0001", E, "a file cannot be read",
       "It does not exist, may not be opened, or is neither a file nor a folder."},
      {Code::kTooLarge, "V0002", E, "a file is too large",
       "A rule file has at most 16 MiB; split it, the files of a folder are loaded together."},
      {Code::kNotText, "V0003", E, "a file is not UTF-8 text",
       "Rule files are UTF-8, with or without a byte order mark, and hold no NUL byte."},
      {Code::kNotYaml, "V0004", E, "a file is not YAML",
       "The YAML parser stopped here. A value with `: `, ` #` or a leading `[`, `{`, `\"`, `!`, "
       "`&`, "
       "`*`, `|` or `>` has to be quoted or put in a `|` block."},
      {Code::kTooDeep, "V0005", E, "values are nested too deep",
       "Lists and mappings are nested at most 64 deep."},
      {Code::kAlias, "V0006", E, "an alias is refused",
       "An alias names an anchor given before it, never one around it; all aliases of a file "
       "together stand for at most 10,000 values."},
      {Code::kTag, "V0007", E, "a tag is refused",
       "YAML tags (`!name`, `!!str`) mean nothing here."},
      {Code::kSeveralDocuments, "V0008", E, "a file holds several documents",
       "Use one file for each, or one document with all rules."},
      {Code::kDuplicateKey, "V0009", E, "a key is given twice",
       "A mapping has each key once; which of two would count is anybody's guess."},
      {Code::kTooMany, "V0010", E, "too many values or problems",
       "A file holds at most 1,000,000 values; after 1,000 problems the rest is not shown."},
      {Code::kNoRules, "V0011", E, "a folder holds no rule files",
       "Rule files end in .yaml, .yml or .json; *.test.yaml files hold tests."},

      {Code::kUnknownKey, "V0101", E, "unknown key",
       "The key is not one that this place takes; see the reference."},
      {Code::kUnknownField, "V0102", E, "unknown field", "The event schema has no such field."},
      {Code::kWrongKind, "V0103", E, "a value is of the wrong kind",
       "For instance a list where text is expected, or nothing at all."},
      {Code::kNotAllowedValue, "V0104", E, "a value is not one of those allowed",
       "The key takes one of a few words."},
      {Code::kMissingKey, "V0105", E, "a key is missing", "The key is required here."},
      {Code::kBadDuration, "V0106", E, "not a duration",
       "A duration is a whole number with a unit, `500ms`, `10s`, `5m`, `1h`, `2d`, or several of "
       "them, `1h30m`; more than nothing and at most 36,500d."},
      {Code::kOutOfRange, "V0107", E, "a number is out of range", "The message names the bounds."},
      {Code::kConflict, "V0108", E, "keys exclude each other",
       "A stage has exactly one of the keys that name it, and `where` or `group`, not both."},
      {Code::kBadRuleId, "V0109", E, "not a rule id",
       "A rule's id has lower-case letters, digits, `_`, `.` and `-` only."},
      {Code::kDuplicateRule, "V0110", E, "two rules have one id",
       "Ids are unique over all files of a rule set: state and alerts are kept under them."},
      {Code::kBadStageName, "V0111", E, "not a stage name",
       "Conditions name stages, so a stage's name is a CEL identifier and not a reserved word."},
      {Code::kDuplicateStage, "V0112", E, "two stages have one name",
       "Names of stages and groups are unique in a rule, members of groups included."},
      {Code::kBadDefine, "V0113", E, "a define is refused",
       "A define's name is a CEL identifier, not a reserved word, and given once in all files."},
      {Code::kBadTemplate, "V0114", E, "a template is malformed",
       "`${expression}` stands for a value; `$${` for the characters `${`."},
      {Code::kUnsupported, "V0115", E, "not supported yet",
       "The key is part of the rule language; this version does not run it."},
      {Code::kBadKey, "V0116", E, "a rule's key is refused",
       "A key is one or more distinct fields that hold a single value; a stage's own key has as "
       "many fields as the rule's."},
      {Code::kBadFieldType, "V0117", E, "not a field type",
       "Types are int, double, string, bool, bytes, timestamp, duration, dyn, list(T), "
       "map(string, T), or a mapping of fields."},
      {Code::kUnknownOutput, "V0118", E, "no such output",
       "A rule sends to an output that the configuration does not define. `alerts`, `late`, "
       "`errors`, `audit` and `metrics` are always there."},
      {Code::kSubstitution, "V0119", E, "nothing can be put in",
       "`${env:NAME}` stands for an environment variable, `${file:PATH}` for what a file holds, "
       "in a configuration's values; `$${` for the characters `${`."},
      {Code::kMalformed, "V0120", E, "a value is malformed",
       "An address is `HOST:PORT`, a size `512MiB`; the message names what is expected."},

      {Code::kMisplacedBegin, "V0301", E, "`begin` is missing or misplaced",
       "The first stage of a pattern, and of a group, is `begin`; no other is."},
      {Code::kNegatedQuantifier, "V0302", E, "a negated stage with a quantifier",
       "`not_next` and `not_followed_by` say that an event is absent: they take `where`, `within` "
       "and `key` only."},
      {Code::kEndlessNegation, "V0303", E, "an absence without end",
       "A pattern that ends in `not_followed_by` matches when time has run out, so it needs a "
       "`within`."},
      {Code::kNegationAfterOptional, "V0304", E, "a negation after an optional stage",
       "It would not be known from when on the event must be absent."},
      {Code::kGreedy, "V0305", E, "`greedy` is refused",
       "Greedy needs `times`, is not for groups or `repeat: any`, and no stage with `optional: "
       "true` may follow."},
      {Code::kUntil, "V0306", E, "`until` without an open-ended stage",
       "It ends a stage with `times: \"n..\"`; others end by themselves."},
      {Code::kRepeat, "V0307", E, "`repeat` without `times`",
       "It says what may lie between a stage's repetitions."},
      {Code::kNotOnGroup, "V0308", E, "a key that groups do not take",
       "Give it to the stages in the group."},
      {Code::kStepWithin, "V0309", E, "a stage's `within` is longer than the rule's",
       "The rule's ends first, so the stage's could never matter."},
      {Code::kSkipTarget, "V0310", E, "`after_match` names no stage to skip to",
       "It names a stage of the pattern itself, not a group or a stage inside one."},
      {Code::kEmptyLoop, "V0311", E, "an endless group that may be empty",
       "An open-ended group needs a stage that is not optional, or it repeats without an event."},
      {Code::kTimes, "V0312", E, "`times` is refused",
       "`3`, `\"2..4\"`, `\"0..2\"` or `\"1..\"`, at most 10,000, at least one repetition."},
      {Code::kTooManyStates, "V0313", E, "a pattern is too large",
       "It compiles to at most 65,535 states; each repetition is one, and groups multiply."},
      {Code::kOptionalTwice, "V0314", E, "a stage is optional twice",
       "`times: \"0..2\"` says already that the stage may be left out."},
      {Code::kEndlessDrain, "V0315", E, "a drain without end",
       "With `on_change: drain` a version that is replaced finishes what it began; without "
       "`within` "
       "that may take for ever."},

      {Code::kNeverTimesOut, "V0401", W, "nothing times out",
       "`on_timeout` reports partial matches that a `within` dropped, and there is none."},
      {Code::kEndlessLoop, "V0402", W, "a loop without end",
       "Every further event extends the match, and its events are kept until a limit is reached: "
       "nothing ends it, neither `within` nor `until`, nor, as `repeat: strict` does, an event "
       "that "
       "does not fit."},
      {Code::kHiddenField, "V0403", W, "a stage's name hides a field",
       "In this rule the name is the stage; `event.NAME` reaches the field."},
      {Code::kSkipWithoutWithin, "V0404", W, "a skip strategy without `within`",
       "A complete match is held back while an older partial match is open; without `within` that "
       "may be for ever."},
      {Code::kUnseenField, "V0405", W, "a field that the inferred schema has not seen",
       "It may be misspelt, or rare; give a schema to be sure."},
      {Code::kShadowedExit, "V0406", W, "a greedy stage leaves nothing for the next one",
       "A greedy stage keeps every event that it accepts; if it accepts all that the next stage "
       "wants, that one gets none."},
      {Code::kStepNotEnforced, "V0407", W, "a stage's `within` is not always enforced",
       "As Flink compiles a pattern, some of the states of a stage have no bound of their own; the "
       "rule's `within` always holds."},
  };
  return kRows;
}

const CodeRow& RowOf(Code code) {
  const CodeRow& row = CodeTable()[static_cast<size_t>(code)];
  CEP_DCHECK(row.code == code);
  return row;
}

}  // namespace vigil::rules
