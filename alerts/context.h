// What all builders of a job and its router know of the rule set. Immutable; any number of threads
// may read it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerts/spec.h"
#include "cep/event/batch.h"
#include "cep/event/expression.h"

namespace vigil::alerts {

enum class Format : uint8_t {
  kJson,  // one object a line
  kText,  // for a terminal
};

// Samples of one failing condition (rule and expression) that reach the `errors` output.
inline constexpr uint32_t kErrorSamples = 10;

// What identifies the events of a source in place of their positions.
struct SourceId {
  std::string source;  // as the configuration names it
  std::shared_ptr<const cep::Expression> expression;
};

struct AlertContext {
  std::vector<RuleInfo> rules;                 // by index in the rule set
  std::string rule_set;                        // its version
  std::map<std::string, SourceId> source_ids;  // by Partition::source
  std::shared_ptr<const cep::Layout>
      layout;  // names the captured values; needed for Evidence::kUsed
  Format format = Format::kJson;
  bool colour = false;        // kText: colour the severity
  uint32_t text_width = 160;  // kText: columns after which an event is cut
};

}  // namespace vigil::alerts
