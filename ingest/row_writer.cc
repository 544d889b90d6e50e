#include "ingest/row_writer.h"

#include <limits>

#include <absl/strings/str_cat.h>

#include "ingest/value_convert.h"

namespace vigil::ingest {
namespace {

using cep::Value;
using cep::ValueTag;

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

uint64_t ByteOf(const RawRecord& record, const char* at) {
  const char* const begin = record.bytes.data();
  if (at == nullptr || at < begin || at > begin + record.bytes.size()) return 0;
  return static_cast<uint64_t>(at - begin) + 1;
}

RowWriter::RowWriter(const CodecOptions& options)
    : options_(options),
      strict_types_(options.schema != nullptr && options.schema->strict_types()),
      projection_(options.layout, options.time.field, options.positions),
      slots_(options.layout->slots().size()),
      extras_(projection_.names().size() - slots_) {}

bool RowWriter::Put(const RawRecord& record, size_t place, const Value& value, const char* at,
                    cep::Batch* batch) {
  if (static_cast<int>(place) == projection_.time()) time_ = value;
  if (place >= slots_) {
    extras_[place - slots_] = value;
    return true;
  }
  const cep::Type& type = projection_.layout().slots()[place].type;
  const char* found = nullptr;
  const Value converted = ConvertValue(value, type, UnitOf(place), &batch->arena, &found);
  batch->columns[place].Set(batch->rows, converted);
  if (found == nullptr || !strict_types_) return true;
  return RejectField(record, place, absl::StrCat("expected ", type.ToString(), ", found ", found),
                     at, batch);
}

bool RowWriter::RejectField(const RawRecord& record, size_t place, std::string_view what,
                            const char* at, cep::Batch* batch) const {
  Reject(record, ByteOf(record, at),
         absl::StrCat("field `", projection_.names()[place], "`: ", Abseil(what)), batch);
  return false;
}

bool RowWriter::ReadPosition(RawRecord* record, cep::Batch* batch) {
  const auto get = [&](int place) {
    const auto at = static_cast<size_t>(place);
    return at < slots_ ? batch->columns[at].Get(batch->rows) : extras_[at - slots_];
  };
  const auto fail = [&](int place, const char* what) {
    return RejectField(*record, static_cast<size_t>(place), what, nullptr, batch);
  };
  const Value source = get(projection_.source());
  const Value topic = get(projection_.topic());
  const Value number = get(projection_.partition());
  const Value offset = get(projection_.offset());
  if (source.tag != ValueTag::kString) {
    return fail(projection_.source(), "no position: expected a string");
  }
  if (topic.tag != ValueTag::kString) {
    return fail(projection_.topic(), "no position: expected a string");
  }
  if (number.tag != ValueTag::kInt || number.i < 0 ||
      number.i > std::numeric_limits<int32_t>::max()) {
    return fail(projection_.partition(), "no position: expected an int from 0 to 2147483647");
  }
  if (offset.tag != ValueTag::kInt || offset.i < 0) {
    return fail(projection_.offset(), "no position: expected an int that is not negative");
  }
  const cep::Partition* partition =
      partitions_.Get(source.text(), topic.text(), static_cast<uint32_t>(number.i));
  if (partition == nullptr) return fail(projection_.source(), "no position: too many partitions");
  record->partition = partition;
  record->offset = static_cast<uint64_t>(offset.i);
  return true;
}

bool RowWriter::Finish(RawRecord record, cep::Batch* batch) {
  if (projection_.has_positions() && !ReadPosition(&record, batch)) return false;
  const uint32_t row = batch->rows;
  int64_t* const ms = &batch->ts[row];
  const char* why = "";
  if (projection_.time() < 0) {
    *ms = 0;
  } else if (time_.tag == ValueTag::kInt && options_.time.unit == TimeUnit::kMillis &&
             time_.i >= kMinEventTime && time_.i <= kMaxEventTime) [[likely]] {
    *ms = time_.i;
  } else if (time_.is_absent()) {
    Reject(record, 0, absl::StrCat("no event time: no field `", options_.time.field, "`"), batch);
    return false;
  } else if (!EventTimeOfValue(time_, options_.time.unit, ms, &why)) {
    Reject(record, 0, absl::StrCat("no event time: field `", options_.time.field, "`: ", why),
           batch);
    return false;
  }
  batch->offsets[row] = record.offset;
  batch->partitions[row] = record.partition;
  batch->raw[row] = record.bytes;
  return true;
}

}  // namespace vigil::ingest
