#include "ingest/codec_protobuf.h"

#include <algorithm>
#include <bit>

#include <absl/strings/str_cat.h>

#include "ingest/json_text.h"
#include "ingest/value_convert.h"
#include "ingest/value_json.h"

namespace vigil::ingest {
namespace {

using cep::ColumnKind;
using cep::FieldState;
using cep::TypeKind;
using cep::Value;

std::string Explain(const PbError& error) {
  if (error.field == nullptr) return absl::StrCat("not a message: ", error.what);
  return absl::StrCat("field `", error.field->name, "` (", error.field->number, "): ", error.what);
}

cep::Type WantedOf(const Projection& projection) {
  std::vector<cep::Field> fields;
  for (const cep::Slot& slot : projection.layout().slots()) {
    fields.push_back({slot.name, slot.type});
  }
  return cep::Type::Object(std::move(fields));
}

void SetBit(std::vector<uint64_t>* bits, size_t i) { (*bits)[i / 64] |= uint64_t{1} << (i % 64); }
void ClearBit(std::vector<uint64_t>* bits, size_t i) {
  (*bits)[i / 64] &= ~(uint64_t{1} << (i % 64));
}

void MarkPresent(cep::Column* column, uint32_t row) {
  if (!column->all_present()) column->states()[row] = FieldState::kPresent;
}

template <typename T>
T Load(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

}  // namespace

ProtobufRenderer::ProtobufRenderer(std::shared_ptr<const ProtobufDescriptors> descriptors,
                                   const google::protobuf::Descriptor& message)
    : descriptors_(std::move(descriptors)), plan_(message, DynType()) {}

bool ProtobufRenderer::AppendJson(std::string_view raw, std::string* out, std::string* why) const {
  return AppendJsonAt(raw, 0, out, why);
}

bool ProtobufRenderer::AppendJsonAt(std::string_view raw, size_t begin, std::string* out,
                                    std::string* why) const {
  Arena arena;
  ProtobufReader reader;
  reader.Begin(&arena);
  Value value;
  if (!reader.Read(plan_.root(), raw.substr(begin), &value)) {
    const uint64_t byte = ByteOf({.bytes = raw}, reader.error().at);
    *why = byte > 0 ? absl::StrCat("byte ", byte, ": ", Explain(reader.error()))
                    : Explain(reader.error());
    return false;
  }
  AppendValueJson(value, out);
  return true;
}

ProtobufProjector::ProtobufProjector(std::shared_ptr<const ProtobufDescriptors> descriptors,
                                     const google::protobuf::Descriptor& message, RowWriter* rows)
    : descriptors_(descriptors),
      rows_(*rows),
      wanted_(WantedOf(rows->projection())),
      plan_(message, wanted_),
      renderer_(descriptors, message) {
  AddUses();
}

ProtobufProjector::Op ProtobufProjector::OpOf(const PbField& field, size_t place) const {
  if (field.is_repeated || field.message != nullptr) return Op::kGeneral;
  // Beside a slot's own type: the event time alone, which is not in a column.
  const bool is_time = static_cast<int>(place) == rows_.projection().time();
  if (place >= rows_.slots()) {
    if (!is_time) return Op::kGeneral;
    return field.kind == PbKind::kInt64 ? Op::kInt64 : Op::kGeneral;
  }
  struct Row {
    PbKind kind;
    TypeKind type;
    Op op;
  };
  constexpr Row kRows[] = {
      {PbKind::kInt64, TypeKind::kInt, Op::kInt64},
      {PbKind::kInt32, TypeKind::kInt, Op::kInt32},
      {PbKind::kUint32, TypeKind::kInt, Op::kUint32},
      {PbKind::kSint64, TypeKind::kInt, Op::kSint64},
      {PbKind::kSint32, TypeKind::kInt, Op::kSint32},
      {PbKind::kFixed32, TypeKind::kInt, Op::kFixed32},
      {PbKind::kSfixed32, TypeKind::kInt, Op::kSfixed32},
      {PbKind::kSfixed64, TypeKind::kInt, Op::kSfixed64},
      {PbKind::kBool, TypeKind::kBool, Op::kBool},
      {PbKind::kDouble, TypeKind::kDouble, Op::kDouble},
      {PbKind::kFloat, TypeKind::kDouble, Op::kFloat},
      {PbKind::kString, TypeKind::kString, Op::kString},
  };
  const TypeKind type = rows_.projection().layout().slots()[place].type.kind;
  for (const Row& row : kRows) {
    if (row.kind == field.kind && row.type == type && (!is_time || row.op == Op::kInt64)) {
      return row.op;
    }
  }
  return Op::kGeneral;
}

void ProtobufProjector::AddUses() {
  const PbMessage& message = plan_.root();
  const std::vector<std::string>& names = rows_.projection().names();
  std::vector<bool> is_filled(names.size());
  std::vector<bool> oneof_in_use(message.fields.size(), false);
  actions_.resize(message.by_number.size());
  for (size_t i = 0; i < message.fields.size(); ++i) {
    const PbField& field = message.fields[i];
    const int place = rows_.projection().Find(field.name);
    if (place < 0) continue;
    is_filled[static_cast<size_t>(place)] = true;
    Use use;
    use.place = static_cast<uint32_t>(place);
    use.field = &field;
    use.is_general =
        field.number >= PbPlan::kDenseNumbers || OpOf(field, use.place) == Op::kGeneral;
    has_general_ |= use.is_general;
    uses_.push_back(use);
    if (field.oneof >= 0) oneof_in_use[static_cast<size_t>(field.oneof)] = true;
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!is_filled[i]) missing_.push_back(static_cast<uint32_t>(i));
  }
  for (uint32_t number = 0; number < actions_.size(); ++number) {
    const int index = message.Find(number);
    if (index < 0) continue;
    const PbField& field = message.fields[static_cast<size_t>(index)];
    Action& action = actions_[number];
    action.wire = field.wire;
    action.field = static_cast<uint16_t>(index);
    action.op = Op::kSkip;
    for (size_t u = 0; u < uses_.size(); ++u) {
      if (uses_[u].field != &field) continue;
      action.op = OpOf(field, uses_[u].place);
      action.use = static_cast<uint16_t>(u);
      action.is_time = static_cast<int>(uses_[u].place) == rows_.projection().time();
    }
    if (field.oneof >= 0 && oneof_in_use[static_cast<size_t>(field.oneof)]) {
      action.oneof = static_cast<int16_t>(field.oneof);
      if (action.op == Op::kSkip) action.op = Op::kClear;
    }
  }
  all_seen_.assign(uses_.size() / 64 + 1, 0);
  seen_ = all_seen_;
  for (size_t u = 0; u < uses_.size(); ++u) {
    if (!uses_[u].is_general) SetBit(&all_seen_, u);
  }
}

// Of a number beyond the dense ones, or of none of the message's fields.
const ProtobufProjector::Action& ProtobufProjector::LargeAction(uint32_t number) const {
  static constexpr Action kUnknown;
  static constexpr Action kSlow{.op = Op::kGeneral};
  const int index = number < PbPlan::kDenseNumbers ? -1 : plan_.root().Find(number);
  return index < 0 ? kUnknown : kSlow;
}

void ProtobufProjector::ForgetOneof(const Action& action) {
  for (size_t u = 0; u < uses_.size(); ++u) {
    if (uses_[u].field->oneof != action.oneof) continue;
    ClearBit(&seen_, u);
    uses_[u].cell = ProtobufReader::Cell();
    if (static_cast<int>(uses_[u].place) == rows_.projection().time()) rows_.SetTime(Value());
  }
}

// A field that is not stored at once.
const char* ProtobufProjector::StoreSlowly(const Action& action, uint32_t number, PbWire wire,
                                           const char* p, const char* end) {
  const int index = plan_.root().Find(number);
  if (index < 0) return reader_.Skip(number, wire, p, end, 1);
  const PbField& field = plan_.root().fields[static_cast<size_t>(index)];
  if (wire != field.wire && !(wire == PbWire::kLength && field.can_be_packed())) {
    return reader_.Fail(p, "its wire type is another one than the message declares", &field);
  }
  if (action.oneof >= 0 || field.oneof >= 0) {
    Action of_field = action;
    of_field.oneof = static_cast<int16_t>(field.oneof);
    ProtobufReader::Cell kept;
    for (const Use& use : uses_) {
      if (use.field == &field) kept = use.cell;
    }
    ForgetOneof(of_field);
    for (Use& use : uses_) {
      if (use.field == &field) use.cell = kept;
    }
  }
  for (Use& use : uses_) {
    if (use.field != &field) continue;
    use.at = p;
    return reader_.AddTo(&use.cell, field, wire, p, end, 1);
  }
  return reader_.Skip(number, wire, p, end, 1);
}

// Stores the value at `p` in the batch's next row; returns what follows it, or null.
inline const char* ProtobufProjector::Store(const Action& action, PbWire wire, const char* p,
                                            const char* end, cep::Batch* batch) {
  const Use& use = uses_[action.use];
  if (wire != action.wire) {
    return reader_.Fail(p, "its wire type is another one than the message declares", use.field);
  }
  if (action.oneof >= 0) ForgetOneof(action);
  const uint32_t row = batch->rows;
  int64_t number = 0;
  switch (action.op) {
    case Op::kString: {
      std::string_view text;
      const char* const next = ReadLength(p, end, &text);
      if (next == nullptr) return reader_.Fail(p, "a length beyond the end", use.field);
      if (!IsAscii(text)) {
        const size_t bad = FindInvalidUtf8(text);
        if (bad < text.size()) {
          return reader_.Fail(text.data() + bad, "invalid UTF-8", use.field);
        }
      }
      cep::Column* const column = &batch->columns[use.place];
      column->strings()[row] = text;
      MarkPresent(column, row);
      SetBit(&seen_, action.use);
      return next;
    }
    case Op::kDouble:
    case Op::kFloat: {
      const ptrdiff_t size = action.op == Op::kDouble ? 8 : 4;
      if (end - p < size) return reader_.Fail(p, "cut short", use.field);
      cep::Column* const column = &batch->columns[use.place];
      column->doubles()[row] =
          action.op == Op::kDouble ? Load<double>(p) : static_cast<double>(Load<float>(p));
      MarkPresent(column, row);
      SetBit(&seen_, action.use);
      return p + size;
    }
    case Op::kFixed32:
    case Op::kSfixed32:
      if (end - p < 4) return reader_.Fail(p, "cut short", use.field);
      number = action.op == Op::kFixed32 ? int64_t{Load<uint32_t>(p)} : int64_t{Load<int32_t>(p)};
      p += 4;
      break;
    case Op::kSfixed64:
      if (end - p < 8) return reader_.Fail(p, "cut short", use.field);
      number = Load<int64_t>(p);
      p += 8;
      break;
    default: {
      uint64_t varint = 0;
      const char* const next = ReadVarint(p, end, &varint);
      if (next == nullptr) return reader_.Fail(p, "malformed varint", use.field);
      p = next;
      if (action.op == Op::kBool) {
        cep::Column* const column = &batch->columns[use.place];
        column->bools()[row] = varint != 0 ? 1 : 0;
        MarkPresent(column, row);
        SetBit(&seen_, action.use);
        return p;
      }
      number = action.op == Op::kInt64    ? static_cast<int64_t>(varint)
               : action.op == Op::kInt32  ? static_cast<int32_t>(varint)
               : action.op == Op::kUint32 ? static_cast<uint32_t>(varint)
               : action.op == Op::kSint64 ? ZigZag(varint)
                                          : static_cast<int32_t>(ZigZag(varint & 0xffffffff));
    }
  }
  if (action.is_time) rows_.SetTime(Value::Int(number));
  if (use.place < rows_.slots()) {
    cep::Column* const column = &batch->columns[use.place];
    column->ints()[row] = number;
    MarkPresent(column, row);
  }
  SetBit(&seen_, action.use);
  return p;
}

bool ProtobufProjector::Scan(std::string_view bytes, cep::Batch* batch) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p < end) {
    uint32_t number = 0;
    PbWire wire = PbWire::kVarint;
    if ((p = reader_.ReadTag(p, end, &number, &wire)) == nullptr) return false;
    const Action& action = ActionOf(number);
    switch (action.op) {
      case Op::kSkip:
      case Op::kNever: {
        std::string_view skipped;
        const char* const next = wire == PbWire::kLength ? ReadLength(p, end, &skipped) : nullptr;
        p = next != nullptr ? next : reader_.Skip(number, wire, p, end, 1);
        break;
      }
      case Op::kGeneral:
      case Op::kClear:
        p = StoreSlowly(action, number, wire, p, end);
        break;
      default:
        p = Store(action, wire, p, end, batch);
    }
    if (p == nullptr) return false;
  }
  return true;
}

// What was not stored while scanning: fields that were not sent, and those of the general kinds.
bool ProtobufProjector::PutRest(const RawRecord& record, cep::Batch* batch) {
  for (size_t w = 0; w < seen_.size(); ++w) {
    for (uint64_t unseen = all_seen_[w] & ~seen_[w]; unseen != 0; unseen &= unseen - 1) {
      const Use& use = uses_[w * 64 + static_cast<size_t>(std::countr_zero(unseen))];
      if (use.field->is_required) {
        return rows_.RejectField(record, use.place, "required, but not set", nullptr, batch);
      }
      if (!rows_.Put(record, use.place, use.field->unset, nullptr, batch)) return false;
    }
  }
  if (has_general_) {
    for (const Use& use : uses_) {
      if (!use.is_general) continue;
      if (use.field->is_required && !use.cell.is_set) {
        return rows_.RejectField(record, use.place, "required, but not set", nullptr, batch);
      }
      Value value;
      if (!reader_.Finish(*use.field, use.cell, 1, &value)) return RejectMessage(record, batch);
      if (!rows_.Put(record, use.place, value, use.at, batch)) return false;
    }
  }
  for (const uint32_t place : missing_) {
    if (!rows_.Put(record, place, Value(), nullptr, batch)) return false;
  }
  return true;
}

bool ProtobufProjector::RejectMessage(const RawRecord& record, cep::Batch* batch) const {
  Reject(record, ByteOf(record, reader_.error().at), Explain(reader_.error()), batch);
  return false;
}

bool ProtobufProjector::Decode(const RawRecord& record, std::string_view bytes, cep::Batch* batch) {
  rows_.Begin();
  std::fill(seen_.begin(), seen_.end(), 0);
  if (has_general_) {
    for (Use& use : uses_) {
      use.cell = ProtobufReader::Cell();
      use.at = nullptr;
    }
  }
  if (rows_.options().strict) {
    scratch_.Reset();
    reader_.Begin(&scratch_);
    Value ignored;
    if (!reader_.Read(renderer_.message(), bytes, &ignored)) return RejectMessage(record, batch);
  }
  reader_.Begin(&batch->arena);
  if (!Scan(bytes, batch)) return RejectMessage(record, batch);
  return PutRest(record, batch) && rows_.Finish(record, batch);
}

ProtobufCodec::ProtobufCodec(const CodecOptions& options,
                             std::shared_ptr<const ProtobufDescriptors> descriptors,
                             const google::protobuf::Descriptor& message)
    : rows_(options), projector_(std::move(descriptors), message, &rows_) {}

size_t ProtobufCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  for (size_t i = 0; i < count; ++i) {
    if (records[i].broken != nullptr) {
      Reject(records[i], 0, records[i].broken, batch);
    } else if (projector_.Decode(records[i], records[i].bytes, batch)) {
      ++batch->rows;
    }
  }
  return count;
}

}  // namespace vigil::ingest
