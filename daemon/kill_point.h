// Ends the process at a named point of the state's work, as a power cut would, or lets the work
// stand still there, as a disk that does not answer would: for tests.
#pragma once

#include <functional>

#include "cep/base/status.h"
#include "state/commit_log.h"

namespace vigil::daemon {

// As VIGIL_KILL_POINT=NAME:N says: the N-th time at `before_commit`, `chunks_written`,
// `after_commit`, `cleaning` or `cleaned`, the process gets SIGKILL; with `:hang` behind it that
// thread does nothing any more. Empty where it says nothing.
std::function<Status(state::KillPoint)> KillPointOfEnvironment();

}  // namespace vigil::daemon
