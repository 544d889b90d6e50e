#include "cmd/typed_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <absl/strings/escaping.h>
#include <absl/strings/string_view.h>

#include "rules/cel/format.h"
#include "rules/cel/time.h"
#include "rules/text_width.h"

namespace vigil::cmd {
namespace {

using cep::Value;
using cep::ValueTag;
using simdjson::dom::element;

// A number written as text or as a JSON number.
template <typename T>
bool ReadInteger(const element& json, T* out) {
  std::string_view text;
  if (!json.get_string().get(text)) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
  }
  return !json.get<T>().get(*out);
}

bool ReadNull(const element& json, Arena&, Value* value, std::string*) {
  *value = Value::Null();
  return json.is_null();
}

bool ReadBool(const element& json, Arena&, Value* value, std::string*) {
  bool read = false;
  if (json.get_bool().get(read)) return false;
  *value = Value::Bool(read);
  return true;
}

bool ReadInt(const element& json, Arena&, Value* value, std::string*) {
  int64_t read = 0;
  if (!ReadInteger(json, &read)) return false;
  *value = Value::Int(read);
  return true;
}

bool ReadUint(const element& json, Arena&, Value* value, std::string*) {
  uint64_t read = 0;
  if (!ReadInteger(json, &read)) return false;
  *value = Value::Uint(read);
  return true;
}

bool ReadDouble(const element& json, Arena&, Value* value, std::string*) {
  double read = 0;
  std::string_view text;
  if (!json.get_string().get(text)) {
    if (text != "NaN" && text != "Infinity" && text != "-Infinity") return false;
    read = text == "NaN" ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity();
    if (text.front() == '-') read = -read;
  } else if (json.get_double().get(read)) {
    return false;
  }
  *value = Value::Double(read);
  return true;
}

bool ReadString(const element& json, Arena& arena, Value* value, std::string*) {
  std::string_view text;
  if (json.get_string().get(text)) return false;
  *value = Value::String(arena.Copy(text));
  return true;
}

bool ReadBytes(const element& json, Arena& arena, Value* value, std::string*) {
  std::string_view text;
  std::string bytes;
  if (json.get_string().get(text)) return false;
  if (!absl::Base64Unescape(absl::string_view(text.data(), text.size()), &bytes)) return false;
  *value = Value::Bytes(arena.Copy(bytes));
  return true;
}

bool ReadType(const element& json, Arena& arena, Value* value, std::string*) {
  std::string_view text;
  if (json.get_string().get(text)) return false;
  *value = Value::TypeName(arena.Copy(text));
  return true;
}

bool ReadList(const element& json, Arena& arena, Value* value, std::string* why) {
  simdjson::dom::array items;
  if (json.get_array().get(items)) return false;
  auto* out = arena.New<Value>(items.size());
  uint32_t count = 0;
  for (const element item : items) {
    if (!FromTypedJson(item, arena, &out[count++], why)) return false;
  }
  *value = Value::List(out, count);
  return true;
}

bool ReadMap(const element& json, Arena& arena, Value* value, std::string* why) {
  simdjson::dom::array items;
  if (json.get_array().get(items)) return false;
  auto* out = arena.New<cep::MapEntry>(items.size());
  uint32_t count = 0;
  for (const element item : items) {
    simdjson::dom::array pair;
    if (item.get_array().get(pair) || pair.size() != 2) return false;
    cep::MapEntry& entry = out[count++];
    if (!FromTypedJson(pair.at(0).value(), arena, &entry.key, why) ||
        !FromTypedJson(pair.at(1).value(), arena, &entry.value, why)) {
      return false;
    }
  }
  *value = Value::Map(out, count);
  return true;
}

// {"seconds":"1","nanos":0}; either may be left out.
bool ReadTime(const element& json, int64_t* seconds, int64_t* nanos) {
  simdjson::dom::object object;
  if (json.get_object().get(object)) return false;
  element part;
  if (!object.at_key("seconds").get(part) && !ReadInteger(part, seconds)) return false;
  if (!object.at_key("nanos").get(part) && !ReadInteger(part, nanos)) return false;
  return true;
}

bool ReadTimestamp(const element& json, Arena&, Value* value, std::string*) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  if (!ReadTime(json, &seconds, &nanos)) return false;
  *value = rules::cel::MakeTimestamp(seconds, nanos);
  return !value->is_error();
}

bool ReadDuration(const element& json, Arena&, Value* value, std::string*) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  if (!ReadTime(json, &seconds, &nanos)) return false;
  *value = rules::cel::MakeDuration(seconds, nanos);
  return !value->is_error();
}

struct KindRow {
  std::string_view name;
  bool (*read)(const element& json, Arena& arena, Value* value, std::string* why);
};

constexpr std::array kKinds = {
    KindRow{"null", &ReadNull},
    KindRow{"bool", &ReadBool},
    KindRow{"int", &ReadInt},
    KindRow{"uint", &ReadUint},
    KindRow{"double", &ReadDouble},
    KindRow{"string", &ReadString},
    KindRow{"bytes", &ReadBytes},
    KindRow{"type", &ReadType},
    KindRow{"list", &ReadList},
    KindRow{"map", &ReadMap},
    KindRow{"timestamp", &ReadTimestamp},
    KindRow{"duration", &ReadDuration},
};

void AppendTagged(std::string_view kind, std::string_view json, std::string* out) {
  *out += "{\"";
  *out += kind;
  *out += "\":";
  *out += json;
  *out += '}';
}

void AppendTaggedText(std::string_view kind, std::string_view text, std::string* out) {
  std::string quoted;
  AppendJsonString(text, &quoted);
  AppendTagged(kind, quoted, out);
}

void AppendDouble(double value, std::string* out) {
  const std::string text = rules::cel::FormatScalar(Value::Double(value));
  if (!std::isfinite(value)) return AppendTaggedText("double", text, out);
  AppendTagged("double", text.find_first_of(".e") == std::string::npos ? text + ".0" : text, out);
}

void AppendTime(std::string_view kind, const Value& value, std::string* out) {
  AppendTagged(kind,
               "{\"seconds\":\"" + std::to_string(value.i) +
                   "\",\"nanos\":" + std::to_string(value.nanos()) + "}",
               out);
}

void AppendList(const Value& value, std::string* out) {
  *out += "{\"list\":[";
  for (uint32_t i = 0; i < value.size; ++i) {
    if (i > 0) *out += ',';
    AppendTypedJson(value.list[i], out);
  }
  *out += "]}";
}

void AppendMap(const Value& value, std::string* out) {
  *out += "{\"map\":[";
  for (uint32_t i = 0; i < value.size; ++i) {
    *out += i > 0 ? ",[" : "[";
    AppendTypedJson(value.map[i].key, out);
    *out += ',';
    AppendTypedJson(value.map[i].value, out);
    *out += ']';
  }
  *out += "]}";
}

Value PlainArray(const simdjson::dom::array& items, const cep::Type& type, Arena& arena) {
  const bool typed = type.kind == cep::TypeKind::kList && !type.params.empty();
  auto* out = arena.New<Value>(items.size());
  uint32_t count = 0;
  for (const element item : items) {
    out[count++] = FromPlainJson(item, typed ? type.element() : cep::Type(), arena);
  }
  return Value::List(out, count);
}

Value PlainObject(const simdjson::dom::object& object, const cep::Type& type, Arena& arena) {
  const bool is_map = type.kind == cep::TypeKind::kMap && type.params.size() == 2;
  auto* out = arena.New<cep::MapEntry>(object.size());
  uint32_t count = 0;
  for (const auto& [key, item] : object) {
    cep::Type item_type = is_map ? type.value() : cep::Type();
    if (const cep::Field* field = type.Find(key); field != nullptr) item_type = field->type;
    out[count++] = {Value::String(arena.Copy(key)), FromPlainJson(item, item_type, arena)};
  }
  return Value::Map(out, count);
}

Value PlainText(std::string_view text, const cep::Type& type, Arena& arena) {
  if (type.kind == cep::TypeKind::kTimestamp) return rules::cel::ParseTimestamp(text);
  if (type.kind == cep::TypeKind::kDuration) return rules::cel::ParseDuration(text);
  return Value::String(arena.Copy(text));
}

}  // namespace

bool FromTypedJson(const element& json, Arena& arena, Value* value, std::string* why) {
  simdjson::dom::object object;
  if (json.get_object().get(object) || object.size() != 1) {
    *why = "a value is an object with one key, its kind";
    return false;
  }
  const simdjson::dom::key_value_pair field = *object.begin();
  for (const KindRow& row : kKinds) {
    if (row.name != field.key) continue;
    if (row.read(field.value, arena, value, why)) return true;
    if (why->empty()) *why = "malformed value of kind `" + std::string(row.name) + "`";
    return false;
  }
  *why = "values of kind `" + std::string(field.key) + "` are not supported";
  return false;
}

void AppendTypedJson(const Value& value, std::string* out) {
  switch (value.tag) {
    case ValueTag::kNull:
      AppendTagged("null", "null", out);
      break;
    case ValueTag::kBool:
      AppendTagged("bool", value.b ? "true" : "false", out);
      break;
    case ValueTag::kInt:
      AppendTaggedText("int", std::to_string(value.i), out);
      break;
    case ValueTag::kUint:
      AppendTaggedText("uint", std::to_string(value.u), out);
      break;
    case ValueTag::kDouble:
      AppendDouble(value.d, out);
      break;
    case ValueTag::kString:
      AppendTaggedText("string", value.text(), out);
      break;
    case ValueTag::kBytes: {
      const std::string_view bytes = value.text();
      AppendTaggedText("bytes", absl::Base64Escape(absl::string_view(bytes.data(), bytes.size())),
                       out);
      break;
    }
    case ValueTag::kTimestamp:
      AppendTime("timestamp", value, out);
      break;
    case ValueTag::kDuration:
      AppendTime("duration", value, out);
      break;
    case ValueTag::kList:
      AppendList(value, out);
      break;
    case ValueTag::kMap:
      AppendMap(value, out);
      break;
    case ValueTag::kType:
      AppendTaggedText("type", value.text(), out);
      break;
    default:
      AppendTagged("null", "null", out);
      break;
  }
}

Value FromPlainJson(const element& json, const cep::Type& type, Arena& arena) {
  switch (json.type()) {
    case simdjson::dom::element_type::ARRAY:
      return PlainArray(json.get_array(), type, arena);
    case simdjson::dom::element_type::OBJECT:
      return PlainObject(json.get_object(), type, arena);
    case simdjson::dom::element_type::INT64: {
      const int64_t value = json.get_int64();
      if (type.kind == cep::TypeKind::kDouble) return Value::Double(static_cast<double>(value));
      return Value::Int(value);
    }
    case simdjson::dom::element_type::UINT64: {
      const uint64_t value = json.get_uint64();
      if (type.kind == cep::TypeKind::kDouble) return Value::Double(static_cast<double>(value));
      return Value::Uint(value);
    }
    case simdjson::dom::element_type::DOUBLE:
      return Value::Double(json.get_double());
    case simdjson::dom::element_type::STRING:
      return PlainText(json.get_string(), type, arena);
    case simdjson::dom::element_type::BOOL:
      return Value::Bool(json.get_bool());
    case simdjson::dom::element_type::NULL_VALUE:
      return Value::Null();
  }
  return Value::Null();
}

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const uint32_t c = rules::NextCodePoint(text, &at);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += static_cast<char>(c);
    } else if (c < 0x20) {
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
    } else if (c == 0xFFFD) {
      *out += "\xEF\xBF\xBD";
    } else {
      *out += text.substr(begin, at - begin);
    }
  }
  *out += '"';
}

}  // namespace vigil::cmd
