// Records that begin with the id of their schema in a registry: Confluent's wire format.
//
//     byte 0: 0 | bytes 1-4: schema id, big endian | payload
//     Protobuf payload: the message's place in the schema as a list of indexes (zig-zag varints: a
//     count, then the indexes; a count of 0 alone means the first message) | the message
//
// Schemas are turned into projectors once; a record whose schema is not there yet waits (codec.h).
// One whose schema the registry does not know, or that is none of the format, is rejected.
// Source: docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop ("Wire
// format").
// Tests: tests/ingest/codec_registry_test.cc, tests/integration/registry_test.cc.
#pragma once

#include <memory>

#include "cep/base/status.h"
#include "ingest/codec.h"
#include "ingest/formats.h"

namespace vigil::ingest {

// `format` has a registry. Thread safety of the codecs: none; of their rows' renderers: immutable.
StatusOr<std::unique_ptr<Codec>> MakeRegistryAvro(const Format& format,
                                                  const CodecOptions& options);
StatusOr<std::unique_ptr<Codec>> MakeRegistryProtobuf(const Format& format,
                                                      const CodecOptions& options);

// A registered schema as an Avro or Protobuf one. INVALID_ARGUMENT if it is not valid, or another
// kind.
struct RegisteredSchema;
StatusOr<std::shared_ptr<const AvroSchema>> AvroOfRegistered(const RegisteredSchema& schema);
StatusOr<std::shared_ptr<const ProtobufDescriptors>> ProtobufOfRegistered(
    const RegisteredSchema& schema);

}  // namespace vigil::ingest
