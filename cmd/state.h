// `vigil state`: what a state directory holds, whether it is whole, and how it moves elsewhere.
//
// A state directory is one that `state: {path}` names, or one of its checkpoints. What a daemon has
// open is refused: look at one of its checkpoints. Tests: tests/cmd/state_test.cc.
#pragma once

#include <ostream>
#include <string>

namespace vigil::cmd {

// All return the exit code: 0; 1 where the state is damaged; 3 where it cannot be read or written,
// or is not one.

// The checkpoints of the state at `path`, a line each: commit, time, bytes, path.
int RunStateList(const std::string& path, std::ostream& out, std::ostream& err);
// Where it stands: commit, time, positions, sinks, what waits for them.
int RunStateInspect(const std::string& path, std::ostream& out, std::ostream& err);
// Reads all of it.
int RunStateVerify(const std::string& path, std::ostream& out, std::ostream& err);
// Writes the state at `path` to a savepoint, one portable file.
int RunStateExport(const std::string& path, const std::string& file, std::ostream& out,
                   std::ostream& err);
// Makes the state directory `to`, absent or empty, from a savepoint or a checkpoint.
int RunStateRestore(const std::string& from, const std::string& to, std::ostream& out,
                    std::ostream& err);

}  // namespace vigil::cmd
