// Brings the rules as they are kept (rule_store.h) into the running job: when they change there,
// upon SIGHUP, or when asked to; and edits that are asked for into both.
//
// A set is loaded and compiled aside, against the running layout. A bad one is refused whole: its
// diagnostics are logged and kept for report(), and the running one goes on. A good one is
// announced with its verdict per rule, then takes over at one barrier. After it has, it is
// looked again, until what runs is what is there. An edit is staged before it is activated and
// brought to its place afterwards, so that neither a crash nor a change beside it leaves something
// running that is not there. Tests: tests/daemon/reloader_test.cc,
// tests/integration/reload_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cep/event/schema.h"
#include "daemon/edit_plan.h"
#include "daemon/log.h"
#include "daemon/rule_store.h"
#include "daemon/rule_target.h"
#include "daemon/running_rules.h"
#include "rules/diagnostic.h"
#include "rules/load.h"

namespace vigil::daemon {

// How the last attempt to reload ended.
struct ReloadReport {
  enum class Outcome : uint8_t { kNone, kUnchanged, kActivated, kAccepted, kRefused };
  Outcome outcome = Outcome::kNone;  // kAccepted: a dry run of what would be activated
  std::string rule_set;              // the version that was loaded; empty if it was bad
  std::string error;                 // why it was refused, beside its diagnostics
  std::vector<rules::Diagnostic> diagnostics;
  std::vector<RuleVerdict> verdicts;
  std::string tag;  // of what was edited, as it is now (edit_plan.h); empty otherwise
};

std::string_view NameOf(ReloadReport::Outcome outcome);

struct ReloaderOptions {
  std::shared_ptr<const cep::Schema> schema;
  std::vector<std::string> outputs;
  int settle_ms = 200;  // what changes must be quiet for so long before it is loaded
};

// Thread safety: all may be called by any thread.
class Reloader {
 public:
  // `store`, `target` and `log` are borrowed.
  Reloader(ReloaderOptions options, RuleStore* store, RuleTarget* target, Log* log);
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // Starts to watch what is kept.
  void Watch();
  // Loads what is kept now and waits for the outcome.
  ReloadReport Reload();
  // What Reload() would do with these texts in place of what is kept; nothing changes.
  ReloadReport DryRun(const std::vector<rules::NamedText>& texts);
  // Has what is kept edited, loads what it then is, and waits for the outcome; nothing is edited
  // unless it is activated, or says what runs already. With `is_dry_run` nothing changes at all.
  // Errors: those of `plan` and of RuleStore::CanEdit(); UNAVAILABLE and RESOURCE_EXHAUSTED if it
  // could not be written, with nothing changed.
  using Plan =
      std::function<StatusOr<PlannedEdit>(const std::vector<rules::NamedText>&, const RuleStore&)>;
  StatusOr<ReloadReport> Edit(const Plan& plan, bool is_dry_run);
  // What is kept now.
  rules::RuleTexts Kept();
  // Has the watching thread reload; returns at once.
  void ReloadSoon();
  ReloadReport report() const;
  uint64_t reloads() const { return reloads_; }    // that were activated
  uint64_t refusals() const { return refusals_; }  // of sets that were not

 private:
  void Run();
  StatusOr<std::shared_ptr<const RunningRules>> Judge(const rules::RuleTexts& kept,
                                                      ReloadReport* report);
  Status Activate(const std::shared_ptr<const RunningRules>& next, ReloadReport* report);
  void Finish(const Status& status, ReloadReport* report);
  void Tell(const ReloadReport& report);

  const ReloaderOptions options_;
  RuleStore* store_;
  RuleTarget* target_;
  Log* log_;
  std::mutex reload_mutex_;  // held while one reload is under way, or the store is read
  mutable std::mutex mutex_;
  ReloadReport report_;  // guarded by mutex_
  std::atomic<uint64_t> reloads_ = 0;
  std::atomic<uint64_t> refusals_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

}  // namespace vigil::daemon
