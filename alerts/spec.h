// What a rule says of its alerts: severity, texts, fields and outputs, with expressions compiled.
// Plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/event/expression.h"

namespace vigil::alerts {

enum class Severity : uint8_t { kInfo, kLow, kMedium, kHigh, kCritical };

// How much of the events an alert carries.
enum class Evidence : uint8_t { kFull, kUsed, kRefs };

// `${...}` templates: literal text and expressions in turn.
struct TemplatePart {
  std::string literal;                                // when `expression` is null
  std::shared_ptr<const cep::Expression> expression;  // evaluated over the match
};

struct AlertField {
  std::string name;
  std::shared_ptr<const cep::Expression> expression;
};

struct AlertSpec {
  std::vector<TemplatePart> summary;
  std::vector<AlertField> fields;
  Evidence evidence = Evidence::kFull;
  std::vector<std::string> outputs;  // `to`; {"alerts"} by default
};

// One rule as alerts name it.
struct RuleInfo {
  std::string id;
  // Version of the rule set that it is of, where that is not the one that runs: it has been
  // replaced, and only finishes what it began. Else empty.
  std::string rule_set;
  std::string description;
  bool has_severity = false;
  Severity severity = Severity::kMedium;
  std::vector<std::string> tags;
  std::vector<std::string> key_names;    // the rule's `key` fields as written
  std::vector<std::string> stage_names;  // by Stage::index
  bool quarantines_errors = false;  // `on_error: quarantine`: none of its errors is a mere sample
  AlertSpec on_match;
  AlertSpec on_timeout;  // used only if the rule has `on_timeout`
};

}  // namespace vigil::alerts
