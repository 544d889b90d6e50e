// From a commit to the job that goes on from it.
// Tests: tests/daemon/resume_test.cc.
#pragma once

#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/runtime/live_job.h"
#include "state/commit.h"

namespace vigil::daemon {

// Without `read_units`. `rows`: those that the state keeps (CommitLog::ReadRows()). Of a drained
// commit only positions and ledgers go on: there is no watermark, and nothing is idle. `sources`:
// names of those that the configuration has. FAILED_PRECONDITION naming the others that the state
// has positions of; with `accepts_loss` these are given up, which `given_up` names.
StatusOr<cep::JobResume> MakeResume(const state::CommitHead& head, std::vector<state::KeptRow> rows,
                                    const std::vector<std::string>& sources, bool accepts_loss,
                                    std::vector<std::string>* given_up);

}  // namespace vigil::daemon
