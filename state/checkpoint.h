// Checkpoints: copies of the state, by hard link, in the state directory's checkpoints/ folder.
//
// Each is named by its commit, 20 digits, and is itself a whole state directory. Tests:
// tests/state/store_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "state/commit_log.h"

namespace vigil::state {

// Makes a checkpoint of the log, which is open at `state_path`, then removes all but the newest
// `keep` (at least 1). Returns its path. Called by the thread that commits, or with none under way.
StatusOr<std::string> MakeCheckpoint(CommitLog& log, const std::string& state_path, size_t keep);

// Commits that have a checkpoint, ascending. Leftovers of a crash are not among them.
StatusOr<std::vector<uint64_t>> ListCheckpoints(const std::string& state_path);

// Makes the state directory `to` (absent or empty) from the checkpoint at `from`, which stays as it
// is: sorted files are linked, or copied to another disk, all others copied. FAILED_PRECONDITION if
// `to` holds anything or `from` is no checkpoint.
Status RestoreCheckpoint(const std::string& from, const std::string& to);

}  // namespace vigil::state
