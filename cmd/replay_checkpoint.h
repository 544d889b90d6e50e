// A replay that begins where a live run stood, rather than with nothing.
#pragma once

#include <memory>
#include <vector>

#include "cep/runtime/job.h"
#include "cmd/replay.h"
#include "cmd/replay_settings.h"
#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/live_sources.h"
#include "daemon/recorded_inputs.h"

namespace vigil::cmd {

// What runs, and over what.
struct PreparedReplay {
  std::unique_ptr<daemon::Engine> engine;
  std::vector<cep::JobSource> sources;
};

// What the configuration says of event times, ids and the like, checked against the schema, to
// which Kafka's field is added; null, after its diagnostics have been printed, if it is not valid.
std::shared_ptr<const cep::Schema> CheckedSchema(std::shared_ptr<const cep::Schema> schema,
                                                 const daemon::Config& config);

// Reads the checkpoint, its rules, and opens the inputs, or the configuration's sources if none are
// named. Without an engine, after what is wrong has been printed, it sets the exit code. `log`,
// which is borrowed, is the sources'.
PreparedReplay PrepareFromCheckpoint(const ReplayOptions& options, const daemon::Config& config,
                                     const ReplaySettings& settings, daemon::RecordedInputs* inputs,
                                     daemon::SourceLog* log, int* exit_code);

}  // namespace vigil::cmd
