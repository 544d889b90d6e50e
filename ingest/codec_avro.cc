#include "ingest/codec_avro.h"

#include <cstring>

#include <absl/strings/str_cat.h>

#include "ingest/value_convert.h"
#include "ingest/value_json.h"

namespace vigil::ingest {
namespace {

using cep::FieldState;
using cep::TypeKind;
using cep::Value;

constexpr const char* kTrailing = "bytes behind the end of the record";

std::string Explain(const AvroError& error) {
  if (error.field.empty()) return absl::StrCat("not an Avro record: ", error.what);
  return absl::StrCat("field `", std::string(error.field), "`: ", error.what);
}

cep::Type WantedOf(const Projection& projection) {
  std::vector<cep::Field> fields;
  for (const cep::Slot& slot : projection.layout().slots()) {
    fields.push_back({slot.name, slot.type});
  }
  return cep::Type::Object(std::move(fields));
}

void MarkPresent(cep::Column* column, uint32_t row) {
  if (!column->all_present()) column->states()[row] = FieldState::kPresent;
}

}  // namespace

AvroRenderer::AvroRenderer(std::shared_ptr<const AvroSchema> writer,
                           std::shared_ptr<const AvroSchema> reader, size_t prefix)
    : plan_(std::move(writer), std::move(reader), DynType(), true), prefix_(prefix) {}

bool AvroRenderer::AppendJson(std::string_view raw, std::string* out, std::string* why) const {
  Arena arena;
  AvroReader reader;
  reader.Begin(&arena);
  Value value;
  const char* const end = raw.data() + raw.size();
  const char* p = raw.size() < prefix_
                      ? reader.Fail(raw.data(), "cut short")
                      : reader.Read(plan_.root(), raw.data() + prefix_, end, 1, &value);
  if (p != nullptr && p != end) p = reader.Fail(p, kTrailing);
  if (p == nullptr) {
    *why = absl::StrCat("byte ", ByteOf({.bytes = raw}, reader.error().at), ": ",
                        Explain(reader.error()));
    return false;
  }
  AppendValueJson(value, out);
  return true;
}

StatusOr<std::unique_ptr<AvroProjector>> AvroProjector::Create(
    std::shared_ptr<const AvroSchema> writer, std::shared_ptr<const AvroSchema> reader,
    size_t prefix, RowWriter* rows) {
  if (writer->root().kind != AvroKind::kRecord) {
    return absl::InvalidArgumentError("the schema is not of a record, so it has no fields");
  }
  return std::unique_ptr<AvroProjector>(
      new AvroProjector(std::move(writer), std::move(reader), prefix, rows));
}

AvroProjector::AvroProjector(std::shared_ptr<const AvroSchema> writer,
                             std::shared_ptr<const AvroSchema> reader, size_t prefix,
                             RowWriter* rows)
    : rows_(*rows),
      wanted_(WantedOf(rows->projection())),
      plan_(writer, reader, wanted_, false),
      renderer_(writer, reader, prefix) {
  std::vector<bool> is_filled(rows_.projection().names().size());
  for (const AvroNode::Field& field : plan_.root().fields) {
    const int place = rows_.projection().Find(field.name);
    Step step;
    if (place >= 0 && !is_filled[static_cast<size_t>(place)]) {
      step = StepOf(field, static_cast<size_t>(place));
      is_filled[static_cast<size_t>(place)] = true;
    }
    step.type = field.node->type;
    step.name = &field.name;
    steps_.push_back(step);
  }
  for (size_t place = 0; place < is_filled.size(); ++place) {
    if (is_filled[place]) continue;
    Constant constant{static_cast<uint32_t>(place), Value()};
    for (const AvroNode::Constant& c : plan_.root().constants) {
      if (c.name == rows_.projection().names()[place]) constant.value = c.value;
    }
    constants_.push_back(constant);
  }
}

AvroProjector::Step AvroProjector::StepOf(const AvroNode::Field& field, size_t place) const {
  struct Row {
    AvroKind kind;
    TypeKind type;
    Op op;
  };
  constexpr Row kRows[] = {
      {AvroKind::kInt, TypeKind::kInt, Op::kInt},
      {AvroKind::kLong, TypeKind::kInt, Op::kLong},
      {AvroKind::kBoolean, TypeKind::kBool, Op::kBool},
      {AvroKind::kDouble, TypeKind::kDouble, Op::kDouble},
      {AvroKind::kFloat, TypeKind::kDouble, Op::kFloat},
      {AvroKind::kString, TypeKind::kString, Op::kString},
  };
  Step step;
  step.op = Op::kGeneral;
  step.place = static_cast<uint32_t>(place);
  step.is_time = static_cast<int>(place) == rows_.projection().time();
  step.node = field.node;
  const AvroNode* single = field.node;
  int null_branch = -1;
  if (const AvroType* type = NullableOf(*single->type)) {
    null_branch = single->branches[0]->type == type ? 1 : 0;
    single = single->branches[null_branch == 0 ? 1 : 0];
  }
  if (single->as != AvroNode::As::kOwn || single->type->logical != AvroLogical::kNone) return step;
  if (place >= rows_.slots()) {
    // The event time alone, which is in no column.
    if (step.is_time && single->type->kind == AvroKind::kLong && null_branch < 0) {
      step.op = Op::kLong;
    }
    return step;
  }
  const TypeKind wanted = rows_.projection().layout().slots()[place].type.kind;
  for (const Row& row : kRows) {
    if (row.kind != single->type->kind || row.type != wanted) continue;
    if (step.is_time && (row.op != Op::kLong || null_branch >= 0)) continue;
    step.op = row.op;
    step.null_branch = static_cast<int8_t>(null_branch);
  }
  return step;
}

// Stores a value of the usual kinds in the batch's next row; returns what follows it, or null.
inline const char* AvroProjector::Store(const Step& step, const char* p, const char* end,
                                        cep::Batch* batch) {
  const uint32_t row = batch->rows;
  cep::Column* const column = step.place < rows_.slots() ? &batch->columns[step.place] : nullptr;
  if (step.null_branch >= 0) {
    size_t branch = 0;
    if ((p = reader_.ReadBranch(*step.node->type, p, end, &branch)) == nullptr) return nullptr;
    if (branch == static_cast<size_t>(step.null_branch)) {
      column->SetState(row, FieldState::kNull);
      return p;
    }
  }
  const char* const at = p;
  int64_t number = 0;
  switch (step.op) {
    case Op::kString: {
      std::string_view text;
      if ((p = reader_.ReadText(p, end, &text)) == nullptr) return nullptr;
      column->strings()[row] = text;
      break;
    }
    case Op::kDouble:
      if (end - p < 8) return reader_.Fail(p, "cut short");
      std::memcpy(&column->doubles()[row], p, 8);
      p += 8;
      break;
    case Op::kFloat: {
      if (end - p < 4) return reader_.Fail(p, "cut short");
      float value = 0;
      std::memcpy(&value, p, 4);
      column->doubles()[row] = value;
      p += 4;
      break;
    }
    case Op::kBool:
      if (p == end) return reader_.Fail(p, "cut short");
      if (static_cast<unsigned char>(*p) > 1) {
        return reader_.Fail(p, "a boolean that is neither 0 nor 1");
      }
      column->bools()[row] = static_cast<uint8_t>(*p++);
      break;
    case Op::kInt:
      if ((p = reader_.ReadInt(p, end, &number)) == nullptr) return nullptr;
      column->ints()[row] = number;
      break;
    default:
      if ((p = ReadAvroLong(p, end, &number)) == nullptr) return reader_.Fail(at, "malformed long");
      if (step.is_time) rows_.SetTime(Value::Int(number));
      if (column != nullptr) column->ints()[row] = number;
  }
  if (column != nullptr) MarkPresent(column, row);
  return p;
}

bool AvroProjector::RejectDatum(const RawRecord& record, cep::Batch* batch) const {
  Reject(record, ByteOf(record, reader_.error().at), Explain(reader_.error()), batch);
  return false;
}

bool AvroProjector::Decode(const RawRecord& record, std::string_view bytes, cep::Batch* batch) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  rows_.Begin();
  if (rows_.options().strict) {
    scratch_.Reset();
    reader_.Begin(&scratch_);
    Value ignored;
    if (reader_.Read(renderer_.root(), p, end, 1, &ignored) == nullptr) {
      return RejectDatum(record, batch);
    }
  }
  reader_.Begin(&batch->arena);
  for (const Step& step : steps_) {
    if (step.op == Op::kSkip) {
      p = reader_.Skip(*step.type, p, end, 1);
    } else if (step.op == Op::kGeneral) {
      const char* const at = p;
      Value value;
      p = reader_.Read(*step.node, p, end, 1, &value);
      if (p != nullptr && !rows_.Put(record, step.place, value, at, batch)) return false;
    } else {
      p = Store(step, p, end, batch);
    }
    if (p == nullptr) {
      reader_.Blame(*step.name);
      return RejectDatum(record, batch);
    }
  }
  if (p != end) {
    reader_.Fail(p, kTrailing);
    return RejectDatum(record, batch);
  }
  for (const Constant& constant : constants_) {
    if (!rows_.Put(record, constant.place, constant.value, nullptr, batch)) return false;
  }
  return rows_.Finish(record, batch);
}

StatusOr<std::unique_ptr<AvroCodec>> AvroCodec::Create(const CodecOptions& options,
                                                       std::shared_ptr<const AvroSchema> writer,
                                                       std::shared_ptr<const AvroSchema> reader) {
  std::unique_ptr<AvroCodec> codec(new AvroCodec(options));
  ASSIGN_OR_RETURN(codec->projector_,
                   AvroProjector::Create(std::move(writer), std::move(reader), 0, &codec->rows_));
  return codec;
}

size_t AvroCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  for (size_t i = 0; i < count; ++i) {
    if (records[i].broken != nullptr) {
      Reject(records[i], 0, records[i].broken, batch);
    } else if (projector_->Decode(records[i], records[i].bytes, batch)) {
      ++batch->rows;
    }
  }
  return count;
}

}  // namespace vigil::ingest
