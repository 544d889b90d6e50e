#include "alerts/alert.h"

#include <array>
#include <cstddef>

namespace vigil::alerts {

std::string_view SeverityName(Severity severity) {
  static constexpr std::array<std::string_view, 5> kNames = {"info", "low", "medium", "high",
                                                             "critical"};
  return kNames[static_cast<size_t>(severity)];
}

Severity SeverityOf(const RuleInfo& rule) {
  return rule.has_severity ? rule.severity : Severity::kMedium;
}

}  // namespace vigil::alerts
