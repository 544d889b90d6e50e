// A rule set made ready to run: patterns compiled, alerts described, keys known. What a replay and
// the daemon share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "alerts/context.h"
#include "cep/base/status.h"
#include "cep/event/key.h"
#include "cep/runtime/shard_group.h"
#include "patterns/rule_block.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

struct Rendering {
  alerts::Format format = alerts::Format::kJson;
  bool colour = false;
  uint32_t text_width = 160;
  std::string only_source;  // of whose events are those that name no source; empty: none
};

// What alerts know of a rule set.
std::shared_ptr<const alerts::AlertContext> MakeContext(const rules::RuleSet& rules,
                                                        const Rendering& rendering);

// Immutable once made; any number of threads may read it.
struct Pipeline {
  std::shared_ptr<const rules::RuleSet> rules;
  std::shared_ptr<const patterns::CompiledPatterns> patterns;
  std::shared_ptr<const alerts::AlertContext> context;
  // For each rule the key expressions through which it sees a row (cep/runtime/key_usage.h).
  std::vector<std::vector<uint32_t>> rule_keys;

  cep::ShardGroup::MakeOperator MakeOperators() const;
  cep::ShardGroup::MakeSink MakeBuilders() const;
};

// Errors: INVALID_ARGUMENT for a pattern that has too many states.
StatusOr<Pipeline> MakePipeline(std::shared_ptr<const rules::RuleSet> rules,
                                const Rendering& rendering);

}  // namespace vigil::daemon
