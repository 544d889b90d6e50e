// The configuration's keys: one table that checks vigil.yaml and makes its reference.
#pragma once

#include <cstdint>
#include <string>

#include "rules/vocabulary.h"

namespace vigil::daemon {

// A kind of mapping in a configuration.
enum class ConfigSection : uint8_t {
  kNone,
  kFile,
  kRuleTopic,
  kSource,
  kKafkaSource,
  kKafkaStart,
  kFileSource,
  kTcpSource,
  kHttpSource,
  kFormat,
  kAvro,
  kProtobuf,
  kEventTime,
  kWatermark,
  kSink,
  kKafkaSink,
  kFileSink,
  kRotate,
  kStdoutSink,
  kState,
  kCheckpoints,
  kRocksDb,
  kHttp,
  kTls,
};

const rules::Vocabulary& ConfigLanguage();

// The reference section of docs/operations.md. Markdown.
std::string ConfigReferenceMarkdown();

}  // namespace vigil::daemon
