// From a checkpoint to a replay of what a live run did from there on.
//
// The state is only read. What the input does not determine comes from a control journal
// (daemon/control_journal.h): that of a later state of the same job, where there is one. Rules are
// those that the state and the journal hold.
// Tests: tests/daemon/replay_start_test.cc, tests/integration/reproduce_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/rule_record.h"
#include "rules/diagnostic.h"
#include "rules/load.h"

namespace vigil::daemon {

struct CheckpointOptions {
  std::string directory;      // a state directory, a checkpoint or a savepoint
  std::string journal;        // a later state of the job; empty: that which the checkpoint lies in
  bool accepts_loss = false;  // JobResume's
};

// Rules of a live run, as it stored them, and E at which they took over.
struct StoredStep {
  int64_t from = cep::kMinTime;  // of the first: it ran at the checkpoint
  RuleRecord record;
};

struct Checkpoint {
  uint64_t commit = 0;
  uint64_t journal_end = 0;  // the journal is known up to this commit; `commit`: nothing of it is
  bool has_ended = false;    // up to where the run moved time to its end
  ReplayStart start;
  std::vector<StoredStep> steps;  // at least one
};

// `sources`: of the configuration. A savepoint is restored into a temporary folder, which goes with
// what is returned. Errors: those of state::OpenLogToRead(), RestoreSavepoint() and MakeResume();
// NOT_FOUND if nothing was committed; FAILED_PRECONDITION if the journal is not a later one of the
// same job; DATA_LOSS.
StatusOr<Checkpoint> ReadCheckpoint(const CheckpointOptions& options,
                                    const std::vector<std::string>& sources);

// Makes each of `steps` ready to follow the one before, for one layout and with one list of key
// expressions.
//   given         in place of the texts that the first was stored with, if there are any
//   diagnostics   of texts that do not load
// Errors: FAILED_PRECONDITION, naming both versions, where rules are not those that ran, or would
// take over otherwise than they did; INVALID_ARGUMENT where they do not load.
StatusOr<std::vector<RuleStep>> FollowSteps(const std::vector<StoredStep>& steps,
                                            const std::vector<rules::NamedText>& given,
                                            const std::shared_ptr<const cep::Schema>& schema,
                                            const std::vector<rules::SourceTexts>& sources,
                                            const Rendering& rendering,
                                            std::vector<rules::Diagnostic>* diagnostics);

}  // namespace vigil::daemon
