// Where a job's rules are kept: files (rule_files.h), or a topic (rule_topic.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "rules/load.h"

namespace vigil::daemon {

// What is to be kept in place of what is there: whole files.
struct RuleEdit {
  std::vector<rules::NamedText> write;
  std::vector<std::string> remove;
};

// Thread safety: Wake() may be called by any thread. Wait() and Rewatch() belong to one, and all
// else to one at a time.
class RuleStore {
 public:
  virtual ~RuleStore() = default;

  // What is kept now. What is wrong with reading it is among the diagnostics.
  virtual rules::RuleTexts Read() = 0;

  enum class Change { kNone, kKept, kWoken };
  // Waits until what is kept may have changed, until Wake(), or for `limit_ms`; -1: without limit.
  virtual Change Wait(int limit_ms) = 0;
  virtual void Wake() = 0;
  // Looks from now on where rules are to be found now. Called before each Read() that follows a
  // change.
  virtual void Rewatch() = 0;

  // FAILED_PRECONDITION, saying where to go, where nothing can be written.
  virtual Status CanEdit() const { return absl::OkStatus(); }
  // The file that a new one of this name would be. Errors: INVALID_ARGUMENT for a name that no rule
  // file here can have; FAILED_PRECONDITION where there is no place for a new one.
  virtual StatusOr<std::string> FileFor(std::string_view name) const = 0;
  // An edit in two steps: once it is staged it survives anything, and Finish() brings it to its
  // place, or else the next Read() does; Drop() forgets it. Errors: UNAVAILABLE,
  // RESOURCE_EXHAUSTED.
  virtual Status Stage(const RuleEdit& edit) = 0;
  virtual Status Finish() = 0;
  virtual Status Drop() = 0;
};

}  // namespace vigil::daemon
