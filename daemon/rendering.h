// What alerts know of a rule set, for replays and the daemon alike.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "alerts/context.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

struct Rendering {
  alerts::Format format = alerts::Format::kJson;
  bool colour = false;
  uint32_t text_width = 160;
  std::string only_source;  // of whose events are those that name no source; empty: none
};

std::shared_ptr<const alerts::AlertContext> MakeContext(const rules::RuleSet& rules,
                                                        const Rendering& rendering);

}  // namespace vigil::daemon
