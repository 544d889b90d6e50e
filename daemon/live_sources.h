// The sources of a live job, made of its configuration.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "cep/runtime/live_job.h"
#include "daemon/config.h"
#include "daemon/formats.h"
#include "daemon/log.h"
#include "ingest/record_source.h"
#include "ingest/source_kafka.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

// The schema of events that also have the field `kafka` (ingest::kKafkaField): what Kafka knows of
// a record. The schema itself where it declares a field of that name, or no source is Kafka.
std::shared_ptr<const cep::Schema> WithKafkaField(std::shared_ptr<const cep::Schema> schema,
                                                  const Config& config);

// What a live job cannot do of what the configuration asks for, all of it, one text each.
std::vector<std::string> FindUnsupported(const Config& config);

// Lines of a source's log, with the source and the partition as fields.
class SourceLog : public ingest::RecordSourceLog {
 public:
  explicit SourceLog(Log* log) : log_(log) {}
  void Write(int level, std::string_view source, std::string_view partition,
             const std::string& text) override {
    std::vector<LogField> fields = {{"source", std::string(source)}};
    if (!partition.empty()) fields.emplace_back("partition", partition);
    log_->WriteSyslog(level, text, fields);
  }

 private:
  Log* log_;
};

// `log` and `clock` are borrowed and outlive the sources.
// Errors: INVALID_ARGUMENT for properties or patterns that are not valid, naming the source; those
// of FormatMaker::Make().
StatusOr<std::vector<cep::LiveInput>> MakeLiveInputs(const Config& config,
                                                     const rules::RuleSet& rules, SourceLog* log,
                                                     const Clock* clock, FormatMaker* formats);

// What decodes a source's records for these rules. Errors: those of FormatMaker::Make().
StatusOr<ingest::SourceCodec> MakeSourceCodec(const SourceConfig& source,
                                              const rules::RuleSet& rules, FormatMaker* formats);

}  // namespace vigil::daemon
