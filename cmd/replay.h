// `vigil replay`: recorded transactions through the engine, as fast as it goes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vigil::cmd {

// An option that is absent was not given: the configuration's value counts, else the default.
struct ReplayOptions {
  std::vector<std::string> rules;   // files or folders
  std::vector<std::string> inputs;  // `-` is standard input; none: the configuration's sources
  std::string config_file;          // empty: none
  std::string schema_file;          // empty: the configuration's, else inferred
  std::optional<std::string> time_field;
  std::optional<std::string> time_unit;
  std::optional<std::string> disorder;
  std::optional<uint32_t> shards;
  bool strict = false;
  bool positions = false;
  std::string output;           // file or `-`; empty: readable text on standard output
  std::string stats_file;       // empty: none
  std::string from_checkpoint;  // a state directory or checkpoint; empty: from the beginning
  std::string journal;          // daemon::CheckpointOptions
  std::string until_alert;      // an alert's id; empty: to the end
  bool accepts_loss = false;    // with from_checkpoint
};

// Runs the command; diagnostics, progress and the closing summary go to standard error. Returns the
// exit code.
int RunReplay(const ReplayOptions& options);

}  // namespace vigil::cmd
