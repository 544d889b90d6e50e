// Formats and schemas that a configuration names, loaded.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "daemon/config.h"
#include "ingest/formats.h"

namespace vigil::daemon {

// Makes formats of what a configuration says. Sources that name the same registry share its client
// and what it has fetched. Thread safety: none.
class FormatMaker {
 public:
  // Errors, naming the file or URL: NOT_FOUND, INVALID_ARGUMENT for what is missing or not valid;
  // UNAVAILABLE for a reader's schema that its registry does not give. The registry of records is
  // not asked here: while it is down, they wait.
  StatusOr<std::vector<ingest::Format>> Make(const std::vector<FormatConfig>& formats);

 private:
  StatusOr<ingest::Format> MakeOne(const FormatConfig& config);
  StatusOr<std::shared_ptr<ingest::SchemaRegistry>> RegistryOf(const FormatConfig& config);

  std::map<std::string, std::shared_ptr<ingest::SchemaRegistry>> registries_;  // by URL and user
};

// A schema for conditions that is not a schema file, and what it says about records.
struct EventSchema {
  std::shared_ptr<const cep::Schema> schema;
  ingest::Format format;  // of records that nothing else describes
};

// Whether `name` is not that of a schema file, but of a descriptor set (`.desc`, `.pb`, `.binpb`,
// `.protoset`, each with `#MESSAGE` where it has several), of an Avro schema (`.avsc`) or of a
// schema in a registry (`http(s)://.../subjects/SUBJECT/versions/VERSION`).
bool IsRecordSchema(const std::string& name);
// Errors, with the name in them: as FormatMaker::Make().
StatusOr<EventSchema> LoadRecordSchema(const std::string& name);

}  // namespace vigil::daemon
