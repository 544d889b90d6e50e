#include "daemon/recorder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "alerts/json_writer.h"
#include "alerts/value_json.h"

namespace vigil::daemon {
namespace {

constexpr int64_t kSleepMs = 100;
constexpr size_t kGroup = 256;
constexpr uint32_t kKafkaSlot = 0;

void AppendPosition(const cep::Partition& partition, uint64_t offset, std::string* out) {
  out->append("\"_source\":");
  alerts::AppendJsonString(partition.source, out);
  out->append(",\"_topic\":");
  alerts::AppendJsonString(partition.topic, out);
  out->append(",\"_partition\":");
  alerts::AppendUint(partition.number, out);
  out->append(",\"_offset\":");
  alerts::AppendUint(offset, out);
}

// When the broker or the producer wrote the record, in seconds.
int64_t SecondsOf(const cep::Value& kafka) {
  for (uint32_t i = 0; kafka.tag == cep::ValueTag::kMap && i < kafka.size; ++i) {
    if (kafka.map[i].key.text() == "timestamp") return kafka.map[i].value.i;
  }
  return 0;
}

}  // namespace

StatusOr<std::unique_ptr<Recorder>> Recorder::Create(Config config, const RecorderOptions& options,
                                                     SourceLog* log, alerts::LineSink* sink) {
  std::unique_ptr<Recorder> recorder(new Recorder(options, sink));
  auto& sources = config.sources;
  if (!options.source.empty()) {
    sources.erase(std::remove_if(sources.begin(), sources.end(),
                                 [&](const SourceConfig& s) { return s.name != options.source; }),
                  sources.end());
  }
  sources.erase(std::remove_if(sources.begin(), sources.end(),
                               [](const SourceConfig& s) { return !s.kafka.has_value(); }),
                sources.end());
  if (sources.empty()) {
    return absl::NotFoundError(options.source.empty()
                                   ? "the configuration has no source with `kafka`"
                                   : "there is no source " + options.source + " with `kafka`");
  }
  for (SourceConfig& source : sources) {
    if (options.stops_at_end) source.kafka->stop_at_end = true;
    // Whether a record has a time is for the replay to say.
    source.event_time.kind = EventTimeConfig::Kind::kIngestion;
  }
  auto layout = std::make_shared<cep::Layout>();
  layout->Add(ingest::kKafkaField, cep::TypeKind::kDyn);
  FormatMaker formats;
  rules::RuleSet rules;
  rules.layout = layout;
  rules.schema = std::make_shared<const cep::Schema>();
  ASSIGN_OR_RETURN(recorder->inputs_,
                   MakeLiveInputs(config, rules, log, &recorder->clock_, &formats));
  recorder->newest_s_.resize(recorder->inputs_.size());
  recorder->batch_ = std::make_unique<cep::Batch>(layout);
  return recorder;
}

void Recorder::AppendRow(const cep::Batch& batch, uint32_t row, std::string* out) const {
  const size_t begin = out->size();
  std::string why;
  if (!batch.RendererOf(row)->AppendJson(batch.raw[row], out, &why)) {
    out->resize(begin);
    AppendRejected(
        {batch.partitions[row], batch.offsets[row], row, why, std::string(batch.raw[row])}, out);
    return;
  }
  out->pop_back();  // the brace
  if (out->find_last_not_of(" \t\r") != begin) out->push_back(',');
  AppendPosition(*batch.partitions[row], batch.offsets[row], out);
  if (options_.has_kafka_field) {
    out->append(",\"").append(ingest::kKafkaField).append("\":");
    alerts::AppendValueJson(batch.columns[kKafkaSlot].values()[row], out);
  }
  out->append("}\n");
}

void Recorder::AppendRejected(const cep::Rejected& rejected, std::string* out) const {
  out->push_back('{');
  AppendPosition(*rejected.partition, rejected.offset, out);
  out->append(",\"_undecodable\":\"");
  alerts::AppendBase64(rejected.bytes, out);
  out->append("\",\"_reason\":");
  alerts::AppendJsonString(rejected.reason, out);
  out->append("}\n");
}

// Reads from the source's partition that is furthest behind; false if none has rows.
StatusOr<bool> Recorder::ReadSome(size_t source) {
  cep::LiveSource& from = *inputs_[source].source;
  std::vector<int64_t>& newest = newest_s_[source];
  newest.resize(from.partitions().size(), std::numeric_limits<int64_t>::min());
  size_t next = newest.size();
  for (size_t p = 0; p < newest.size(); ++p) {
    if (!from.partitions()[p].has_rows) continue;
    if (next == newest.size() || newest[p] < newest[next]) next = p;
  }
  if (next == newest.size()) return false;
  batch_->Clear();
  records_ += from.Read(next, kGroup, batch_.get());
  std::string lines;
  size_t rejected = 0;
  for (uint32_t row = 0; row <= batch_->rows; ++row) {
    while (rejected < batch_->rejected.size() && batch_->rejected[rejected].before_row <= row) {
      AppendRejected(batch_->rejected[rejected++], &lines);
    }
    if (row == batch_->rows) break;
    AppendRow(*batch_, row, &lines);
    newest[next] = std::max(newest[next], SecondsOf(batch_->columns[kKafkaSlot].values()[row]));
  }
  RETURN_IF_ERROR(sink_->Write(lines));
  return true;
}

Status Recorder::Run() {
  for (cep::LiveInput& input : inputs_) RETURN_IF_ERROR(input.source->Start(&wakeup_));
  bool have_ended = false;
  while (!have_ended && !is_stopping_) {
    have_ended = true;
    bool has_read = false;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      RETURN_IF_ERROR(inputs_[i].source->Serve());
      ASSIGN_OR_RETURN(const bool some, ReadSome(i));
      has_read |= some;
      have_ended &= inputs_[i].source->has_ended();
    }
    if (has_read || have_ended) continue;
    RETURN_IF_ERROR(sink_->Flush());
    wakeup_.Wait(kSleepMs);
  }
  return sink_->Flush();
}

}  // namespace vigil::daemon
