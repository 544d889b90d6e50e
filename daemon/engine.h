// A job for a rule set: patterns compiled, shards with their operators, results rendered as alerts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerts/rejects.h"
#include "alerts/router.h"
#include "cep/base/status.h"
#include "cep/runtime/job.h"
#include "daemon/pipeline.h"
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
};

// Thread safety: one thread builds and runs it; it starts the shards' threads itself.
class Engine {
 public:
  // Errors: INVALID_ARGUMENT for a pattern that has too many states.
  static StatusOr<std::unique_ptr<Engine>> Create(std::shared_ptr<const rules::RuleSet> rules,
                                                  const EngineOptions& options);

  // Runs the sources to their end and writes every record to `sink`.
  // Errors: what a source or the sink failed with.
  Status Run(std::vector<cep::JobSource> sources, alerts::LineSink* sink,
             const cep::Job::Progress& progress);

  // Valid after Run(); by rule, in the rule set's order.
  const cep::Ledger& ledger() const { return ledger_; }
  const std::vector<uint64_t>& alerts_by_rule() const { return alerts_; }
  const std::vector<uint64_t>& no_key() const { return no_key_; }
  const std::vector<patterns::RuleCounters>& counters() const { return counters_; }

 private:
  Engine() = default;
  cep::JobOptions JobOptionsOf() const;

  Pipeline pipeline_;
  EngineOptions options_;
  cep::Ledger ledger_;
  std::vector<uint64_t> alerts_;
  std::vector<uint64_t> no_key_;
  std::vector<patterns::RuleCounters> counters_;
};

}  // namespace vigil::daemon
