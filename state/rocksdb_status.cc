#include "state/rocksdb_status.h"

#include <rocksdb/status.h>

namespace vigil::state {

Status FromRocksDb(const rocksdb::Status& status, const std::string& where) {
  if (status.ok()) return absl::OkStatus();
  const std::string reason = where + ": " + status.ToString();
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(reason + "; free space on its disk and start again");
  }
  if (status.IsCorruption()) {
    return absl::DataLossError(reason +
                               "; it is damaged and was left as it is: restore a checkpoint or a "
                               "savepoint into a new directory");
  }
  return absl::UnavailableError(reason);
}

}  // namespace vigil::state
