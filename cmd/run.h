// `vigil run`: the daemon.
#pragma once

#include "daemon/lifecycle.h"

namespace vigil::cmd {

// Returns the exit code.
int RunRun(const daemon::RunOptions& options);

}  // namespace vigil::cmd
