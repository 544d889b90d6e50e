// The codes of errors and warnings in rule files, schemas, configurations and their expressions:
// one row each.
//
// A code is an interface (scripts and searches rely on it): it is never given to another problem.
// Expressions' own codes (V02xx) are rows of rules/cel/issues.h and listed after these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/diagnostic.h"

namespace vigil::rules {

enum class Code : uint8_t {
  // Files and YAML.
  kCannotRead,
  kTooLarge,
  kNotText,
  kNotYaml,
  kTooDeep,
  kAlias,
  kTag,
  kSeveralDocuments,
  kDuplicateKey,
  kTooMany,
  kNoRules,
  // Keys and values.
  kUnknownKey,
  kUnknownField,
  kWrongKind,
  kNotAllowedValue,
  kMissingKey,
  kBadDuration,
  kOutOfRange,
  kConflict,
  kBadRuleId,
  kDuplicateRule,
  kBadStageName,
  kDuplicateStage,
  kBadDefine,
  kBadTemplate,
  kUnsupported,
  kBadKey,
  kBadFieldType,
  kUnknownOutput,
  kSubstitution,
  kMalformed,
  // Patterns.
  kMisplacedBegin,
  kNegatedQuantifier,
  kEndlessNegation,
  kNegationAfterOptional,
  kGreedy,
  kUntil,
  kRepeat,
  kNotOnGroup,
  kStepWithin,
  kSkipTarget,
  kEmptyLoop,
  kTimes,
  kTooManyStates,
  kOptionalTwice,
  kEndlessDrain,
  // Warnings.
  kNeverTimesOut,
  kEndlessLoop,
  kHiddenField,
  kSkipWithoutWithin,
  kUnseenField,
  kShadowedExit,
  kStepNotEnforced,
};

struct CodeRow {
  Code code;
  std::string_view text;  // V0101
  Level level;
  std::string_view title;
  std::string_view explanation;
};

// All rows, in the order of Code.
const std::vector<CodeRow>& CodeTable();

const CodeRow& RowOf(Code code);

}  // namespace vigil::rules
