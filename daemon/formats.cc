#include "daemon/formats.h"

#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "ingest/codec_avro_schema.h"
#include "ingest/codec_protobuf_plan.h"
#include "ingest/codec_registry.h"
#include "ingest/registry.h"

namespace vigil::daemon {
namespace {

using ingest::AvroSchema;
using ingest::Format;
using ingest::ProtobufDescriptors;
using ingest::RegisteredSchema;

bool IsUrl(const std::string& name) {
  return absl::StartsWith(name, "http://") || absl::StartsWith(name, "https://");
}

Status Named(const std::string& name, const Status& status) {
  if (status.message().find(name) != absl::string_view::npos) return status;
  return Status(status.code(), absl::StrCat(name, ": ", status.message()));
}

ingest::RegistryOptions OptionsOf(const FormatConfig& config, std::string url) {
  ingest::RegistryOptions options;
  options.url = std::move(url);
  options.user = config.user;
  options.password = config.password;
  options.ca_file = config.ca_file;
  return options;
}

// An Avro schema in a file or a registry.
StatusOr<std::shared_ptr<const AvroSchema>> LoadAvro(const FormatConfig& config,
                                                     const std::string& name) {
  if (!IsUrl(name)) return AvroSchema::Load(name);
  ASSIGN_OR_RETURN(const RegisteredSchema schema,
                   ingest::SchemaRegistry::FetchVersion(OptionsOf(config, name)));
  return ingest::AvroOfRegistered(schema);
}

StatusOr<EventSchema> OfMessage(std::shared_ptr<const ProtobufDescriptors> descriptors,
                                const std::string& message) {
  ASSIGN_OR_RETURN(const google::protobuf::Descriptor* found,
                   message.empty() ? descriptors->FindOnly() : descriptors->Find(message));
  EventSchema loaded;
  loaded.schema = std::make_shared<const cep::Schema>(ingest::SchemaOfMessage(*found));
  loaded.format.kind = Format::Kind::kProtobuf;
  loaded.format.descriptors = std::move(descriptors);
  loaded.format.message = message;
  return loaded;
}

StatusOr<EventSchema> OfAvro(std::shared_ptr<const AvroSchema> avro) {
  ASSIGN_OR_RETURN(cep::Schema schema, ingest::SchemaOfAvro(*avro));
  EventSchema loaded;
  loaded.schema = std::make_shared<const cep::Schema>(std::move(schema));
  loaded.format.kind = Format::Kind::kAvro;
  loaded.format.writer = avro;
  loaded.format.reader = std::move(avro);
  return loaded;
}

StatusOr<EventSchema> LoadIt(const std::string& name) {
  if (IsUrl(name)) {
    ASSIGN_OR_RETURN(const RegisteredSchema schema,
                     ingest::SchemaRegistry::FetchVersion({.url = name}));
    if (schema.kind == RegisteredSchema::Kind::kAvro) {
      ASSIGN_OR_RETURN(std::shared_ptr<const AvroSchema> avro, ingest::AvroOfRegistered(schema));
      return OfAvro(std::move(avro));
    }
    ASSIGN_OR_RETURN(std::shared_ptr<const ProtobufDescriptors> descriptors,
                     ingest::ProtobufOfRegistered(schema));
    return OfMessage(std::move(descriptors), "");
  }
  if (absl::EndsWith(name, ".avsc")) {
    ASSIGN_OR_RETURN(std::shared_ptr<const AvroSchema> avro, AvroSchema::Load(name));
    return OfAvro(std::move(avro));
  }
  const size_t hash = std::min(name.rfind('#'), name.size());
  ASSIGN_OR_RETURN(std::shared_ptr<const ProtobufDescriptors> descriptors,
                   ProtobufDescriptors::Load(name.substr(0, hash)));
  return OfMessage(std::move(descriptors), hash == name.size() ? "" : name.substr(hash + 1));
}

}  // namespace

bool IsRecordSchema(const std::string& name) {
  if (IsUrl(name)) return true;
  const std::string file = name.substr(0, name.rfind('#'));
  for (const char* suffix : {".desc", ".pb", ".binpb", ".protoset", ".avsc"}) {
    if (absl::EndsWith(file, suffix)) return true;
  }
  return false;
}

StatusOr<EventSchema> LoadRecordSchema(const std::string& name) {
  StatusOr<EventSchema> loaded = LoadIt(name);
  if (!loaded.ok()) return Named(name, loaded.status());
  return loaded;
}

StatusOr<std::shared_ptr<ingest::SchemaRegistry>> FormatMaker::RegistryOf(
    const FormatConfig& config) {
  std::shared_ptr<ingest::SchemaRegistry>& registry =
      registries_[absl::StrCat(config.registry, "\n", config.user)];
  if (registry == nullptr) {
    ASSIGN_OR_RETURN(registry, ingest::SchemaRegistry::Create(OptionsOf(config, config.registry)));
  }
  return registry;
}

StatusOr<Format> FormatMaker::MakeOne(const FormatConfig& config) {
  Format format;
  format.kind = static_cast<Format::Kind>(config.kind);
  if (!config.registry.empty()) {
    ASSIGN_OR_RETURN(format.registry, RegistryOf(config));
  }
  format.message = config.message;
  if (!config.descriptors.empty()) {
    ASSIGN_OR_RETURN(format.descriptors, ProtobufDescriptors::Load(config.descriptors));
    const Status found = config.message.empty() ? format.descriptors->FindOnly().status()
                                                : format.descriptors->Find(config.message).status();
    if (!found.ok()) return Named(config.descriptors, found);
  }
  if (!config.writer.empty()) {
    ASSIGN_OR_RETURN(format.writer, LoadAvro(config, config.writer));
  }
  if (!config.reader.empty()) {
    ASSIGN_OR_RETURN(format.reader, LoadAvro(config, config.reader));
  }
  return format;
}

StatusOr<std::vector<Format>> FormatMaker::Make(const std::vector<FormatConfig>& formats) {
  std::vector<Format> made;
  for (const FormatConfig& config : formats) {
    ASSIGN_OR_RETURN(Format format, MakeOne(config));
    made.push_back(std::move(format));
  }
  return made;
}

}  // namespace vigil::daemon
