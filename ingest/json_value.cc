#include "ingest/json_value.h"

#include <algorithm>
#include <string>

#include <absl/strings/escaping.h>

#include "ingest/scalar_text.h"
#include "ingest/time_text.h"
#include "ingest/value_convert.h"

namespace vigil::ingest {
namespace {

using cep::MapEntry;
using cep::Type;
using cep::TypeKind;
using cep::Value;
using cep::ValueTag;

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

bool JsonValueReader::Read(std::string_view text, const Type& type, TimeUnit unit, Arena* arena,
                           Value* out) {
  begin_ = p_ = text.data();
  end_ = p_ + text.size();
  unit_ = unit;
  arena_ = arena;
  mismatch_ = nullptr;
  items_.clear();
  entries_.clear();
  return ReadValue(type, 1, out);
}

bool JsonValueReader::Fail(const char* at, const char* what) {
  error_ = {static_cast<size_t>(at - begin_), what};
  return false;
}

Value JsonValueReader::Mismatch(const char* found) {
  if (mismatch_ == nullptr) mismatch_ = found;
  return Value::Error("value of another type");
}

// Recursion is bounded: beyond kMaxDepth nothing is read.
bool JsonValueReader::ReadValue(const Type& type, int depth, Value* out) {
  p_ = SkipJsonSpace(p_, end_);
  if (p_ == end_) return Fail(p_, "expected a value");
  if (*p_ == '{') return ReadObject(type, depth, out);
  if (*p_ == '[') return ReadList(type, depth, out);
  if (*p_ == '"') {
    std::string_view text;
    if (!ReadText(&text)) return false;
    *out = Text(text, type);
    return true;
  }
  const char* const stop = ScanJsonScalar(p_, end_);
  const std::string_view token(p_, static_cast<size_t>(stop - p_));
  const JsonKind kind = KindOfToken(token);
  if (kind == JsonKind::kMalformed) return Fail(p_, "malformed value");
  p_ = stop;
  if (kind == JsonKind::kNumber) {
    *out = Number(token, type);
  } else if (kind == JsonKind::kNull) {
    *out = Value::Null();
  } else if (type.kind == TypeKind::kBool || type.kind == TypeKind::kDyn) {
    *out = Value::Bool(kind == JsonKind::kTrue);
  } else {
    *out = Mismatch("bool");
  }
  return true;
}

bool JsonValueReader::ReadList(const Type& type, int depth, Value* out) {
  if (depth > kMaxDepth) {
    // Its end is unknown, so nothing that contains it can be read either.
    return Fail(p_, "a field in use is nested more than 64 levels deep");
  }
  const bool is_list = type.kind == TypeKind::kList && !type.params.empty();
  const Type& element = is_list ? type.element() : DynType();
  const size_t first = items_.size();
  p_ = SkipJsonSpace(p_ + 1, end_);
  while (p_ == end_ || *p_ != ']' || items_.size() > first) {
    Value item;
    if (!ReadValue(element, depth + 1, &item)) return false;
    items_.push_back(item);
    p_ = SkipJsonSpace(p_, end_);
    if (p_ < end_ && *p_ == ']') break;
    if (p_ == end_ || *p_ != ',') return Fail(p_, "expected `,` or `]`");
    ++p_;
  }
  ++p_;
  const size_t count = items_.size() - first;
  Value* const list = arena_->New<Value>(count);
  std::copy(items_.begin() + static_cast<ptrdiff_t>(first), items_.end(), list);
  items_.resize(first);
  const bool fits = is_list || type.kind == TypeKind::kDyn;
  *out = fits ? Value::List(list, static_cast<uint32_t>(count)) : Mismatch("list");
  return true;
}

bool JsonValueReader::ReadObject(const Type& type, int depth, Value* out) {
  if (depth > kMaxDepth) return Fail(p_, "a field in use is nested more than 64 levels deep");
  const bool is_map = type.kind == TypeKind::kMap && type.params.size() == 2;
  const size_t first = entries_.size();
  p_ = SkipJsonSpace(p_ + 1, end_);
  while (p_ == end_ || *p_ != '}' || entries_.size() > first) {
    p_ = SkipJsonSpace(p_, end_);
    if (p_ == end_ || *p_ != '"') return Fail(p_, "expected a field name in quotes");
    std::string_view name;
    if (!ReadText(&name)) return false;
    p_ = SkipJsonSpace(p_, end_);
    if (p_ == end_ || *p_ != ':') return Fail(p_, "expected `:`");
    ++p_;
    const cep::Field* field = type.kind == TypeKind::kObject ? type.Find(name) : nullptr;
    MapEntry entry;
    entry.key = is_map ? MapKey(name, type.key()) : Value::String(name);
    const Type& value_type = is_map ? type.value() : field != nullptr ? field->type : DynType();
    if (!ReadValue(value_type, depth + 1, &entry.value)) return false;
    entries_.push_back(entry);
    p_ = SkipJsonSpace(p_, end_);
    if (p_ < end_ && *p_ == '}') break;
    if (p_ == end_ || *p_ != ',') return Fail(p_, "expected `,` or `}`");
    ++p_;
  }
  ++p_;
  const bool fits = is_map || type.kind == TypeKind::kObject || type.kind == TypeKind::kDyn;
  *out = MakeMap(first);
  if (!fits) *out = Mismatch("object");
  return true;
}

Value JsonValueReader::MakeMap(size_t first_entry) {
  MapEntry* const read = entries_.data() + first_entry;
  const size_t count = UniqueEntries(read, entries_.size() - first_entry);
  MapEntry* const map = arena_->New<MapEntry>(count);
  std::copy(read, read + count, map);
  entries_.resize(first_entry);
  return Value::Map(map, static_cast<uint32_t>(count));
}

// A map's key of a type other than string is what its text says; one that says nothing is a
// mismatch.
Value JsonValueReader::MapKey(std::string_view key, const Type& type) {
  int64_t number = 0;
  if (type.kind == TypeKind::kInt && ParseInt(key, &number) == NumberError::kNone) {
    return Value::Int(number);
  }
  if (type.kind == TypeKind::kBool && (key == "true" || key == "false")) {
    return Value::Bool(key == "true");
  }
  if (type.kind != TypeKind::kString && type.kind != TypeKind::kDyn) Mismatch("another key");
  return Value::String(key);
}

// The text at p_ (its opening quote), unescaped.
bool JsonValueReader::ReadText(std::string_view* out) {
  const StringScan scan = ScanJsonString(p_ + 1, end_);
  if (scan.end == nullptr) return Fail(scan.bad, scan.what);
  *out = {p_ + 1, static_cast<size_t>(scan.end - p_ - 1)};
  if (scan.escaped) *out = UnescapeJson(*out, arena_);
  p_ = scan.end + 1;
  return true;
}

Value JsonValueReader::Number(std::string_view token, const Type& type) {
  int64_t integer = 0;
  const NumberError error = ParseInt(token, &integer);
  switch (type.kind) {
    case TypeKind::kInt:
      if (error == NumberError::kNone) return Value::Int(integer);
      return Mismatch(error == NumberError::kOutOfRange ? "integer out of range" : "double");
    case TypeKind::kDyn:
      if (error == NumberError::kNone) return Value::Int(integer);
      [[fallthrough]];
    case TypeKind::kDouble: {
      double number = 0;
      if (ParseDouble(token, &number) != NumberError::kNone) return Mismatch("number out of range");
      return Value::Double(number);
    }
    case TypeKind::kTimestamp: {
      int64_t seconds = 0;
      int32_t nanos = 0;
      if (!SecondsOfNumber(token, unit_, &seconds, &nanos)) return Mismatch("time out of range");
      return Value::Time(ValueTag::kTimestamp, seconds, nanos);
    }
    default:
      return Mismatch("number");
  }
}

Value JsonValueReader::Text(std::string_view text, const Type& type) {
  SecondsNanos time;
  switch (type.kind) {
    case TypeKind::kString:
    case TypeKind::kDyn:
      return Value::String(text);
    case TypeKind::kTimestamp:
      if (!ParseRfc3339(text, &time)) return Mismatch("text that is not RFC 3339");
      return Value::Time(ValueTag::kTimestamp, time.seconds, time.nanos);
    case TypeKind::kDuration:
      if (!ParseDurationText(text, &time)) return Mismatch("text that is no duration");
      return Value::Time(ValueTag::kDuration, time.seconds, time.nanos);
    case TypeKind::kBytes:
      return Base64(text);
    default:
      return Mismatch("string");
  }
}

Value JsonValueReader::Base64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(Abseil(text), &bytes) &&
      !absl::WebSafeBase64Unescape(Abseil(text), &bytes)) {
    return Mismatch("text that is not base64");
  }
  return Value::Bytes(arena_->Copy(bytes));
}

}  // namespace vigil::ingest
