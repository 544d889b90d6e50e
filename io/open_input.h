// Opening a recorded input by its name: what its suffixes say about format and compression.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "io/byte_source.h"

namespace vigil::io {

enum class InputFormat : uint8_t { kJsonLines, kCsv, kProtobuf, kAvro };
enum class Compression : uint8_t { kNone, kGzip, kZstd };

struct InputName {
  InputFormat format = InputFormat::kJsonLines;
  Compression compression = Compression::kNone;
};

// `NAME.jsonl`, `.csv`, `.pb` or `.avro`, each also with `.gz` or `.zst` after it; `.ndjson` and
// `.json` are JSON Lines too. `-` is JSON Lines, uncompressed. INVALID_ARGUMENT for another suffix.
StatusOr<InputName> ParseInputName(std::string_view path);

// The decompressed bytes of the file at `path`; `-` is standard input.
StatusOr<std::unique_ptr<ByteSource>> OpenInput(const std::string& path);

// The same for a file whose name may say no format: `.gz` and `.zst` are decompressed.
StatusOr<std::unique_ptr<ByteSource>> OpenBytes(const std::string& path);

}  // namespace vigil::io
