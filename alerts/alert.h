// One alert before it is written: a match, its events by stage, its id and its texts. Everything is
// borrowed.
#pragma once

#include <string_view>
#include <vector>

#include "alerts/identity.h"
#include "alerts/spec.h"
#include "cep/base/hash.h"
#include "cep/event/expression.h"
#include "cep/event/match.h"

namespace vigil::alerts {

struct Alert {
  const RuleInfo& rule;
  const AlertSpec& spec;  // of matches or of timeouts
  const cep::Match& match;
  const std::vector<cep::StageEvents>& stages;  // every stage of the rule
  const std::vector<cep::Value>& key;           // decoded; as many as the rule's key_names
  const std::vector<cep::Value>& fields;  // one per spec.fields; null where the expression failed
  std::string_view summary;
  Hash128 id;
  // By stage and event, of events that have ids besides their positions, else null; empty: none
  // has.
  const std::vector<EventId>& event_ids;
};

// "info" ... "critical".
std::string_view SeverityName(Severity severity);

// The rule's, or the default.
Severity SeverityOf(const RuleInfo& rule);

}  // namespace vigil::alerts
