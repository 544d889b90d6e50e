#include "ingest/source_file.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/avro_file.h"
#include "ingest/codec_avro.h"
#include "ingest/codec_csv.h"
#include "ingest/codec_json.h"
#include "ingest/codec_timed.h"
#include "ingest/delimited_reader.h"
#include "io/open_input.h"

namespace vigil::ingest {
namespace {

// Lines split ahead of decoding: few enough to still be in the first-level cache.
constexpr size_t kGroup = 64;
// A batch ends early when its values take more.
constexpr size_t kMaxArena = 64 << 20;

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
  if (options.time_expression != nullptr) {
    source->codec_ =
        std::make_unique<TimedCodec>(std::move(source->codec_), options.time_expression);
  }
  return source;
}

FileSource::FileSource(const FileSourceOptions& options, std::unique_ptr<io::ByteSource> bytes)
    : options_(options), bytes_(std::move(bytes)), split_(kGroup), records_(kGroup) {}

Status FileSource::Start() {
  ASSIGN_OR_RETURN(const io::InputName name, io::ParseInputName(options_.path));
  switch (name.format) {
    case io::InputFormat::kJsonLines:
      lines_.emplace(std::move(bytes_));
      codec_ = std::make_unique<JsonCodec>(CodecOptionsOf(options_));
      return absl::OkStatus();
    case io::InputFormat::kCsv:
      lines_.emplace(std::move(bytes_));
      return StartCsv();
    case io::InputFormat::kAvro:
      return StartAvro();
    case io::InputFormat::kProtobuf:
      return StartDelimited();
  }
  return absl::OkStatus();
}

Status FileSource::StartAvro() {
  ASSIGN_OR_RETURN(std::unique_ptr<AvroFile> file, AvroFile::Open(std::move(bytes_)));
  std::shared_ptr<const AvroSchema> reader;
  for (const Format& format : options_.formats) {
    if (format.kind == Format::Kind::kAvro && reader == nullptr) reader = format.reader;
  }
  StatusOr<std::unique_ptr<AvroCodec>> codec =
      AvroCodec::Create(CodecOptionsOf(options_), file->schema(), std::move(reader));
  if (!codec.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(options_.path, ": ", codec.status().message()));
  }
  codec_ = *std::move(codec);
  binary_ = std::move(file);
  return absl::OkStatus();
}

Status FileSource::StartDelimited() {
  const bool is_known =
      std::any_of(options_.formats.begin(), options_.formats.end(), [](const Format& format) {
        return format.kind == Format::Kind::kProtobuf || format.kind == Format::Kind::kAvro;
      });
  if (!is_known) {
    return absl::InvalidArgumentError(absl::StrCat(
        options_.path,
        ": which message its records are is not known: name a descriptor set with --schema "
        "FILE#MESSAGE, or a configuration with -c whose source has a `format`"));
  }
  StatusOr<std::unique_ptr<Codec>> codec = MakeCodec(options_.formats, CodecOptionsOf(options_));
  if (!codec.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(options_.path, ": ", codec.status().message()));
  }
  codec_ = *std::move(codec);
  binary_ = std::make_unique<DelimitedReader>(std::move(bytes_));
  return absl::OkStatus();
}

Status FileSource::StartCsv() {
  Line header;
  if (!lines_->Next(&header)) {
    RETURN_IF_ERROR(lines_->status());
    return absl::InvalidArgumentError(absl::StrCat(lines_->name(), ": the CSV header is missing"));
  }
  header_records_ = 1;
  StatusOr<std::vector<std::string>> names = ParseCsvHeader(header.text);
  if (!names.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(lines_->name(), ":", header.number, ": ", names.status().message()));
  }
  codec_ = std::make_unique<CsvCodec>(CodecOptionsOf(options_), *std::move(names));
  return absl::OkStatus();
}

const Status& FileSource::input_status() const {
  return lines_ ? lines_->status() : binary_->status();
}

// Blocks until the schema that the codec stopped for is there.
Status FileSource::Await() const {
  const std::shared_ptr<const Pending> pending = codec_->pending();
  if (pending->Wait(options_.schema_wait)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(options_.path, ": still waiting for ",
                                             pending->Describe(), " after ",
                                             options_.schema_wait.count() / 1000, " s"));
}

Status FileSource::Read(cep::Batch* batch, bool* end) {
  batch->Clear();
  batch->renderer = &codec_->renderer();
  if (held_begin_ < held_end_) batch->chunks = held_chunks_;
  // Every record takes a row or a rejected record; neither may pass the limit.
  size_t room = cep::kBatchRows;
  while (room > 0 && batch->arena.bytes_reserved() < kMaxArena) {
    if (held_begin_ == held_end_) {
      if (at_end_) break;
      held_begin_ = 0;
      held_end_ = Split(std::min(room, kGroup), batch);
    }
    const size_t count = std::min(room, held_end_ - held_begin_);
    const size_t taken = codec_->Decode(records_.data() + held_begin_, count, batch);
    held_begin_ += taken;
    room -= taken;
    if (taken == count) continue;
    // What was read goes out first.
    if (room < cep::kBatchRows) break;
    RETURN_IF_ERROR(Await());
  }
  if (held_begin_ < held_end_) held_chunks_ = batch->chunks;
  // What was read before a failure goes out first.
  if (room == cep::kBatchRows) RETURN_IF_ERROR(input_status());
  *end = at_end_ && held_begin_ == held_end_ && input_status().ok();
  return absl::OkStatus();
}

size_t FileSource::Split(size_t want, cep::Batch* batch) {
  if (lines_) return SplitLines(want, batch);
  const size_t count = binary_->Split(want, options_.partition, records_.data(), &batch->chunks);
  if (count == 0) at_end_ = true;
  return count;
}

// Splits at most `want` lines into records_, holding their chunks in the batch.
size_t FileSource::SplitLines(size_t want, cep::Batch* batch) {
  const size_t count = lines_->NextGroup(split_.data(), want);
  if (count == 0) {
    at_end_ = true;
    return 0;
  }
  if (batch->chunks.empty() || batch->chunks.back() != lines_->chunk()) {
    batch->chunks.push_back(lines_->chunk());
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
