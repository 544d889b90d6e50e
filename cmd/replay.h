// `vigil replay`: recorded transactions through the engine, as fast as it goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vigil::cmd {

struct ReplayOptions {
  std::vector<std::string> rules;   // files or folders
  std::vector<std::string> inputs;  // `-` is standard input
  std::string schema_file;          // empty: inferred
  std::string time_field = "ts";
  std::string time_unit = "ms";
  std::string disorder = "0s";
  uint32_t shards = 1;
  bool strict = false;
  bool positions = false;
  std::string output;      // file or `-`; empty: readable text on standard output
  std::string stats_file;  // empty: none
};

// Runs the command; diagnostics, progress and the closing summary go to standard error. Returns the
// exit code.
int RunReplay(const ReplayOptions& options);

}  // namespace vigil::cmd
