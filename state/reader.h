// A state directory, checkpoint or savepoint as it stands: for who inspects or copies one.
//
// Nothing is written, and a daemon may go on with the directory meanwhile. Tests:
// tests/cmd/state_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "state/commit_log.h"
#include "state/unit.h"

namespace vigil::state {

// Opens the log in a state directory or checkpoint to be read; its last commit stays as it was
// then. Errors: those of OpenRocksDbStoreToRead() and CommitLog::Open().
StatusOr<std::unique_ptr<CommitLog>> OpenLogToRead(const std::string& path);

struct StateCounts {
  uint64_t units = 0;
  uint64_t unit_bytes = 0;  // of their bodies
  uint64_t keys = 0;
  uint64_t journal = 0;
  uint64_t outbox = 0;
  uint64_t rows = 0;
};

// Reads everything that the log's last commit holds, so that every checksum is compared and every
// ledger summed; `unit` judges each unit's body. DATA_LOSS with what is wrong, or what `unit` says.
StatusOr<StateCounts> VerifyLog(CommitLog& log,
                                const std::function<Status(const StoredUnit&)>& unit);

}  // namespace vigil::state
