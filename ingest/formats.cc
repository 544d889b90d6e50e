#include "ingest/formats.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/codec_avro.h"
#include "ingest/codec_csv.h"
#include "ingest/codec_json.h"
#include "ingest/codec_list.h"
#include "ingest/codec_protobuf.h"
#include "ingest/codec_registry.h"

namespace vigil::ingest {
namespace {

StatusOr<std::unique_ptr<Codec>> MakeCsv(const CodecOptions& options) {
  std::vector<std::string> header;
  if (options.schema != nullptr && options.schema->strict_types()) {
    for (const cep::Field& field : options.schema->fields()) header.push_back(field.name);
  }
  if (header.empty()) {
    return absl::InvalidArgumentError(
        "csv records without a header need a schema, whose fields name their cells in order");
  }
  return std::make_unique<CsvCodec>(options, std::move(header));
}

StatusOr<std::unique_ptr<Codec>> MakeProtobuf(const Format& format, const CodecOptions& options) {
  if (format.registry != nullptr) return MakeRegistryProtobuf(format, options);
  if (format.descriptors == nullptr) {
    return absl::InvalidArgumentError("protobuf needs descriptors or a registry");
  }
  ASSIGN_OR_RETURN(const google::protobuf::Descriptor* message,
                   format.message.empty() ? format.descriptors->FindOnly()
                                          : format.descriptors->Find(format.message));
  return std::make_unique<ProtobufCodec>(options, format.descriptors, *message);
}

StatusOr<std::unique_ptr<Codec>> MakeAvro(const Format& format, const CodecOptions& options) {
  if (format.registry != nullptr) return MakeRegistryAvro(format, options);
  if (format.writer == nullptr) {
    return absl::InvalidArgumentError("avro needs a schema or a registry");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<AvroCodec> codec,
                   AvroCodec::Create(options, format.writer, format.reader));
  return codec;
}

StatusOr<std::unique_ptr<Codec>> MakeOne(const Format& format, const CodecOptions& options) {
  switch (format.kind) {
    case Format::Kind::kJson:
      return std::make_unique<JsonCodec>(options);
    case Format::Kind::kCsv:
      return MakeCsv(options);
    case Format::Kind::kAvro:
      return MakeAvro(format, options);
    case Format::Kind::kProtobuf:
      return MakeProtobuf(format, options);
  }
  return absl::InternalError("no such format");
}

}  // namespace

const char* FormatName(Format::Kind kind) {
  constexpr const char* kNames[] = {"json", "csv", "avro", "protobuf"};
  return kNames[static_cast<size_t>(kind)];
}

StatusOr<std::unique_ptr<Codec>> MakeCodec(const std::vector<Format>& formats,
                                           const CodecOptions& options) {
  if (formats.size() == 1) return MakeOne(formats.front(), options);
  if (formats.empty()) return absl::InvalidArgumentError("no format");
  std::vector<NamedCodec> codecs;
  for (const Format& format : formats) {
    ASSIGN_OR_RETURN(std::unique_ptr<Codec> codec, MakeOne(format, options));
    codecs.push_back({FormatName(format.kind), std::move(codec)});
  }
  return std::make_unique<ListCodec>(std::move(codecs));
}

}  // namespace vigil::ingest
