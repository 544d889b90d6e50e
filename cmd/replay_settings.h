// What a replay runs with: its options, and where they say nothing its configuration.
#pragma once

#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cmd/replay.h"
#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/recorded_inputs.h"

namespace vigil::cmd {

struct ReplaySettings {
  std::vector<std::string> rules;  // of the options and the configuration; may be none of a replay
                                   // from a checkpoint, which has its own
  std::string schema_file;         // or what stands for one (daemon/formats.h); empty: inferred
  std::vector<daemon::FormatConfig> formats;  // of the only source
  bool has_time_expression = false;           // of the only source, and nothing else was given
  daemon::InputOptions inputs;
  daemon::EngineOptions engine;
};

// An option that was given counts; then, of a configuration with one source, that source's event
// time, bound and `strict`; then the option's default. With `--positions` a record has the bound of
// the source that it names (time-and-state.md §3.3), and one of another source the option's.
// Errors: INVALID_ARGUMENT, naming the option or what the configuration asks for that a replay
// cannot do.
StatusOr<ReplaySettings> SettingsOf(const ReplayOptions& options, const daemon::Config& config);

}  // namespace vigil::cmd
