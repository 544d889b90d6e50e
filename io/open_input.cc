#include "io/open_input.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "io/gzip_source.h"
#include "io/plain_file.h"
#include "io/zstd_source.h"

namespace vigil::io {
namespace {

struct FormatSuffix {
  std::string_view suffix;
  InputFormat format;
};
constexpr FormatSuffix kFormats[] = {
    {".jsonl", InputFormat::kJsonLines}, {".ndjson", InputFormat::kJsonLines},
    {".json", InputFormat::kJsonLines},  {".csv", InputFormat::kCsv},
    {".pb", InputFormat::kProtobuf},     {".avro", InputFormat::kAvro},
};

struct CompressionSuffix {
  std::string_view suffix;
  Compression compression;
};
constexpr CompressionSuffix kCompressions[] = {
    {".gz", Compression::kGzip},
    {".zst", Compression::kZstd},
};

// Takes the suffix off.
Compression TakeCompression(std::string_view* path) {
  for (const CompressionSuffix& row : kCompressions) {
    if (!path->ends_with(row.suffix)) continue;
    path->remove_suffix(row.suffix.size());
    return row.compression;
  }
  return Compression::kNone;
}

}  // namespace

StatusOr<InputName> ParseInputName(std::string_view path) {
  InputName name;
  if (path == "-") return name;
  std::string_view rest = path;
  name.compression = TakeCompression(&rest);
  for (const FormatSuffix& row : kFormats) {
    if (rest.ends_with(row.suffix)) {
      name.format = row.format;
      return name;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("cannot tell the format of ", std::string(path),
                   " by its name: expected .jsonl, .csv, .pb or .avro, each also .gz or .zst"));
}

StatusOr<std::unique_ptr<ByteSource>> OpenInput(const std::string& path) {
  if (path == "-") return StandardInput();
  RETURN_IF_ERROR(ParseInputName(path).status());
  return OpenBytes(path);
}

StatusOr<std::unique_ptr<ByteSource>> OpenBytes(const std::string& path) {
  std::string_view rest = path;
  const Compression compression = TakeCompression(&rest);
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> file, OpenPlainFile(path));
  switch (compression) {
    case Compression::kNone:
      break;
    case Compression::kGzip:
      return GzipSource(std::move(file));
    case Compression::kZstd:
      return ZstdSource(std::move(file));
  }
  return file;
}

}  // namespace vigil::io
