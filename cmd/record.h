// `vigil record`: Kafka topics to a file, for replays.
#pragma once

#include <string>

#include "daemon/recorder.h"

namespace vigil::cmd {

struct RecordOptions {
  std::string config_file;
  std::string output;  // file or `-`
  daemon::RecorderOptions recorder;
};

// Returns the exit code.
int RunRecord(const RecordOptions& options);

}  // namespace vigil::cmd
