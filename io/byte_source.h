// A stream of bytes to be read once: a file, standard input, the content of a compressed file.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cep/base/status.h"

namespace vigil::io {

// Thread safety: none; one owner at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Reads at least one and at most `size` (> 0) bytes into `buffer` and returns how many; 0 at the
  // end, and again at every later call. Errors name the source and, for damaged compressed data,
  // the offset in the compressed file.
  virtual StatusOr<size_t> Read(char* buffer, size_t size) = 0;

  // What error messages call it: the path, or "standard input".
  virtual const std::string& name() const = 0;
};

}  // namespace vigil::io
