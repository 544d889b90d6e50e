#include "ingest/source_file.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/codec_csv.h"
#include "ingest/codec_json.h"
#include "io/open_input.h"

namespace vigil::ingest {
namespace {

// Lines split ahead of decoding: few enough to still be in the first-level cache.
constexpr size_t kGroup = 64;

CodecOptions CodecOptionsOf(const FileSourceOptions& options) {
  return {.layout = options.layout,
          .schema = options.schema,
          .time = options.time,
          .strict = options.strict,
          .positions = options.positions};
}

}  // namespace

StatusOr<std::unique_ptr<FileSource>> FileSource::Open(const FileSourceOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::ByteSource> bytes, io::OpenInput(options.path));
  return Open(options, std::move(bytes));
}

StatusOr<std::unique_ptr<FileSource>> FileSource::Open(const FileSourceOptions& options,
                                                       std::unique_ptr<io::ByteSource> bytes) {
  std::unique_ptr<FileSource> source(new FileSource(options, std::move(bytes)));
  RETURN_IF_ERROR(source->Start());
  return source;
}

FileSource::FileSource(const FileSourceOptions& options, std::unique_ptr<io::ByteSource> bytes)
    : options_(options), lines_(std::move(bytes)), split_(kGroup), records_(kGroup) {}

Status FileSource::Start() {
  ASSIGN_OR_RETURN(const io::InputName name, io::ParseInputName(options_.path));
  switch (name.format) {
    case io::InputFormat::kJsonLines:
      codec_ = std::make_unique<JsonCodec>(CodecOptionsOf(options_));
      return absl::OkStatus();
    case io::InputFormat::kCsv:
      return StartCsv();
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(options_.path, ": inputs of this format cannot be read yet"));
  }
}

Status FileSource::StartCsv() {
  Line header;
  if (!lines_.Next(&header)) {
    RETURN_IF_ERROR(lines_.status());
    return absl::InvalidArgumentError(absl::StrCat(lines_.name(), ": the CSV header is missing"));
  }
  header_records_ = 1;
  StatusOr<std::vector<std::string>> names = ParseCsvHeader(header.text);
  if (!names.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(lines_.name(), ":", header.number, ": ", names.status().message()));
  }
  codec_ = std::make_unique<CsvCodec>(CodecOptionsOf(options_), *std::move(names));
  return absl::OkStatus();
}

Status FileSource::Read(cep::Batch* batch, bool* end) {
  batch->Clear();
  batch->renderer = &codec_->renderer();
  // Every record takes a row or a rejected record; neither may pass the limit.
  size_t room = cep::kBatchRows;
  while (room > 0 && !at_end_) {
    const size_t count = SplitLines(std::min(room, kGroup), batch);
    codec_->Decode(records_.data(), count, batch);
    room -= count;
  }
  // What was read before a failure goes out first.
  if (room == cep::kBatchRows) RETURN_IF_ERROR(lines_.status());
  *end = at_end_ && lines_.status().ok();
  return absl::OkStatus();
}

// Splits at most `want` lines into records_, holding their chunks in the batch.
size_t FileSource::SplitLines(size_t want, cep::Batch* batch) {
  const size_t count = lines_.NextGroup(split_.data(), want);
  if (count == 0) {
    at_end_ = true;
    return 0;
  }
  if (batch->chunks.empty() || batch->chunks.back() != lines_.chunk()) {
    batch->chunks.push_back(lines_.chunk());
  }
  for (size_t i = 0; i < count; ++i) {
    const Line& line = split_[i];
    records_[i] = {.bytes = line.text,
                   .partition = options_.partition,
                   .offset = line.record - header_records_,
                   .line = line.number,
                   .broken = line.too_long ? "the line is longer than 16 MiB" : nullptr};
  }
  return count;
}

}  // namespace vigil::ingest
