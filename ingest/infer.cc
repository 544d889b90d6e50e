#include "ingest/infer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/codec_csv.h"
#include "ingest/csv.h"
#include "ingest/json_validate.h"
#include "ingest/json_value.h"
#include "ingest/line_reader.h"
#include "io/open_input.h"

namespace vigil::ingest {
namespace {

using cep::Type;
using cep::TypeKind;
using cep::Value;
using cep::ValueTag;

class BorrowedBytes : public io::ByteSource {
 public:
  explicit BorrowedBytes(io::ByteSource* source) : source_(source) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override { return source_->Read(buffer, size); }
  const std::string& name() const override { return source_->name(); }

 private:
  io::ByteSource* const source_;
};

// The entry of `name`, made at the end if there is none; null if there is no room. Records repeat
// the order of their fields, so the search starts where the last one ended.
SeenValues* FieldNamed(SeenValues* object, std::string_view name, size_t* next) {
  auto& fields = object->fields;
  for (size_t tried = 0; tried < fields.size(); ++tried) {
    const size_t at = (*next + tried) % fields.size();
    if (fields[at].name != name) continue;
    *next = at + 1;
    return &fields[at].values;
  }
  if (fields.size() >= SeenValues::kMaxFields) {
    object->too_many_fields = true;
    return nullptr;
  }
  fields.push_back({std::string(name), {}});
  *next = fields.size();
  return &fields.back().values;
}

Value ValueOfCell(const CsvCell& cell) {
  switch (cell.quoted ? CsvLook::kText : LookOf(cell.text)) {
    case CsvLook::kEmpty:
      return Value();
    case CsvLook::kInt:
      return Value::Int(0);
    case CsvLook::kDouble:
      return Value::Double(0);
    case CsvLook::kBool:
      return Value::Bool(false);
    case CsvLook::kText:
      break;
  }
  return Value::String("");
}

}  // namespace

// Recursion is bounded by the depth of values, JsonValueReader::kMaxDepth.
void SeenValues::Add(const Value& value) {
  switch (value.tag) {
    case ValueTag::kBool:
      bools = true;
      break;
    case ValueTag::kInt:
      ints = true;
      break;
    case ValueTag::kDouble:
      doubles = true;
      break;
    case ValueTag::kString:
      strings = true;
      break;
    case ValueTag::kList:
      lists = true;
      if (element.empty()) element.emplace_back();
      for (uint32_t i = 0; i < value.size; ++i) element[0].Add(value.list[i]);
      break;
    case ValueTag::kMap: {
      objects = true;
      size_t next = 0;
      for (uint32_t i = 0; i < value.size; ++i) {
        SeenValues* const field = FieldNamed(this, value.map[i].key.text(), &next);
        if (field != nullptr) field->Add(value.map[i].value);
      }
      break;
    }
    default:
      break;  // null says nothing about the type
  }
}

Type SeenValues::ToType() const {
  const bool numbers = ints || doubles;
  if (bools + numbers + strings + lists + objects != 1) return TypeKind::kDyn;
  if (bools) return TypeKind::kBool;
  if (strings) return TypeKind::kString;
  if (numbers) return doubles ? TypeKind::kDouble : TypeKind::kInt;
  if (lists) return Type::List(element[0].ToType());
  if (too_many_fields || fields.empty()) return TypeKind::kDyn;
  std::vector<cep::Field> types;
  for (const auto& [name, seen] : fields) types.push_back({name, seen.ToType()});
  return Type::Object(std::move(types));
}

Status SchemaInference::AddInput(const std::string& path, io::ByteSource* bytes,
                                 size_t max_records) {
  return AddInput(path, std::make_unique<BorrowedBytes>(bytes), max_records);
}

Status SchemaInference::AddInput(const std::string& path, std::unique_ptr<io::ByteSource> bytes,
                                 size_t max_records) {
  ASSIGN_OR_RETURN(const io::InputName name, io::ParseInputName(path));
  if (max_records == 0) max_records = std::numeric_limits<size_t>::max();
  LineReader lines(std::move(bytes));
  switch (name.format) {
    case io::InputFormat::kJsonLines:
      return AddJson(&lines, max_records);
    case io::InputFormat::kCsv:
      return AddCsv(&lines, max_records);
    default:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": a schema cannot be inferred from this format"));
}

Status SchemaInference::AddJson(LineReader* lines, size_t max_records) {
  static const Type kDyn(TypeKind::kDyn);
  JsonValueReader reader;
  Line line;
  for (size_t n = 0; n < max_records && lines->Next(&line); ++n) {
    ++records_;
    arena_.Reset();
    JsonError error;
    Value value;
    if (line.too_long || !ValidateJsonObject(line.text, &error) ||
        !reader.Read(line.text, kDyn, TimeUnit::kMillis, &arena_, &value)) {
      ++invalid_;
      continue;
    }
    seen_.Add(value);
  }
  return lines->status();
}

Status SchemaInference::AddCsv(LineReader* lines, size_t max_records) {
  Line line;
  if (!lines->Next(&line)) return lines->status();
  ASSIGN_OR_RETURN(const std::vector<std::string> header, ParseCsvHeader(line.text));
  std::vector<CsvCell> cells;
  std::vector<cep::MapEntry> record(header.size());
  for (size_t n = 0; n < max_records && lines->Next(&line); ++n) {
    ++records_;
    JsonError error;
    if (line.too_long || !SplitCsv(line.text, &cells, &error) || cells.size() != header.size()) {
      ++invalid_;
      continue;
    }
    for (size_t i = 0; i < header.size(); ++i) {
      record[i].key = Value::String(header[i]);
      record[i].value = ValueOfCell(cells[i]);
    }
    seen_.Add(Value::Map(record.data(), static_cast<uint32_t>(record.size())));
  }
  return lines->status();
}

cep::Schema SchemaInference::Finish() const {
  std::vector<cep::Field> fields;
  for (const auto& [name, seen] : seen_.fields) fields.push_back({name, seen.ToType()});
  return {std::move(fields), cep::Schema::Undeclared::kDynWarning};
}

}  // namespace vigil::ingest
