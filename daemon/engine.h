// A job over inputs that end: shards with their operators, results rendered as alerts; of rules, or
// of several rule sets that take over one after the other, as a live run's journal has it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alerts/rejects.h"
#include "alerts/router.h"
#include "cep/base/status.h"
#include "cep/runtime/job.h"
#include "daemon/running_rules.h"
#include "patterns/matcher.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

struct EngineOptions {
  uint32_t shards = 1;
  int64_t disorder_ms = 0;
  std::map<std::string, int64_t> disorder_ms_by_source;  // cep::JobOptions
  std::string only_source;           // that stands for all inputs; empty: none does
  bool follows_punctuation = false;  // of the sources that say which events move time
  alerts::Format format = alerts::Format::kJson;
  bool colour = false;
  uint32_t text_width = 160;
  std::optional<Hash128> until_alert;  // the run ends with this one
  bool only_until_alert = false;       // and nothing else is written

  Rendering rendering() const { return {format, colour, text_width, only_source}; }
};

// Rules, and E from which on they run.
struct RuleStep {
  int64_t from = cep::kMinTime;
  std::shared_ptr<const RunningRules> rules;
};

// A live run that is done again: where it begins, and what it did.
struct ReplayStart {
  cep::JobResume resume;
  std::vector<cep::MarkedPartition> marks;
};

// Thread safety: one thread builds and runs it; it starts the shards' threads itself.
class Engine {
 public:
  // Errors: INVALID_ARGUMENT for a pattern that has too many states.
  static StatusOr<std::unique_ptr<Engine>> Create(std::shared_ptr<const rules::RuleSet> rules,
                                                  const EngineOptions& options);
  // `steps`: at least one, each made to follow the one before, of equal columns and key
  // expressions.
  static std::unique_ptr<Engine> Create(std::vector<RuleStep> steps,
                                        std::optional<ReplayStart> start,
                                        const EngineOptions& options);

  // Runs the sources to their end and writes every record to `sink`.
  // Errors: what a source or the sink failed with.
  Status Run(std::vector<cep::JobSource> sources, alerts::LineSink* sink,
             const cep::Job::Progress& progress);

  // Valid after Run(), as all below: whether the alert that the run was to end with came out.
  bool has_found_alert() const { return has_found_alert_; }
  // Those that ran last.
  const rules::RuleSet& rules() const { return *running_->rules; }
  // By rule, in the rule set's order.
  const cep::Ledger& ledger() const { return ledger_; }
  const std::vector<uint64_t>& alerts_by_rule() const { return alerts_; }
  const std::vector<uint64_t>& no_key() const { return no_key_; }
  const std::vector<patterns::RuleCounters>& counters() const { return counters_; }

 private:
  explicit Engine(const EngineOptions& options) : options_(options) {}
  cep::JobOptions JobOptionsOf();
  void Begin(const std::shared_ptr<const RunningRules>& rules, alerts::LineSink* sink);
  Status Write(std::vector<cep::Record> records);

  const EngineOptions options_;
  std::vector<RuleStep> steps_;
  std::optional<ReplayStart> start_;
  std::shared_ptr<const RunningRules> running_;
  std::unique_ptr<alerts::Router> router_;
  bool has_found_alert_ = false;
  cep::Ledger ledger_;
  std::vector<uint64_t> alerts_;
  std::vector<uint64_t> no_key_;
  std::vector<patterns::RuleCounters> counters_;
};

}  // namespace vigil::daemon
