// Brings the rules as they are on disk into the running job: upon a change of the files, SIGHUP, or
// when asked to.
//
// A set is loaded and compiled aside, against the running layout. A bad one is refused whole: its
// diagnostics are logged and kept for report(), and the running one goes on. A good one is
// announced with its verdict per rule, then takes over at one barrier. After it has, the files are
// looked at again, until what runs is what is there. Tests: tests/daemon/reloader_test.cc,
// tests/integration/run_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cep/event/schema.h"
#include "daemon/log.h"
#include "daemon/rule_target.h"
#include "daemon/running_rules.h"
#include "io/file_watch.h"
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
};

std::string_view NameOf(ReloadReport::Outcome outcome);

struct ReloaderOptions {
  std::vector<std::string> paths;  // of rules
  std::shared_ptr<const cep::Schema> schema;
  std::vector<std::string> outputs;
  int settle_ms = 200;  // files must be quiet for so long before they are loaded
};

// Thread safety: all may be called by any thread.
class Reloader {
 public:
  // `target` and `log` are borrowed.
  Reloader(ReloaderOptions options, RuleTarget* target, Log* log);
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // Starts to watch the files. Errors: FileWatch::Create()'s.
  Status Watch();
  // Loads the files now and waits for the outcome.
  ReloadReport Reload();
  // What Reload() would do with these texts in place of the files; nothing changes.
  ReloadReport DryRun(const std::vector<rules::NamedText>& texts);
  // Has the watching thread reload; returns at once.
  void ReloadSoon();
  ReloadReport report() const;
  uint64_t reloads() const { return reloads_; }    // that were activated
  uint64_t refusals() const { return refusals_; }  // of sets that were not

 private:
  void Run();
  StatusOr<std::shared_ptr<const RunningRules>> Judge(rules::LoadResult loaded,
                                                      ReloadReport* report);
  void Tell(const ReloadReport& report);

  const ReloaderOptions options_;
  RuleTarget* target_;
  Log* log_;
  std::mutex reload_mutex_;  // held while one reload is under way
  mutable std::mutex mutex_;
  ReloadReport report_;  // guarded by mutex_
  std::atomic<uint64_t> reloads_ = 0;
  std::atomic<uint64_t> refusals_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::unique_ptr<io::FileWatch> watch_;
  std::thread thread_;
};

}  // namespace vigil::daemon
