#include "ingest/codec_json.h"

#include <algorithm>
#include <array>
#include <bit>
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
      texts_(projection_.names().size()),
      has_plain_kinds_(!projection_.has_positions() &&
                       (projection_.time() < 0 || options.time.unit == TimeUnit::kMillis)) {}

const cep::RecordRenderer& JsonCodec::renderer() const {
  if (projection_.has_positions()) return RecordedJsonRenderer::Get();
  return JsonRenderer::Get();
}

size_t JsonCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  std::array<std::string_view, JsonLayoutParser::kMaxGroup> lines;
  for (size_t done = 0; done < count; done += lines.size()) {
    const size_t group = std::min(count - done, lines.size());
    for (size_t i = 0; i < group; ++i) {
      const RawRecord& record = records[done + i];
      lines[i] = record.broken == nullptr ? record.bytes : std::string_view();
    }
    layouts_.Scan(lines.data(), group);
    for (size_t i = 0; i < group;) {
      const size_t run = layouts_.Match(i, std::min(group - i, most_in_run_));
      if (run > 0) {
        i += DecodeRun(&records[done + i], run, batch);
      } else {
        plain_ = false;
        if (DecodeSlowly(records[done + i], 0, batch)) ++batch->rows;
        ++i;
      }
    }
  }
  return count;
}

// Fills rows behind the batch's last one with lines that keep one layout. Returns how many of them
// are done: all, or those up to one that was rejected.
size_t JsonCodec::DecodeRun(const RawRecord* records, size_t count, cep::Batch* batch) {
  const uint32_t first = batch->rows;
  uint64_t odd = DecodePlain(count, batch);
  const uint64_t valid_json = layouts_.valid_json();
  for (size_t i = 0; i < count; ++i) {
    const size_t row = first + i;
    batch->offsets[row] = records[i].offset;
    batch->partitions[row] = records[i].partition;
    batch->raw[row] = records[i].bytes;
    batch->is_json[row] = valid_json >> i & 1;
  }
  SetFrames(count, batch);
  for (; odd != 0; odd &= odd - 1) {
    const auto i = static_cast<size_t>(std::countr_zero(odd));
    batch->rows = first + static_cast<uint32_t>(i);
    plain_ = true;
    if (DecodeSlowly(records[i], i, batch)) continue;
    // Who comes next need not say that of its rows.
    std::fill_n(&batch->is_json[batch->rows], count - i, uint8_t{0});
    std::fill_n(&batch->frame_of[batch->rows], count - i, uint8_t{0});
    // The rows of those behind it move down; they are decoded again, fewer at a time, so that many
    // rejected records do not cost many times their number.
    most_in_run_ = std::max<size_t>(1, most_in_run_ / 2);
    return i + 1;
  }
  batch->rows = first + static_cast<uint32_t>(count);
  most_in_run_ = std::min(JsonLayoutParser::kMaxGroup, most_in_run_ * 2);
  return count;
}

// Says what the run's lines are made of.
void JsonCodec::SetFrames(size_t count, cep::Batch* batch) {
  const uint32_t first = batch->rows;
  const bool has_frame = layouts_.frame() != nullptr && !projection_.has_positions();
  const uint8_t place = has_frame ? batch->PlaceOfFrame(layouts_.frame()) : uint8_t{0};
  std::fill_n(&batch->frame_of[first], count, place);
  if (place == 0) return;
  uint64_t too_long = layouts_.CopySizes(count, &batch->value_sizes[first]);
  for (; too_long != 0; too_long &= too_long - 1) {
    batch->frame_of[first + static_cast<size_t>(std::countr_zero(too_long))] = 0;
  }
}

// Converts the fields of a run's lines, a field at a time. Returns the lines, a bit each, whose row
// must be filled by DecodeSlowly().
uint64_t JsonCodec::DecodePlain(size_t count, cep::Batch* batch) {
  const uint64_t all = ~uint64_t{0} >> (64 - count);
  if (!has_plain_kinds_ || !layouts_.has_all()) return all;
  uint64_t odd = options_.strict ? all & ~layouts_.valid_json() : 0;
  const uint32_t first = batch->rows;
  if (projection_.time() < 0) std::fill_n(batch->ts.get() + first, count, 0);
  for (const JsonLayoutParser::Use& use : layouts_.uses()) {
    const JsonLayoutParser::TextsOfRun text_of = layouts_.TextsOf(use);
    if (static_cast<int>(use.place) == projection_.time()) {
      for (size_t i = 0; i < count; ++i) {
        int64_t* const ms = &batch->ts[first + i];
        const bool fits = ParseIntPadded(text_of(i), ms) == NumberError::kNone &&
                          *ms >= kMinEventTime && *ms <= kMaxEventTime;
        odd |= uint64_t{!fits} << i;
      }
    }
    if (use.place < batch->columns.size()) {
      odd |= JsonFieldWriter::WriteRun(text_of, count, first, &batch->columns[use.place]);
    }
  }
  return odd;
}

// Fills the row behind the batch's last one; false if the record was rejected instead. With plain_
// it is line `line` of the run at hand.
bool JsonCodec::DecodeSlowly(RawRecord record, size_t line, cep::Batch* batch) {
  if (!FindFields(record, line, batch)) return false;
  if (projection_.has_positions() && !ReadPosition(&record, batch)) return false;
  if (!ReadTime(record, batch) || !WriteColumns(record, batch)) return false;
  const uint32_t row = batch->rows;
  batch->offsets[row] = record.offset;
  batch->partitions[row] = record.partition;
  batch->raw[row] = record.bytes;
  // With positions it is the renderer's to say what is the record's own.
  const bool is_own = plain_ && !projection_.has_positions();
  batch->is_json[row] = is_own ? layouts_.valid_json() >> line & 1 : 0;
  if (!plain_) batch->frame_of[row] = 0;
  return true;
}

// Sets texts_.
bool JsonCodec::FindFields(const RawRecord& record, size_t line, cep::Batch* batch) {
  if (record.broken != nullptr) {
    Reject(record, 0, record.broken, batch);
    return false;
  }
  if (plain_ && layouts_.CheckReadScalars(line) &&
      (!options_.strict || (layouts_.valid_json() >> line & 1) != 0)) {
    layouts_.CopyTexts(line, &texts_);
    return true;
  }
  return FindFieldsSlowly(record, batch);
}

// Asks the general parser.
bool JsonCodec::FindFieldsSlowly(const RawRecord& record, cep::Batch* batch) {
  const bool is_known = plain_;  // Learn() would end the run at hand
  plain_ = false;
  JsonError error;
  if ((options_.strict && !ValidateJsonObject(record.bytes, &error)) ||
      !tokenizer_.Tokenize(record.bytes, &texts_, &error)) {
    return RejectLine(record, error, batch);
  }
  if (!is_known) layouts_.Learn(record.bytes);
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
