#include "ingest/codec_csv.h"

#include <limits>
#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/scalar_text.h"

namespace vigil::ingest {
namespace {

using cep::Type;
using cep::TypeKind;
using cep::Value;

constexpr CsvCell kNoCell;

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

bool IsAbsent(const CsvCell& cell) { return cell.text.empty() && !cell.quoted; }

Value WrongType() { return Value::Error("value of another type"); }

}  // namespace

StatusOr<std::vector<std::string>> ParseCsvHeader(std::string_view line) {
  std::vector<CsvCell> cells;
  JsonError error;
  if (!SplitCsv(line, &cells, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the CSV header is not valid: byte ", error.offset + 1, ": ", error.what));
  }
  Arena arena;
  std::vector<std::string> names;
  for (const CsvCell& cell : cells) {
    std::string name(CsvText(cell, &arena));
    if (name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the CSV header has no name for column ", names.size() + 1));
    }
    for (const std::string& other : names) {
      if (other == name) {
        return absl::InvalidArgumentError(
            absl::StrCat("the CSV header names column `", name, "` twice"));
      }
    }
    names.push_back(std::move(name));
  }
  return names;
}

CsvCodec::CsvCodec(const CodecOptions& options, std::vector<std::string> header)
    : options_(options),
      strict_types_(options.schema != nullptr && options.schema->strict_types()),
      projection_(options.layout, options.time.field, options.positions),
      renderer_(std::move(header), options.schema.get()),
      columns_(projection_.names().size(), -1) {
  for (size_t i = 0; i < renderer_.header().size(); ++i) {
    const int place = projection_.Find(renderer_.header()[i]);
    if (place >= 0) columns_[static_cast<size_t>(place)] = static_cast<int>(i);
  }
}

size_t CsvCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  for (size_t i = 0; i < count; ++i) {
    if (DecodeOne(records[i], batch)) ++batch->rows;
  }
  return count;
}

bool CsvCodec::DecodeOne(RawRecord record, cep::Batch* batch) {
  if (!FindCells(record, batch)) return false;
  if (projection_.has_positions() && !ReadPosition(&record, batch)) return false;
  if (!ReadTime(record, batch) || !WriteColumns(record, batch)) return false;
  const uint32_t row = batch->rows;
  batch->offsets[row] = record.offset;
  batch->partitions[row] = record.partition;
  batch->raw[row] = record.bytes;
  return true;
}

bool CsvCodec::FindCells(const RawRecord& record, cep::Batch* batch) {
  if (record.broken != nullptr) {
    Reject(record, 0, record.broken, batch);
    return false;
  }
  JsonError error;
  if (!SplitCsv(record.bytes, &cells_, &error)) {
    Reject(record, error.offset + 1, absl::StrCat("not a line of CSV: ", error.what), batch);
    return false;
  }
  const size_t expected = renderer_.header().size();
  if (cells_.size() == expected) return true;
  Reject(record, 0, absl::StrCat(cells_.size(), " cells, but the header names ", expected), batch);
  return false;
}

const CsvCell& CsvCodec::CellAt(int place) const {
  const int column = columns_[static_cast<size_t>(place)];
  return column < 0 ? kNoCell : cells_[static_cast<size_t>(column)];
}

bool CsvCodec::RejectField(const RawRecord& record, int place, std::string_view what,
                           cep::Batch* batch) {
  const CsvCell& cell = CellAt(place);
  const uint64_t byte = cell.text.data() == nullptr
                            ? 0
                            : static_cast<uint64_t>(cell.text.data() - record.bytes.data()) + 1;
  Reject(
      record, byte,
      absl::StrCat("field `", projection_.names()[static_cast<size_t>(place)], "`: ", Abseil(what)),
      batch);
  return false;
}

bool CsvCodec::ReadPosition(RawRecord* record, cep::Batch* batch) {
  const CsvCell& source = CellAt(projection_.source());
  if (IsAbsent(source)) {
    return RejectField(*record, projection_.source(), "no position: the cell is empty", batch);
  }
  int64_t number = -1;
  int64_t offset = -1;
  if (ParseInt(CellAt(projection_.partition()).text, &number) != NumberError::kNone || number < 0 ||
      number > std::numeric_limits<int32_t>::max()) {
    return RejectField(*record, projection_.partition(),
                       "no position: expected an int from 0 to 2147483647", batch);
  }
  if (ParseInt(CellAt(projection_.offset()).text, &offset) != NumberError::kNone || offset < 0) {
    return RejectField(*record, projection_.offset(),
                       "no position: expected an int that is not negative", batch);
  }
  const cep::Partition* partition = partitions_.Get(
      CsvText(source, &batch->arena), CsvText(CellAt(projection_.topic()), &batch->arena),
      static_cast<uint32_t>(number));
  if (partition == nullptr) {
    return RejectField(*record, projection_.source(), "no position: too many partitions", batch);
  }
  record->partition = partition;
  record->offset = static_cast<uint64_t>(offset);
  return true;
}

bool CsvCodec::ReadTime(const RawRecord& record, cep::Batch* batch) {
  int64_t* const ms = &batch->ts[batch->rows];
  *ms = 0;
  if (projection_.time() < 0) return true;
  const CsvCell& cell = CellAt(projection_.time());
  const char* why = "the cell is empty";
  if (!IsAbsent(cell)) {
    const std::string_view text = cell.text;
    if (IsNumber(text) ? EventTimeOfNumber(text, options_.time.unit, ms, &why)
                       : EventTimeOfText(text, ms, &why)) {
      return true;
    }
  }
  const uint64_t byte = cell.text.data() == nullptr
                            ? 0
                            : static_cast<uint64_t>(cell.text.data() - record.bytes.data()) + 1;
  Reject(record, byte, absl::StrCat("no event time: field `", options_.time.field, "`: ", why),
         batch);
  return false;
}

bool CsvCodec::WriteColumns(const RawRecord& record, cep::Batch* batch) {
  const std::vector<cep::Slot>& slots = projection_.layout().slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    const int place = static_cast<int>(i);
    const TimeUnit unit = place == projection_.time() ? options_.time.unit : TimeUnit::kMillis;
    const CsvCell& cell = CellAt(place);
    const Value value =
        IsAbsent(cell) ? Value() : Convert(cell, slots[i].type, unit, &batch->arena);
    batch->columns[i].Set(batch->rows, value);
    if (value.is_error() && strict_types_) {
      return RejectField(record, place,
                         absl::StrCat("expected ", slots[i].type.ToString(), ", found `",
                                      Abseil(cell.text.substr(0, 64)), "`"),
                         batch);
    }
  }
  return true;
}

Value CsvCodec::Convert(const CsvCell& cell, const Type& type, TimeUnit unit, Arena* arena) {
  const std::string_view text = CsvText(cell, arena);
  int64_t integer = 0;
  double number = 0;
  bool truth = false;
  switch (type.kind) {
    case TypeKind::kString:
      return Value::String(text);
    case TypeKind::kInt:
      return ParseInt(text, &integer) == NumberError::kNone ? Value::Int(integer) : WrongType();
    case TypeKind::kDouble:
      return ParseDouble(text, &number) == NumberError::kNone ? Value::Double(number) : WrongType();
    case TypeKind::kBool:
      return ParseCsvBool(text, &truth) ? Value::Bool(truth) : WrongType();
    case TypeKind::kDyn:
      if (cell.quoted || LookOf(text) == CsvLook::kText) return Value::String(text);
      if (ParseCsvBool(text, &truth)) return Value::Bool(truth);
      if (ParseInt(text, &integer) == NumberError::kNone) return Value::Int(integer);
      return ParseDouble(text, &number) == NumberError::kNone ? Value::Double(number) : WrongType();
    default:
      return ConvertText(text, type, unit, arena);
  }
}

// The types whose texts JSON has, too.
Value CsvCodec::ConvertText(std::string_view text, const Type& type, TimeUnit unit, Arena* arena) {
  const bool scalar = type.kind == TypeKind::kTimestamp || type.kind == TypeKind::kDuration ||
                      type.kind == TypeKind::kBytes;
  Value value;
  std::string json(text);
  if (scalar && !IsNumber(text)) {
    json.clear();
    AppendJsonString(text, &json);
  }
  const std::string_view kept = arena->Copy(json);
  if (!reader_.Read(kept, type, unit, arena, &value) || reader_.mismatch() != nullptr) {
    return WrongType();
  }
  return value;
}

}  // namespace vigil::ingest
