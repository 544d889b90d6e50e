#include "ingest/codec_json.h"

#include <limits>

#include <absl/strings/str_cat.h>

#include "ingest/json_renderer.h"
#include "ingest/json_validate.h"

namespace vigil::ingest {
namespace {

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

JsonCodec::JsonCodec(const CodecOptions& options)
    : options_(options),
      strict_types_(options.schema != nullptr && options.schema->strict_types()),
      projection_(options.layout, options.time.field, options.positions),
      layouts_(projection_),
      tokenizer_(projection_),
      texts_(projection_.names().size()) {}

const cep::RecordRenderer& JsonCodec::renderer() const { return JsonRenderer::Get(); }

size_t JsonCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  for (size_t i = 0; i < count; ++i) {
    if (DecodeOne(records[i], batch)) ++batch->rows;
  }
  return count;
}

// Fills the row behind the batch's last one; false if the record was rejected instead.
bool JsonCodec::DecodeOne(RawRecord record, cep::Batch* batch) {
  if (!FindFields(record, batch)) return false;
  if (projection_.has_positions() && !ReadPosition(&record, batch)) return false;
  if (!plain_ || !DecodePlain(batch)) {
    if (plain_ && !layouts_.CheckReadScalars(record.bytes) && !FindFieldsSlowly(record, batch)) {
      return false;
    }
    if (!ReadTime(record, batch) || !WriteColumns(record, batch)) return false;
  }
  const uint32_t row = batch->rows;
  batch->offsets[row] = record.offset;
  batch->partitions[row] = record.partition;
  batch->raw[row] = record.bytes;
  batch->is_json[row] = plain_ && layouts_.is_valid_json() ? 1 : 0;
  return true;
}

// Converts the fields of a line that keeps its layout, if all are of the usual kinds: then they are
// valid JSON.
bool JsonCodec::DecodePlain(cep::Batch* batch) {
  if (projection_.time() >= 0) {
    if (options_.time.unit != TimeUnit::kMillis) return false;
    const std::string_view text = texts_[static_cast<size_t>(projection_.time())];
    int64_t* const ms = &batch->ts[batch->rows];
    if (text.data() == nullptr || ParseIntPadded(text, ms) != NumberError::kNone ||
        *ms < kMinEventTime || *ms > kMaxEventTime) {
      return false;
    }
  } else {
    batch->ts[batch->rows] = 0;
  }
  for (size_t i = 0; i < batch->columns.size(); ++i) {
    if (!JsonFieldWriter::WriteFast(texts_[i], true, batch->rows, &batch->columns[i])) return false;
  }
  return true;
}

bool JsonCodec::FindFields(const RawRecord& record, cep::Batch* batch) {
  if (record.broken != nullptr) {
    Reject(record, 0, record.broken, batch);
    return false;
  }
  plain_ = layouts_.Parse(record.bytes, &texts_);
  if (plain_ &&
      (!options_.strict || (layouts_.CheckReadScalars(record.bytes) && layouts_.is_valid_json()))) {
    return true;
  }
  return FindFieldsSlowly(record, batch);
}

// Asks the general parser.
bool JsonCodec::FindFieldsSlowly(const RawRecord& record, cep::Batch* batch) {
  plain_ = false;
  JsonError error;
  if ((options_.strict && !ValidateJsonObject(record.bytes, &error)) ||
      !tokenizer_.Tokenize(record.bytes, &texts_, &error)) {
    return RejectLine(record, error, batch);
  }
  layouts_.Learn(record.bytes);
  return true;
}

bool JsonCodec::RejectLine(const RawRecord& record, const JsonError& error,
                           cep::Batch* batch) const {
  Reject(record, error.offset + 1, absl::StrCat("not a JSON object: ", error.what), batch);
  return false;
}

bool JsonCodec::RejectField(const RawRecord& record, size_t place, std::string_view what,
                            cep::Batch* batch) const {
  const std::string_view text = texts_[place];
  const uint64_t byte =
      text.data() == nullptr ? 0 : static_cast<uint64_t>(text.data() - record.bytes.data()) + 1;
  Reject(record, byte, absl::StrCat("field `", projection_.names()[place], "`: ", Abseil(what)),
         batch);
  return false;
}

// Replaces the record's partition and offset by those it carries.
bool JsonCodec::ReadPosition(RawRecord* record, cep::Batch* batch) {
  const auto text = [&](int place) { return texts_[static_cast<size_t>(place)]; };
  std::string_view source;
  std::string_view topic;
  int64_t number = -1;
  int64_t offset = -1;
  const auto fail = [&](int place, const char* what) {
    return RejectField(*record, static_cast<size_t>(place), what, batch);
  };
  const int source_place = projection_.source();
  const int topic_place = projection_.topic();
  if (!writer_.ReadString(text(source_place), &batch->arena, &source)) {
    return fail(source_place, "no position: expected a string");
  }
  if (!writer_.ReadString(text(topic_place), &batch->arena, &topic)) {
    return fail(topic_place, "no position: expected a string");
  }
  if (ParseInt(text(projection_.partition()), &number) != NumberError::kNone || number < 0 ||
      number > std::numeric_limits<int32_t>::max()) {
    return fail(projection_.partition(), "no position: expected an int from 0 to 2147483647");
  }
  if (ParseInt(text(projection_.offset()), &offset) != NumberError::kNone || offset < 0) {
    return fail(projection_.offset(), "no position: expected an int that is not negative");
  }
  const cep::Partition* partition = partitions_.Get(source, topic, static_cast<uint32_t>(number));
  if (partition == nullptr) return fail(source_place, "no position: too many partitions");
  record->partition = partition;
  record->offset = static_cast<uint64_t>(offset);
  return true;
}

bool JsonCodec::ReadTime(const RawRecord& record, cep::Batch* batch) {
  int64_t* const ms = &batch->ts[batch->rows];
  if (projection_.time() < 0) {
    *ms = 0;
    return true;
  }
  const std::string_view text = texts_[static_cast<size_t>(projection_.time())];
  if (options_.time.unit == TimeUnit::kMillis && ParseIntPadded(text, ms) == NumberError::kNone &&
      *ms >= kMinEventTime && *ms <= kMaxEventTime) [[likely]] {
    return true;
  }
  if (text.data() == nullptr) {
    Reject(record, 0, absl::StrCat("no event time: no field `", options_.time.field, "`"), batch);
    return false;
  }
  const char* why = "";
  if (text[0] != '"') {
    if (EventTimeOfNumber(text, options_.time.unit, ms, &why)) return true;
  } else {
    std::string_view content;
    if (!writer_.ReadString(text, &batch->arena, &content)) {
      why = writer_.error().what;
    } else if (EventTimeOfText(content, ms, &why)) {
      return true;
    }
  }
  const auto byte = static_cast<uint64_t>(text.data() - record.bytes.data()) + 1;
  Reject(record, byte, absl::StrCat("no event time: field `", options_.time.field, "`: ", why),
         batch);
  return false;
}

bool JsonCodec::WriteColumns(const RawRecord& record, cep::Batch* batch) {
  const size_t count = projection_.layout().slots().size();
  for (size_t i = 0; i < count; ++i) {
    cep::Column* const column = &batch->columns[i];
    if (JsonFieldWriter::WriteFast(texts_[i], plain_, batch->rows, column)) [[likely]]
      continue;
    if (!WriteSlowly(record, i, batch)) return false;
  }
  return true;
}

bool JsonCodec::WriteSlowly(const RawRecord& record, size_t slot_index, cep::Batch* batch) {
  const cep::Slot& slot = projection_.layout().slots()[slot_index];
  const bool is_time = static_cast<int>(slot_index) == projection_.time();
  const TimeUnit unit = is_time ? options_.time.unit : TimeUnit::kMillis;
  switch (writer_.WriteSlow(texts_[slot_index], slot.type, unit, batch->rows,
                            &batch->columns[slot_index], &batch->arena)) {
    case JsonFieldWriter::Outcome::kWritten:
      return true;
    case JsonFieldWriter::Outcome::kMalformed:
      return RejectField(record, slot_index, writer_.error().what, batch);
    case JsonFieldWriter::Outcome::kMismatch:
      break;
  }
  if (!strict_types_) return true;
  return RejectField(record, slot_index,
                     absl::StrCat("expected ", slot.type.ToString(), ", found ", writer_.found()),
                     batch);
}

}  // namespace vigil::ingest
