#include "alerts/rejects.h"

#include <cstddef>
#include <utility>

#include "alerts/identity.h"
#include "alerts/json_writer.h"
#include "alerts/text.h"
#include "alerts/utf8.h"

namespace vigil::alerts {
namespace {

using cep::Partition;
using cep::Record;
using cep::RecordKind;

constexpr size_t kEventBytesMax = 4096;  // of an event in a rule's error
constexpr std::string_view kHead = "{\"output\":\"";

std::string PositionText(const Partition& partition, uint64_t offset) {
  std::string text = partition.place;
  text.push_back('/');
  AppendUint(offset, &text);
  return text;
}

// `,"NAME":"TEXT"`.
void AppendTextField(std::string_view name, std::string_view text, std::string* out) {
  out->append(",\"").append(name).append("\":");
  AppendJsonString(text, out);
}

void AppendPositionFields(const Partition& partition, uint64_t offset, std::string* out) {
  if (partition.source.empty()) return;
  AppendTextField("_source", partition.source, out);
  AppendTextField("_topic", partition.topic, out);
  out->append(",\"_partition\":");
  AppendUint(partition.number, out);
  out->append(",\"_offset\":");
  AppendUint(offset, out);
}

std::string LateReason(int64_t at, int64_t watermark) {
  std::string reason = "its time ";
  AppendInt(at, &reason);
  reason.append(" is not after its partition's watermark ");
  AppendInt(watermark, &reason);
  return reason;
}

// The original as a JSON object, or as a string if it is none.
void AppendOriginal(const cep::Batch& batch, uint32_t row, std::string* out) {
  const size_t size = out->size();
  std::string why;
  const cep::RecordRenderer* const renderer = batch.RendererOf(row);
  if (renderer != nullptr && renderer->AppendJson(batch.raw[row], out, &why)) return;
  out->resize(size);
  AppendJsonString(batch.raw[row], out);
}

}  // namespace

Rejects::Rejects(std::shared_ptr<const AlertContext> context) : context_(std::move(context)) {}

Record Rejects::RenderLate(const cep::Batch& batch, uint32_t row, int64_t watermark) {
  const Partition& partition = *batch.partitions[row];
  const uint64_t offset = batch.offsets[row];
  const int64_t at = batch.ts[row];
  const std::string position = PositionText(partition, offset);
  const std::string reason = LateReason(at, watermark);
  Record record;
  record.kind = RecordKind::kLate;
  record.instant = watermark;
  record.id = TurnedAwayId(TurnedAway::kLate, partition.place, offset);
  if (context_->format == Format::kText) {
    AppendProblemText("late", position, "", reason, batch.raw[row], *context_, &record.head);
    return record;
  }
  record.head = kHead;
  std::string& tail = record.tail;
  tail = "\",\"kind\":\"late\"";
  AppendTextField("place", position, &tail);
  tail.append(",\"watermark\":");
  AppendInt(watermark, &tail);
  tail.append(",\"at\":");
  AppendInt(at, &tail);
  AppendTextField("reason", reason, &tail);
  tail.append(",\"event\":");
  AppendOriginal(batch, row, &tail);
  AppendPositionFields(partition, offset, &tail);
  tail.push_back('}');
  return record;
}

Record Rejects::RenderRejected(const cep::Rejected& rejected, int64_t watermark) {
  const std::string position = PositionText(*rejected.partition, rejected.offset);
  Record record;
  record.kind = RecordKind::kError;
  record.instant = watermark;
  record.id = TurnedAwayId(TurnedAway::kRejected, rejected.partition->place, rejected.offset);
  if (context_->format == Format::kText) {
    AppendProblemText("error", position, "", rejected.reason, rejected.bytes, *context_,
                      &record.head);
    return record;
  }
  record.head = kHead;
  std::string& tail = record.tail;
  tail = "\",\"kind\":\"error\"";
  AppendTextField("place", position, &tail);
  AppendTextField("reason", rejected.reason, &tail);
  AppendTextField("bytes", rejected.bytes, &tail);
  if (!IsUtf8(rejected.bytes)) {
    tail.append(",\"bytes_base64\":\"");
    AppendBase64(rejected.bytes, &tail);
    tail.push_back('"');
  }
  AppendPositionFields(*rejected.partition, rejected.offset, &tail);
  tail.push_back('}');
  return record;
}

void RenderRuleError(std::string_view rule, const cep::RuleError& error,
                     const AlertContext& context, Record* record) {
  const std::string position = PositionText(*error.partition, error.offset);
  const std::string_view event = CutUtf8(error.raw, kEventBytesMax);
  if (context.format == Format::kText) {
    std::string about = "rule ";
    about.append(rule);
    if (!error.expression.empty()) about.append(": ").append(error.expression);
    AppendProblemText("error", position, about, error.reason, event, context, &record->head);
    return;
  }
  record->head = kHead;
  std::string& tail = record->tail;
  tail = "\",\"kind\":\"error\"";
  AppendTextField("rule", rule, &tail);
  AppendTextField("place", position, &tail);
  AppendTextField("expression", error.expression, &tail);
  AppendTextField("reason", error.reason, &tail);
  AppendTextField("event", event, &tail);
  AppendPositionFields(*error.partition, error.offset, &tail);
  tail.push_back('}');
}

}  // namespace vigil::alerts
