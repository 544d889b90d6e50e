// What rules are put into while it runs: LiveEngine for the daemon.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cep/base/status.h"
#include "daemon/running_rules.h"

namespace vigil::daemon {

// Thread safety: all may be called by any thread.
class RuleTarget {
 public:
  virtual ~RuleTarget() = default;
  // What runs now.
  virtual std::shared_ptr<const RunningRules> rules() const = 0;
  // Puts `next`, which follows rules(), in their place at one barrier, and waits until it is there;
  // one call at a time. Errors: see LiveEngine.
  virtual Status Activate(std::shared_ptr<const RunningRules> next,
                          std::chrono::milliseconds limit) = 0;
  // A set was refused: for the audit.
  virtual void TellRefused(const std::string& why) = 0;
};

}  // namespace vigil::daemon
