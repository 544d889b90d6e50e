// The content of a gzip stream (RFC 1952): one or more members, as `cat a.gz b.gz` makes them.
#pragma once

#include <memory>

#include "io/byte_source.h"

namespace vigil::io {

// Read() fails with DATA_LOSS, naming the file and the offset in it, where the stream is cut short
// or damaged (each member's CRC and length are checked) or where something other than a member
// follows one. Zero bytes after the last member are padding, as gzip(1) takes them. An empty file
// has no content. Memory: about 300 KiB.
std::unique_ptr<ByteSource> GzipSource(std::unique_ptr<ByteSource> compressed);

}  // namespace vigil::io
