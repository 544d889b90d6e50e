// What RocksDB and its environment report, in our terms.
#pragma once

#include <string>

#include "cep/base/status.h"

namespace rocksdb {
class Status;
}

namespace vigil::state {

// `where`: a directory or file. RESOURCE_EXHAUSTED: the disk is full. DATA_LOSS: damaged.
// UNAVAILABLE: anything else. Each says what to do.
Status FromRocksDb(const rocksdb::Status& status, const std::string& where);

}  // namespace vigil::state
