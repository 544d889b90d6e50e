// What a configuration says of events in CEL: `event_time: {cel}`, `watermark: {punctuated}`, `id`.
//
// They are compiled with the rules (rules/load.h), for the layout of the rules' fields. Here they
// are checked against the schema, which is read after the configuration.
#pragma once

#include <vector>

#include "cep/event/schema.h"
#include "daemon/config.h"
#include "rules/diagnostic.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

// What is wrong with them, where it stands in the configuration.
//   schema   of the rules: with the field `kafka`, which only `kafka` sources have, and which is
//            not there yet when an event's time is computed
std::vector<rules::Diagnostic> CheckExpressions(const Config& config, const cep::Schema& schema);

// For rules::LoadOptions.
std::vector<rules::SourceTexts> ExpressionsOf(const Config& config);

}  // namespace vigil::daemon
