// Savepoints: the whole state in one file, in a format that does not depend on how it is stored.
//
// For moving to another machine or version, and for keeping. Format: docs/state-format.md. Tests:
// tests/state/savepoint_test.cc.
#pragma once

#include <string>

#include "cep/base/status.h"
#include "state/commit_log.h"
#include "state/rocksdb_store.h"

namespace vigil::state {

// Writes the log's last commit to `path`, which is there whole, synced, or not at all; replaces a
// file of that name. With no Commit() under way; of a log that is in use, restore a
// checkpoint elsewhere and write that. RESOURCE_EXHAUSTED on a full disk, UNAVAILABLE otherwise.
Status WriteSavepoint(CommitLog& log, const std::string& path);

// Makes the state directory `to` (absent or empty) from a savepoint. DATA_LOSS, with the frame and
// its offset, if it is damaged or cut short; UNIMPLEMENTED if it is of a newer version. After an
// error `to` holds no state, and can be restored into again.
Status RestoreSavepoint(const std::string& path, const std::string& to,
                        const RocksDbOptions& options = {});

}  // namespace vigil::state
