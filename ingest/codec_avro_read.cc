#include "ingest/codec_avro_read.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ingest/codec_protobuf_read.h"
#include "ingest/event_time.h"
#include "ingest/json_text.h"
#include "ingest/scalar_text.h"
#include "ingest/value_convert.h"
#include "ingest/value_json.h"

namespace vigil::ingest {
namespace {

using cep::MapEntry;
using cep::Type;
using cep::TypeKind;
using cep::Value;
using cep::ValueTag;

constexpr size_t kMaxDecimal = 128;  // bytes

template <typename T>
T Load(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// The decimal digits of a two's complement number, big endian.
std::string DecimalDigits(std::string_view bytes, bool* is_negative) {
  *is_negative = !bytes.empty() && static_cast<signed char>(bytes[0]) < 0;
  std::vector<uint8_t> magnitude(bytes.begin(), bytes.end());
  if (*is_negative) {
    for (uint8_t& byte : magnitude) byte = static_cast<uint8_t>(~byte);
    for (size_t i = magnitude.size(); i-- > 0 && ++magnitude[i] == 0;) {
    }
  }
  std::string digits;
  size_t first = 0;
  while (first < magnitude.size()) {
    uint32_t rest = 0;
    for (size_t i = first; i < magnitude.size(); ++i) {
      rest = rest << 8 | magnitude[i];
      magnitude[i] = static_cast<uint8_t>(rest / 10);
      rest %= 10;
    }
    digits.push_back(static_cast<char>('0' + rest));
    while (first < magnitude.size() && magnitude[first] == 0) ++first;
  }
  if (digits.empty()) digits = "0";
  std::reverse(digits.begin(), digits.end());
  return digits;
}

bool MakeDecimal(uint32_t scale, bool as_text, Arena* arena, Value* value) {
  if (value->size > kMaxDecimal) return false;
  bool is_negative = false;
  std::string digits = DecimalDigits(value->text(), &is_negative);
  const std::string text = DecimalText(is_negative, std::move(digits), scale);
  double number = 0;
  if (as_text) {
    *value = Value::String(arena->Copy(text));
  } else if (ParseDouble(text, &number) == NumberError::kNone) {
    *value = Value::Double(number);
  } else {
    return false;
  }
  return true;
}

bool MakeTime(ValueTag tag, int64_t units, int64_t per_second, Value* value) {
  int64_t seconds = units / per_second;
  int64_t rest = units % per_second;
  if (rest < 0 && tag == ValueTag::kTimestamp) {
    --seconds;
    rest += per_second;
  }
  if (tag == ValueTag::kTimestamp &&
      (seconds < kMinEventTime / 1000 || seconds > kMaxEventTime / 1000)) {
    return false;
  }
  *value = Value::Time(tag, seconds, static_cast<int32_t>(rest * (1'000'000'000 / per_second)));
  return true;
}

const AvroField* FindField(const AvroType& record, const std::string& name) {
  for (const AvroField& field : record.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

// The reader's field that takes the writer's field `name`: of its name, else by an alias of a field
// that has no counterpart of its own.
const AvroField* ReaderOf(const AvroType& reader, const AvroType& writer, const std::string& name) {
  if (const AvroField* field = FindField(reader, name)) return field;
  for (const AvroField& field : reader.fields) {
    if (FindField(writer, field.name) != nullptr) continue;
    if (std::find(field.aliases.begin(), field.aliases.end(), name) != field.aliases.end()) {
      return &field;
    }
  }
  return nullptr;
}

// What of the reader's type stands against a writer's type of this kind: of a union the branch.
const AvroType* Against(const AvroType& writer, const AvroType* reader) {
  if (reader == nullptr || writer.kind == AvroKind::kUnion) return reader;
  if (reader->kind != AvroKind::kUnion) return reader;
  for (const AvroType* branch : reader->branches) {
    if (branch->kind == writer.kind && branch->name == writer.name) return branch;
  }
  for (const AvroType* branch : reader->branches) {
    if (branch->kind == writer.kind) return branch;
  }
  return nullptr;
}

bool IsBytesLike(AvroKind kind) { return kind == AvroKind::kBytes || kind == AvroKind::kFixed; }

}  // namespace

const char* ReadAvroLongSlow(const char* p, const char* end, int64_t* out) {
  uint64_t n = 0;
  p = ReadVarintSlow(p, end, &n);
  *out = static_cast<int64_t>((n >> 1) ^ (~(n & 1) + 1));
  return p;
}

bool ApplyAvroLogical(const AvroType& type, bool as_text, Arena* arena, Value* value) {
  constexpr int64_t kDay = 86'400;
  if (value->tag != ValueTag::kInt && value->tag != ValueTag::kBytes) return true;
  switch (type.logical) {
    case AvroLogical::kNone:
      return true;
    case AvroLogical::kDecimal:
      return MakeDecimal(type.scale, as_text, arena, value);
    case AvroLogical::kDate:
      return MakeTime(ValueTag::kTimestamp, value->i * kDay, 1, value);
    case AvroLogical::kTimeMillis:
      return MakeTime(ValueTag::kDuration, value->i, 1'000, value);
    case AvroLogical::kTimeMicros:
      return MakeTime(ValueTag::kDuration, value->i, 1'000'000, value);
    case AvroLogical::kTimestampMillis:
      return MakeTime(ValueTag::kTimestamp, value->i, 1'000, value);
    case AvroLogical::kTimestampMicros:
      return MakeTime(ValueTag::kTimestamp, value->i, 1'000'000, value);
    case AvroLogical::kTimestampNanos:
      return MakeTime(ValueTag::kTimestamp, value->i, 1'000'000'000, value);
  }
  return true;
}

AvroPlan::AvroPlan(std::shared_ptr<const AvroSchema> writer,
                   std::shared_ptr<const AvroSchema> reader, const Type& wanted,
                   bool decimals_as_text)
    : writer_(std::move(writer)), reader_(std::move(reader)), decimals_as_text_(decimals_as_text) {
  root_ = Add(writer_->root(), reader_ == nullptr ? nullptr : &reader_->root(), wanted);
}

// Recursion ends: each triple is made once, and of a type within itself `wanted` becomes dyn.
const AvroNode* AvroPlan::Add(const AvroType& writer, const AvroType* reader, const Type& wanted) {
  reader = Against(writer, reader);
  const auto key = std::make_tuple(&writer, reader, &wanted);
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  AvroNode& node = nodes_.emplace_back();
  known_[key] = &node;
  node.type = &writer;
  const bool wants_text = wanted.kind == TypeKind::kString;
  switch (writer.kind) {
    case AvroKind::kBytes:
    case AvroKind::kFixed:
      if (writer.logical == AvroLogical::kDecimal) {
        const bool is_open = wanted.kind == TypeKind::kDyn;
        node.as =
            wants_text || (is_open && decimals_as_text_) ? AvroNode::As::kText : AvroNode::As::kOwn;
      } else if (wants_text || (reader != nullptr && reader->kind == AvroKind::kString)) {
        node.as = writer.kind == AvroKind::kBytes ? AvroNode::As::kText : AvroNode::As::kOwn;
      }
      break;
    case AvroKind::kString:
      if (wanted.kind == TypeKind::kBytes || (reader != nullptr && IsBytesLike(reader->kind))) {
        node.as = AvroNode::As::kBytes;
      }
      break;
    case AvroKind::kEnum:
      for (const std::string& symbol : writer.symbols) {
        std::string_view as = symbol;
        if (reader != nullptr && reader->kind == AvroKind::kEnum && reader->default_symbol >= 0 &&
            std::find(reader->symbols.begin(), reader->symbols.end(), symbol) ==
                reader->symbols.end()) {
          as = reader->symbols[static_cast<size_t>(reader->default_symbol)];
        }
        node.symbols.push_back(as);
      }
      break;
    case AvroKind::kArray:
    case AvroKind::kMap: {
      const bool is_list = wanted.kind == TypeKind::kList && !wanted.params.empty();
      const bool is_map = wanted.kind == TypeKind::kMap && wanted.params.size() == 2;
      const Type& element = is_list ? wanted.element() : is_map ? wanted.value() : DynType();
      node.element = Add(
          *writer.element,
          reader != nullptr && reader->kind == writer.kind ? reader->element : nullptr, element);
      break;
    }
    case AvroKind::kUnion:
      for (const AvroType* branch : writer.branches) {
        node.branches.push_back(Add(*branch, reader, wanted));
      }
      break;
    case AvroKind::kRecord:
      AddFields(reader != nullptr && reader->kind == AvroKind::kRecord ? reader : nullptr, wanted,
                &node);
      break;
    default:
      break;
  }
  return &node;
}

void AvroPlan::AddFields(const AvroType* reader, const Type& wanted, AvroNode* node) {
  const auto wanted_of = [&](const std::string& name) -> const Type& {
    if (wanted.kind == TypeKind::kMap && wanted.params.size() == 2) return wanted.value();
    const cep::Field* field = wanted.kind == TypeKind::kObject ? wanted.Find(name) : nullptr;
    return field == nullptr ? DynType() : field->type;
  };
  const AvroType& writer = *node->type;
  for (const AvroField& field : writer.fields) {
    const AvroField* as = reader == nullptr ? nullptr : ReaderOf(*reader, writer, field.name);
    const std::string& name = as == nullptr ? field.name : as->name;
    node->fields.push_back(
        {name, Add(*field.type, as == nullptr ? nullptr : as->type, wanted_of(name))});
  }
  for (size_t i = 0; reader != nullptr && i < reader->fields.size(); ++i) {
    const AvroField& field = reader->fields[i];
    const bool is_written =
        std::any_of(node->fields.begin(), node->fields.end(),
                    [&](const AvroNode::Field& f) { return f.name == field.name; });
    if (is_written || !field.has_default) continue;
    Value value = field.default_value;
    const AvroType* single = NullableOf(*field.type);
    const bool as_text = wanted_of(field.name).kind == TypeKind::kString || decimals_as_text_;
    ApplyAvroLogical(single == nullptr ? *field.type : *single, as_text, &arena_, &value);
    node->constants.push_back({field.name, value});
  }
}

std::nullptr_t AvroReader::Fail(const char* at, const char* what) {
  error_ = {at, what, {}};
  return nullptr;
}

bool AvroReader::Count(const char* at, uint64_t count) {
  if (count <= kMaxValues - values_) {
    values_ += static_cast<uint32_t>(count);
    return true;
  }
  Fail(at, "more than 1048576 values in one record");
  return false;
}

const char* AvroReader::ReadBytes(const char* p, const char* end, std::string_view* out) {
  int64_t length = 0;
  const char* const at = p;
  p = ReadAvroLong(p, end, &length);
  if (p == nullptr) return Fail(at, "malformed length");
  if (length < 0 || length > end - p) return Fail(at, "a length beyond the end");
  *out = {p, static_cast<size_t>(length)};
  return p + length;
}

const char* AvroReader::ReadText(const char* p, const char* end, std::string_view* out) {
  p = ReadBytes(p, end, out);
  if (p == nullptr || IsAscii(*out)) return p;
  const size_t bad = FindInvalidUtf8(*out);
  return bad < out->size() ? Fail(out->data() + bad, "invalid UTF-8") : p;
}

const char* AvroReader::ReadInt(const char* p, const char* end, int64_t* out) {
  const char* const next = ReadAvroLong(p, end, out);
  if (next == nullptr) return Fail(p, "malformed int");
  if (*out < std::numeric_limits<int32_t>::min() || *out > std::numeric_limits<int32_t>::max()) {
    return Fail(p, "an int beyond 32 bits");
  }
  return next;
}

const char* AvroReader::ReadBranch(const AvroType& type, const char* p, const char* end,
                                   size_t* out) {
  int64_t branch = 0;
  const char* const next = ReadAvroLong(p, end, &branch);
  if (next == nullptr) return Fail(p, "malformed branch of a union");
  if (branch < 0 || static_cast<uint64_t>(branch) >= type.branches.size()) {
    return Fail(p, "a branch that the union does not have");
  }
  *out = static_cast<size_t>(branch);
  return next;
}

// The head of a block of an array or map: how many elements follow (0: the end), and in how many
// bytes if that is said, else -1. `least`: bytes of an element beside the element itself.
const char* AvroReader::ReadBlock(const AvroType& element, size_t least, const char* p,
                                  const char* end, uint32_t* count, int64_t* bytes) {
  const char* const at = p;
  int64_t n = 0;
  *bytes = -1;
  p = ReadAvroLong(p, end, &n);
  if (p == nullptr) return Fail(at, "malformed count");
  if (n < 0) {
    if (n == std::numeric_limits<int64_t>::min()) return Fail(at, "a count beyond the end");
    n = -n;
    p = ReadAvroLong(p, end, bytes);
    if (p == nullptr || *bytes < 0 || *bytes > end - p) {
      return Fail(at, "a block's length beyond the end");
    }
  }
  if ((least > 0 || element.takes_bytes) && n > end - p) {
    return Fail(at, "a count beyond the end");
  }
  if (!Count(at, static_cast<uint64_t>(n))) return nullptr;
  *count = static_cast<uint32_t>(n);
  return p;
}

const char* AvroReader::ReadArray(const AvroNode& node, const char* p, const char* end, int depth,
                                  Value* out) {
  Value* items = nullptr;
  uint32_t size = 0;
  while (true) {
    uint32_t count = 0;
    int64_t bytes = 0;
    if ((p = ReadBlock(*node.element->type, 0, p, end, &count, &bytes)) == nullptr) return nullptr;
    if (count == 0) break;
    // Blocks may be many and small: the copies count as well.
    if (!Count(p, size / 8)) return nullptr;
    auto* const wider = arena_->New<Value>(size + count);
    std::copy(items, items + size, wider);
    items = wider;
    for (uint32_t i = 0; i < count; ++i) {
      if ((p = Read(*node.element, p, end, depth + 1, &items[size + i])) == nullptr) return nullptr;
    }
    size += count;
  }
  *out = Value::List(items, size);
  return p;
}

const char* AvroReader::ReadMap(const AvroNode& node, const char* p, const char* end, int depth,
                                Value* out) {
  MapEntry* entries = nullptr;
  uint32_t size = 0;
  while (true) {
    uint32_t count = 0;
    int64_t bytes = 0;
    if ((p = ReadBlock(*node.element->type, 1, p, end, &count, &bytes)) == nullptr) return nullptr;
    if (count == 0) break;
    if (!Count(p, size / 8)) return nullptr;
    auto* const wider = arena_->New<MapEntry>(size + count);
    std::copy(entries, entries + size, wider);
    entries = wider;
    for (uint32_t i = 0; i < count; ++i) {
      std::string_view key;
      if ((p = ReadText(p, end, &key)) == nullptr) return nullptr;
      entries[size + i].key = Value::String(key);
      p = Read(*node.element, p, end, depth + 1, &entries[size + i].value);
      if (p == nullptr) return nullptr;
    }
    size += count;
  }
  *out = Value::Map(entries, static_cast<uint32_t>(UniqueEntries(entries, size)));
  return p;
}

const char* AvroReader::ReadRecord(const AvroNode& node, const char* p, const char* end, int depth,
                                   Value* out) {
  const size_t count = node.fields.size() + node.constants.size();
  if (!Count(p, count)) return nullptr;
  auto* const entries = arena_->New<MapEntry>(count);
  uint32_t size = 0;
  for (const AvroNode::Field& field : node.fields) {
    entries[size].key = Value::String(field.name);
    if ((p = Read(*field.node, p, end, depth + 1, &entries[size++].value)) == nullptr) {
      Blame(field.name);
      return nullptr;
    }
  }
  for (const AvroNode::Constant& constant : node.constants) {
    entries[size++] = {Value::String(constant.name), constant.value};
  }
  *out = Value::Map(entries, size);
  return p;
}

bool AvroReader::Logical(const AvroNode& node, const char* at, Value* value) {
  if (ApplyAvroLogical(*node.type, node.as == AvroNode::As::kText, arena_, value)) return true;
  Fail(at, node.type->logical == AvroLogical::kDecimal
               ? "a decimal of over 128 bytes, or beyond a double"
               : "a time outside the years 0001 to 9999");
  return false;
}

// Recursion is bounded by kMaxDepth.
const char* AvroReader::Read(const AvroNode& node, const char* p, const char* end, int depth,
                             Value* out) {
  const AvroType& type = *node.type;
  const char* const at = p;
  std::string_view bytes;
  int64_t number = 0;
  switch (type.kind) {
    case AvroKind::kNull:
      *out = Value::Null();
      return p;
    case AvroKind::kBoolean:
      if (p == end) return Fail(p, "cut short");
      if (static_cast<unsigned char>(*p) > 1) return Fail(p, "a boolean that is neither 0 nor 1");
      *out = Value::Bool(*p == 1);
      return p + 1;
    case AvroKind::kInt:
      if ((p = ReadInt(p, end, &number)) == nullptr) return nullptr;
      *out = Value::Int(number);
      return Logical(node, at, out) ? p : nullptr;
    case AvroKind::kLong:
      if ((p = ReadAvroLong(p, end, &number)) == nullptr) return Fail(at, "malformed long");
      *out = Value::Int(number);
      return Logical(node, at, out) ? p : nullptr;
    case AvroKind::kFloat:
      if (end - p < 4) return Fail(p, "cut short");
      *out = Value::Double(Load<float>(p));
      return p + 4;
    case AvroKind::kDouble:
      if (end - p < 8) return Fail(p, "cut short");
      *out = Value::Double(Load<double>(p));
      return p + 8;
    case AvroKind::kBytes:
      p = type.logical == AvroLogical::kNone && node.as == AvroNode::As::kText
              ? ReadText(p, end, &bytes)
              : ReadBytes(p, end, &bytes);
      if (p == nullptr) return nullptr;
      *out = type.logical == AvroLogical::kNone && node.as == AvroNode::As::kText
                 ? Value::String(bytes)
                 : Value::Bytes(bytes);
      return Logical(node, at, out) ? p : nullptr;
    case AvroKind::kString:
      if ((p = ReadText(p, end, &bytes)) == nullptr) return nullptr;
      *out = node.as == AvroNode::As::kBytes ? Value::Bytes(bytes) : Value::String(bytes);
      return p;
    case AvroKind::kFixed:
      if (end - p < static_cast<ptrdiff_t>(type.size)) return Fail(p, "cut short");
      *out = Value::Bytes({p, type.size});
      return Logical(node, at, out) ? p + type.size : nullptr;
    case AvroKind::kEnum:
      if ((p = ReadInt(p, end, &number)) == nullptr) return nullptr;
      if (number < 0 || static_cast<uint64_t>(number) >= node.symbols.size()) {
        return Fail(at, "a symbol that the enum does not have");
      }
      *out = Value::String(node.symbols[static_cast<size_t>(number)]);
      return p;
    default:
      break;
  }
  if (depth >= kMaxDepth) return Fail(p, "nested more than 64 levels deep");
  switch (type.kind) {
    case AvroKind::kArray:
      return ReadArray(node, p, end, depth, out);
    case AvroKind::kMap:
      return ReadMap(node, p, end, depth, out);
    case AvroKind::kRecord:
      return ReadRecord(node, p, end, depth, out);
    default: {
      size_t branch = 0;
      if ((p = ReadBranch(type, p, end, &branch)) == nullptr) return nullptr;
      return Read(*node.branches[branch], p, end, depth + 1, out);
    }
  }
}

// Recursion is bounded by kMaxDepth.
const char* AvroReader::Skip(const AvroType& type, const char* p, const char* end, int depth) {
  const char* const at = p;
  std::string_view bytes;
  int64_t number = 0;
  switch (type.kind) {
    case AvroKind::kNull:
      return p;
    case AvroKind::kBoolean:
      return p < end ? p + 1 : Fail(p, "cut short");
    case AvroKind::kInt:
    case AvroKind::kLong:
    case AvroKind::kEnum:
      p = ReadAvroLong(p, end, &number);
      return p != nullptr ? p : Fail(at, "malformed number");
    case AvroKind::kFloat:
      return end - p >= 4 ? p + 4 : Fail(p, "cut short");
    case AvroKind::kDouble:
      return end - p >= 8 ? p + 8 : Fail(p, "cut short");
    case AvroKind::kFixed:
      return end - p >= static_cast<ptrdiff_t>(type.size) ? p + type.size : Fail(p, "cut short");
    case AvroKind::kBytes:
    case AvroKind::kString:
      return ReadBytes(p, end, &bytes);
    default:
      break;
  }
  if (depth >= kMaxDepth) return Fail(p, "nested more than 64 levels deep");
  if (type.kind == AvroKind::kUnion) {
    size_t branch = 0;
    if ((p = ReadBranch(type, p, end, &branch)) == nullptr) return nullptr;
    return Skip(*type.branches[branch], p, end, depth + 1);
  }
  if (type.kind == AvroKind::kRecord) {
    if (!Count(p, 1)) return nullptr;
    for (const AvroField& field : type.fields) {
      if ((p = Skip(*field.type, p, end, depth + 1)) == nullptr) {
        Blame(field.name);
        return nullptr;
      }
    }
    return p;
  }
  const bool is_map = type.kind == AvroKind::kMap;
  while (true) {
    uint32_t count = 0;
    int64_t size = 0;
    p = ReadBlock(*type.element, is_map ? 1 : 0, p, end, &count, &size);
    if (p == nullptr) return nullptr;
    if (count == 0) return p;
    if (size >= 0) {
      p += size;
      continue;
    }
    for (uint32_t i = 0; i < count; ++i) {
      if (is_map && (p = ReadBytes(p, end, &bytes)) == nullptr) return nullptr;
      if ((p = Skip(*type.element, p, end, depth + 1)) == nullptr) return nullptr;
    }
  }
}

}  // namespace vigil::ingest
