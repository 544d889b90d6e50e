// Small files that are either there whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cep/base/status.h"

namespace vigil::io {

// Writes PATH.tmp, syncs it, renames it to `path` and syncs the folder. RESOURCE_EXHAUSTED on a
// full disk, else UNAVAILABLE, with the path and the system's reason.
Status WriteFileDurably(const std::string& path, std::string_view bytes);

// Syncs a file's bytes.
Status SyncFile(const std::string& path);

// Syncs a folder, so that what was created, renamed or removed in it stays so.
Status SyncFolder(const std::string& path);

// All of a file of at most `max_size` bytes. NOT_FOUND, UNAVAILABLE, or DATA_LOSS if it is longer.
StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_size);

}  // namespace vigil::io
