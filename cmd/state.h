// `vigil state` and `vigil savepoint`: what a state directory holds, whether it is whole, and
// copies of it.
//
// A DIRECTORY is a state directory or one of its checkpoints. All but the copies only read, and a
// daemon may go on with the directory meanwhile. Tests: tests/cmd/state_test.cc.
#pragma once

#include <ostream>
#include <string>

namespace vigil::cmd {

struct StateOptions {
  std::string directory;
  bool json = false;
};

struct InspectOptions {
  std::string directory;
  bool keys = false;   // the keys and their partial matches, not where the state stands
  std::string key;     // one only: its values as its alerts show them, separated by commas
  bool json = false;   // of keys: a unit a line
  bool events = true;  // with their texts
};

// Each prints to `out` and what is wrong to `err`, and returns the exit code: kExitFindings if the
// state is damaged, kExitUsage where there is none, kExitIo where it cannot be read or written.

// The directory and its checkpoints, a line each.
int RunStateList(const StateOptions& options, std::ostream& out, std::ostream& err);
// Where it stands; or which keys hold which partial matches.
int RunStateInspect(const InspectOptions& options, std::ostream& out, std::ostream& err);
// Reads everything.
int RunStateVerify(const StateOptions& options, std::ostream& out, std::ostream& err);
// All of it as JSON lines: the head, the journal, the outbox, the kept rows, the units.
int RunStateExport(const StateOptions& options, std::ostream& out, std::ostream& err);
// Makes the state directory `to`, absent or empty, from a checkpoint or a savepoint.
int RunStateRestore(const std::string& from, const std::string& to, std::ostream& out,
                    std::ostream& err);
// Writes a savepoint of the directory's last commit.
int RunSavepoint(const std::string& directory, const std::string& file, std::ostream& out,
                 std::ostream& err);

}  // namespace vigil::cmd
