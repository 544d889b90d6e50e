// The sources of a configuration, read again from where a commit stood up to where they end now.
//
// For replays: nothing is published to a consumer group. Each partition is a source of the job, so
// that the one whose time is furthest behind is read next, and one that has ended holds nobody
// back.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cep/base/clock.h"
#include "cep/base/status.h"
#include "cep/runtime/job.h"
#include "cep/runtime/job_resume.h"
#include "daemon/config.h"
#include "daemon/live_sources.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

// Connects, and waits until the partitions that are there are known; those that `knows_place` does
// not name are left out, and appended to `left_out`. A partition of `resume` that was made anew,
// where that is accepted, begins anew there. `log` and `clock` are borrowed.
// Errors: those of MakeLiveInputs() and LiveSource::Serve(); INVALID_ARGUMENT for a source that
// cannot be read again.
StatusOr<std::vector<cep::JobSource>> OpenReplayedSources(
    const Config& config, const rules::RuleSet& rules, SourceLog* log, const Clock* clock,
    const std::function<bool(const std::string& place)>& knows_place, cep::JobResume* resume,
    std::vector<std::string>* left_out);

}  // namespace vigil::daemon
