#include "ingest/codec_protobuf_read.h"

#include <algorithm>
#include <bit>
#include <limits>

#include <absl/strings/str_cat.h>

#include "ingest/json_text.h"
#include "ingest/time_text.h"
#include "ingest/value_convert.h"

namespace vigil::ingest {
namespace {

using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

constexpr int64_t kMinSeconds = -62'135'596'800;  // 0001-01-01
constexpr int64_t kMaxSeconds = 253'402'300'799;  // 9999-12-31
constexpr int64_t kMaxDuration = 315'576'000'000;

template <typename T>
T Load(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

Value UintValue(uint64_t number) {
  return number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
             ? Value::Int(static_cast<int64_t>(number))
             : Value::Uint(number);
}

// Room for one more element of a list or map in the arena.
template <typename T>
T* Grow(const T* old, uint32_t size, uint32_t* capacity, Arena* arena) {
  if (size < *capacity) return const_cast<T*>(old);
  *capacity = std::max<uint32_t>(4, *capacity * 2);
  T* const wider = arena->New<T>(*capacity);
  std::copy(old, old + size, wider);
  return wider;
}

}  // namespace

const char* ReadVarintSlow(const char* p, const char* end, uint64_t* out) {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (p >= end) return nullptr;
    const auto byte = static_cast<unsigned char>(*p++);
    value |= static_cast<uint64_t>(byte & 0x7f) << (shift & 63);
    if (byte < 0x80) {
      *out = value;
      return p;
    }
  }
  return nullptr;
}

const char* ProtobufReader::Fail(const char* at, const char* what, const PbField* field) {
  error_ = {at, what, field};
  return nullptr;
}

const char* ProtobufReader::ReadTagSlowly(const char* p, const char* end, uint32_t* number,
                                          PbWire* wire) {
  uint64_t tag = 0;
  const char* const next = ReadVarint(p, end, &tag);
  if (next == nullptr || tag > std::numeric_limits<uint32_t>::max()) {
    return Fail(p, "malformed tag");
  }
  *number = static_cast<uint32_t>(tag >> 3);
  *wire = static_cast<PbWire>(tag & 7);
  if (*number == 0) return Fail(p, "a tag with field number 0");
  if ((tag & 7) > 5) return Fail(p, "a tag with an unknown wire type");
  return next;
}

// Recursion, into groups only, is bounded.
const char* ProtobufReader::Skip(uint32_t number, PbWire wire, const char* p, const char* end,
                                 int depth) {
  uint64_t ignored = 0;
  std::string_view bytes;
  const char* next = nullptr;
  switch (wire) {
    case PbWire::kVarint:
      next = ReadVarint(p, end, &ignored);
      return next != nullptr ? next : Fail(p, "malformed varint");
    case PbWire::kEight:
      return end - p >= 8 ? p + 8 : Fail(p, "cut short");
    case PbWire::kFour:
      return end - p >= 4 ? p + 4 : Fail(p, "cut short");
    case PbWire::kLength:
      next = ReadLength(p, end, &bytes);
      return next != nullptr ? next : Fail(p, "a length beyond the end");
    case PbWire::kEndGroup:
      return Fail(p, "the end of a group that was not begun");
    case PbWire::kStartGroup:
      break;
  }
  if (depth >= kMaxDepth) return Fail(p, "nested more than 100 levels deep");
  while (true) {
    if (p == end) return Fail(p, "a group without an end");
    uint32_t inner = 0;
    if ((p = ReadTag(p, end, &inner, &wire)) == nullptr) return nullptr;
    if (wire == PbWire::kEndGroup) {
      return inner == number ? p : Fail(p, "the end of another group");
    }
    if ((p = Skip(inner, wire, p, end, depth + 1)) == nullptr) return nullptr;
  }
}

bool ProtobufReader::Count(const char* at) {
  if (++values_ <= kMaxValues) return true;
  Fail(at, "more than 1048576 values in one record");
  return false;
}

// One value of any type but a message.
const char* ProtobufReader::ReadScalar(const PbField& field, const char* p, const char* end,
                                       Value* out) {
  uint64_t number = 0;
  if (field.wire == PbWire::kVarint) {
    const char* const next = ReadVarint(p, end, &number);
    if (next == nullptr) return Fail(p, "malformed varint", &field);
    switch (field.kind) {
      case PbKind::kBool:
        *out = Value::Bool(number != 0);
        break;
      case PbKind::kInt32:
        *out = Value::Int(static_cast<int32_t>(number));
        break;
      case PbKind::kUint32:
        *out = Value::Int(static_cast<uint32_t>(number));
        break;
      case PbKind::kUint64:
        *out = UintValue(number);
        break;
      case PbKind::kSint32:
        *out = Value::Int(static_cast<int32_t>(ZigZag(number & 0xffffffff)));
        break;
      case PbKind::kSint64:
        *out = Value::Int(ZigZag(number));
        break;
      case PbKind::kEnum: {
        const auto value = static_cast<int32_t>(number);
        const auto name = field.enumeration->names.find(value);
        if (name == field.enumeration->names.end() && field.enumeration->is_closed) {
          *out = Value();
        } else if (field.enum_as_int) {
          *out = Value::Int(value);
        } else {
          *out = Value::String(name != field.enumeration->names.end()
                                   ? std::string_view(name->second)
                                   : arena_->Copy(std::to_string(value)));
        }
        break;
      }
      default:
        *out = Value::Int(static_cast<int64_t>(number));
    }
    return next;
  }
  if (field.wire == PbWire::kLength) {
    std::string_view bytes;
    const char* const next = ReadLength(p, end, &bytes);
    if (next == nullptr) return Fail(p, "a length beyond the end", &field);
    if (field.kind == PbKind::kBytes) {
      *out = Value::Bytes(bytes);
      return next;
    }
    if (!IsAscii(bytes)) {
      const size_t bad = FindInvalidUtf8(bytes);
      if (bad < bytes.size()) return Fail(bytes.data() + bad, "invalid UTF-8", &field);
    }
    *out = Value::String(bytes);
    return next;
  }
  const ptrdiff_t size = field.wire == PbWire::kEight ? 8 : 4;
  if (end - p < size) return Fail(p, "cut short", &field);
  switch (field.kind) {
    case PbKind::kDouble:
      *out = Value::Double(Load<double>(p));
      break;
    case PbKind::kFloat:
      *out = Value::Double(Load<float>(p));
      break;
    case PbKind::kFixed64:
      *out = UintValue(Load<uint64_t>(p));
      break;
    case PbKind::kSfixed64:
      *out = Value::Int(Load<int64_t>(p));
      break;
    case PbKind::kSfixed32:
      *out = Value::Int(Load<int32_t>(p));
      break;
    default:
      *out = Value::Int(Load<uint32_t>(p));
  }
  return p + size;
}

bool ProtobufReader::AddElement(const PbField& field, const Value& value, const char* at,
                                Cell* cell) {
  if (value.is_absent()) return true;  // an unknown value of a closed enum
  if (!Count(at)) {
    error_.field = &field;
    return false;
  }
  auto* const items =
      Grow(cell->is_set ? cell->value.list : nullptr, cell->value.size, &cell->capacity, arena_);
  items[cell->value.size] = value;
  cell->value = Value::List(items, cell->value.size + 1);
  cell->is_set = true;
  return true;
}

bool ProtobufReader::AddEntry(const PbField& field, std::string_view bytes, int depth, Cell* cell) {
  if (!Count(bytes.data())) return false;
  Cell cells[2];
  if (!ReadFields(*field.message, bytes, depth + 1, cells)) return false;
  MapEntry entry;
  if (!Finish(field.message->fields[0], cells[0], depth + 1, &entry.key)) return false;
  const PbField& value = field.message->fields[1];
  if (!Finish(value, cells[1], depth + 1, &entry.value)) return false;
  // An entry without a message has an empty one; one with an enum value that is unknown is dropped.
  if (entry.value.is_absent() && value.message != nullptr) {
    if (!ReadMessage(*value.message, {bytes.data(), 0}, depth + 2, &entry.value)) return false;
  } else if (entry.value.is_absent()) {
    return true;
  }
  auto* const entries =
      Grow(cell->is_set ? cell->value.map : nullptr, cell->value.size, &cell->capacity, arena_);
  entries[cell->value.size] = entry;
  cell->value = Value::Map(entries, cell->value.size + 1);
  cell->is_set = true;
  return true;
}

const char* ProtobufReader::AddTo(Cell* cell, const PbField& field, PbWire wire, const char* p,
                                  const char* end, int depth) {
  if (wire != field.wire) {
    if (wire != PbWire::kLength || !field.can_be_packed()) {
      return Fail(p, "its wire type is another one than the message declares", &field);
    }
    std::string_view packed;
    const char* const next = ReadLength(p, end, &packed);
    if (next == nullptr) return Fail(p, "a length beyond the end", &field);
    for (p = packed.data(); p < next;) {
      Value value;
      const char* const at = p;
      if ((p = ReadScalar(field, p, next, &value)) == nullptr) return nullptr;
      if (!AddElement(field, value, at, cell)) return nullptr;
    }
    return next;
  }
  if (field.message == nullptr) {
    Value value;
    const char* const next = ReadScalar(field, p, end, &value);
    if (next == nullptr) return nullptr;
    if (field.is_repeated) return AddElement(field, value, p, cell) ? next : nullptr;
    if (value.is_absent()) return next;
    cell->value = value;
    cell->is_set = true;
    return next;
  }
  std::string_view bytes;
  const char* next = nullptr;
  if (wire == PbWire::kStartGroup) {
    if ((next = Skip(field.number, wire, p, end, depth)) == nullptr) return nullptr;
    // The end tag is as long as the start tag.
    uint64_t tag = (static_cast<uint64_t>(field.number) << 3) | 4;
    ptrdiff_t tag_size = 1;
    for (; tag >= 0x80; tag >>= 7) ++tag_size;
    bytes = {p, static_cast<size_t>(std::max<ptrdiff_t>(0, next - p - tag_size))};
  } else if ((next = ReadLength(p, end, &bytes)) == nullptr) {
    return Fail(p, "a length beyond the end", &field);
  }
  if (field.is_map) return AddEntry(field, bytes, depth, cell) ? next : nullptr;
  if (field.is_repeated) {
    Value value;
    if (!ReadMessage(*field.message, bytes, depth + 1, &value)) return nullptr;
    return AddElement(field, value, p, cell) ? next : nullptr;
  }
  // Messages that come in pieces are merged, which is what their bytes in a row mean.
  if (cell->is_set && !cell->bytes.empty() && !bytes.empty()) {
    const size_t size = cell->bytes.size() + bytes.size();
    auto* const joined = static_cast<char*>(arena_->Allocate(size, 1));
    std::memcpy(joined, cell->bytes.data(), cell->bytes.size());
    std::memcpy(joined + cell->bytes.size(), bytes.data(), bytes.size());
    // Many pieces would be copied again and again: that counts, too.
    values_ += static_cast<uint32_t>(std::min<size_t>(cell->bytes.size() / 64, kMaxValues));
    if (!Count(p)) return nullptr;
    bytes = {joined, size};
  } else if (cell->is_set && bytes.empty()) {
    bytes = cell->bytes;
  }
  cell->bytes = bytes;
  cell->is_set = true;
  return next;
}

bool ProtobufReader::Finish(const PbField& field, const Cell& cell, int depth, Value* out) {
  if (!cell.is_set) {
    *out = field.unset;
    return true;
  }
  if (field.message != nullptr && !field.is_repeated) {
    return ReadMessage(*field.message, cell.bytes, depth + 1, out);
  }
  *out = cell.value;
  if (field.is_map) {
    out->size = static_cast<uint32_t>(
        UniqueEntries(const_cast<MapEntry*>(cell.value.map), cell.value.size));
  }
  return true;
}

bool ProtobufReader::ReadFields(const PbMessage& message, std::string_view bytes, int depth,
                                Cell* cells) {
  if (depth > kMaxDepth) {
    Fail(bytes.data(), "nested more than 100 levels deep");
    return false;
  }
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p < end) {
    uint32_t number = 0;
    PbWire wire = PbWire::kVarint;
    if ((p = ReadTag(p, end, &number, &wire)) == nullptr) return false;
    const int index = message.Find(number);
    if (index < 0) {
      if ((p = Skip(number, wire, p, end, depth)) == nullptr) return false;
      continue;
    }
    const PbField& field = message.fields[static_cast<size_t>(index)];
    Cell* const cell = cells + index;
    if ((p = AddTo(cell, field, wire, p, end, depth)) == nullptr) return false;
    if (field.oneof < 0 || !cell->is_set) continue;
    for (size_t i = 0; i < message.fields.size(); ++i) {
      const PbField& other = message.fields[i];
      if (other.oneof != field.oneof || &cells[i] == cell || !cells[i].is_set) continue;
      // What does not count must be valid all the same.
      Value ignored;
      if (!Finish(other, cells[i], depth, &ignored)) return false;
      cells[i] = Cell();
    }
  }
  return true;
}

// Recursion is bounded by ReadFields().
bool ProtobufReader::ReadMessage(const PbMessage& message, std::string_view bytes, int depth,
                                 Value* out) {
  const size_t count = message.fields.size();
  values_ += static_cast<uint32_t>(count / 2);  // the memory it takes even when it is empty
  if (!Count(bytes.data())) return false;
  auto* const cells = arena_->New<Cell>(count);
  auto* const fields = arena_->New<Value>(count);
  if (!ReadFields(message, bytes, depth, cells)) return false;
  for (size_t i = 0; i < count; ++i) {
    const PbField& field = message.fields[i];
    if (field.is_required && !cells[i].is_set) {
      Fail(bytes.data() + bytes.size(), "required, but not set", &field);
      return false;
    }
    if (!Finish(field, cells[i], depth, &fields[i])) return false;
  }
  return MakeMessage(message, bytes.data(), fields, cells, out);
}

bool ProtobufReader::MakeMessage(const PbMessage& message, const char* at, Value* fields,
                                 Cell* cells, Value* out) {
  const size_t count = message.fields.size();
  switch (message.well_known) {
    case PbWellKnown::kTimestamp:
    case PbWellKnown::kDuration:
      return MakeTime(message, at, fields, out);
    case PbWellKnown::kWrapper:
    case PbWellKnown::kStruct:
    case PbWellKnown::kListValue:
      *out = fields[0];
      return true;
    case PbWellKnown::kValue:
      *out = Value::Null();
      for (size_t i = 0; i < count; ++i) {
        if (cells[i].is_set && message.fields[i].kind != PbKind::kEnum) *out = fields[i];
      }
      return true;
    case PbWellKnown::kNone:
      break;
  }
  auto* const entries = arena_->New<MapEntry>(count);
  uint32_t size = 0;
  for (size_t i = 0; i < count; ++i) {
    if (fields[i].is_absent()) continue;
    entries[size++] = {Value::String(message.fields[i].name), fields[i]};
  }
  *out = Value::Map(entries, size);
  return true;
}

bool ProtobufReader::MakeTime(const PbMessage& message, const char* at, const Value* fields,
                              Value* out) {
  const int64_t seconds = fields[0].i;
  const int64_t nanos = fields[1].i;
  if (message.well_known == PbWellKnown::kTimestamp) {
    if (seconds < kMinSeconds || seconds > kMaxSeconds || nanos < 0 || nanos > 999'999'999) {
      Fail(at, "a timestamp outside the years 0001 to 9999, or with invalid nanoseconds");
      return false;
    }
    *out = Value::Time(ValueTag::kTimestamp, seconds, static_cast<int32_t>(nanos));
    return true;
  }
  const bool is_valid = seconds >= -kMaxDuration && seconds <= kMaxDuration &&
                        nanos >= -999'999'999 && nanos <= 999'999'999 &&
                        !(seconds > 0 && nanos < 0) && !(seconds < 0 && nanos > 0);
  if (!is_valid) {
    Fail(at, "a duration beyond 10,000 years, or with invalid nanoseconds");
    return false;
  }
  *out = Value::Time(ValueTag::kDuration, seconds, static_cast<int32_t>(nanos));
  return true;
}

}  // namespace vigil::ingest
