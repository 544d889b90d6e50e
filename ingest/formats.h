// Formats of records as a source names them, and codecs made of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "ingest/codec.h"

namespace vigil::ingest {

class AvroSchema;
class ProtobufDescriptors;
class SchemaRegistry;

// One format, with all that its name alone does not say.
struct Format {
  enum class Kind : uint8_t { kJson, kCsv, kAvro, kProtobuf };
  Kind kind = Kind::kJson;
  // kAvro, kProtobuf: records begin with the id of a schema in this registry.
  std::shared_ptr<SchemaRegistry> registry;
  // kAvro without a registry: what records were written with.
  std::shared_ptr<const AvroSchema> writer;
  // kAvro: whose defaults and aliases count; null: none.
  std::shared_ptr<const AvroSchema> reader;
  // kProtobuf without a registry.
  std::shared_ptr<const ProtobufDescriptors> descriptors;
  // kProtobuf: full name; with a registry it may be empty, and the record says which message it is.
  std::string message;
};

// What messages call it: `json`, `csv`, `avro`, `protobuf`.
const char* FormatName(Format::Kind kind);

// A codec for records in `formats`; where they are several, the first one that accepts a record
// counts. One of kCsv reads records without a header: their cells are the schema's fields in the
// order of their declaration. Errors: INVALID_ARGUMENT for what is missing in a format; NOT_FOUND
// for a message that its descriptors do not have.
StatusOr<std::unique_ptr<Codec>> MakeCodec(const std::vector<Format>& formats,
                                           const CodecOptions& options);

}  // namespace vigil::ingest
