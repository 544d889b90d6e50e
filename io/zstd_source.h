// The content of a zstd stream (RFC 8878): one or more frames, skippable ones included.
#pragma once

#include <memory>

#include "io/byte_source.h"

namespace vigil::io {

// Frames that need a window above 2^27 bytes (128 MiB, what zstd(1) accepts by default) are
// refused, which bounds the memory a hostile file can ask for. Read() fails with DATA_LOSS, naming
// the file and the offset in it, where the stream is cut short or damaged. An empty file has no
// content.
std::unique_ptr<ByteSource> ZstdSource(std::unique_ptr<ByteSource> compressed);

}  // namespace vigil::io
