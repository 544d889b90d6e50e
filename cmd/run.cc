#include "cmd/run.h"

#include <cstdlib>
#include <iostream>

#include "cmd/exit_codes.h"

namespace vigil::cmd {

int RunRun(const daemon::RunOptions& options) {
  switch (daemon::RunDaemon(options, std::cerr)) {
    case daemon::RunResult::kFine:
      return kExitOk;
    case daemon::RunResult::kBadRules:
      return kExitFindings;
    case daemon::RunResult::kBadConfig:
      return kExitUsage;
    case daemon::RunResult::kFailed:
      return kExitIo;
    case daemon::RunResult::kStuck:
      std::_Exit(kExitIo);
  }
  return kExitIo;
}

}  // namespace vigil::cmd
