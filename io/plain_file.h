// Files and standard input as they are.
#pragma once

#include <memory>
#include <string>

#include "io/byte_source.h"

namespace vigil::io {

// NOT_FOUND, PERMISSION_DENIED or UNKNOWN with the path and the system's reason when it cannot be
// opened.
StatusOr<std::unique_ptr<ByteSource>> OpenPlainFile(const std::string& path);

// File descriptor 0; it is not closed.
std::unique_ptr<ByteSource> StandardInput();

}  // namespace vigil::io
