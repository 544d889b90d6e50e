#include "ingest/codec_avro_schema.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include <absl/strings/str_cat.h>
#include <simdjson.h>

#include "ingest/time_text.h"

namespace vigil::ingest {

namespace dom = simdjson::dom;
using cep::MapEntry;
using cep::Type;
using cep::TypeKind;
using cep::Value;

namespace {

constexpr size_t kMaxText = 16 << 20;
constexpr int kMaxDepth = 64;

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

struct PrimitiveRow {
  std::string_view name;
  AvroKind kind;
};
constexpr PrimitiveRow kPrimitives[] = {
    {"null", AvroKind::kNull},   {"boolean", AvroKind::kBoolean}, {"int", AvroKind::kInt},
    {"long", AvroKind::kLong},   {"float", AvroKind::kFloat},     {"double", AvroKind::kDouble},
    {"bytes", AvroKind::kBytes}, {"string", AvroKind::kString},
};

struct LogicalRow {
  std::string_view name;
  AvroKind of;
  AvroLogical logical;
};
constexpr LogicalRow kLogicals[] = {
    {"date", AvroKind::kInt, AvroLogical::kDate},
    {"time-millis", AvroKind::kInt, AvroLogical::kTimeMillis},
    {"time-micros", AvroKind::kLong, AvroLogical::kTimeMicros},
    {"timestamp-millis", AvroKind::kLong, AvroLogical::kTimestampMillis},
    {"timestamp-micros", AvroKind::kLong, AvroLogical::kTimestampMicros},
    {"timestamp-nanos", AvroKind::kLong, AvroLogical::kTimestampNanos},
    {"local-timestamp-millis", AvroKind::kLong, AvroLogical::kTimestampMillis},
    {"local-timestamp-micros", AvroKind::kLong, AvroLogical::kTimestampMicros},
    {"local-timestamp-nanos", AvroKind::kLong, AvroLogical::kTimestampNanos},
    {"decimal", AvroKind::kBytes, AvroLogical::kDecimal},
    {"decimal", AvroKind::kFixed, AvroLogical::kDecimal},
};

bool IsName(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
  });
}

// A JSON string's UTF-8 as bytes: code points 0 to 255. False for another one.
bool Latin1(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out->push_back(text[i]);
    } else if ((byte & 0xfc) == 0xc0 && i + 1 < text.size()) {
      out->push_back(static_cast<char>(byte << 6 | (text[++i] & 0x3f)));
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

class AvroSchemaParser {
 public:
  explicit AvroSchemaParser(AvroSchema* schema) : schema_(*schema) {}

  Status Add(std::string_view text, const std::string& name) {
    if (text.size() > kMaxText) return absl::InvalidArgumentError("the schema is over 16 MiB");
    dom::parser parser;
    dom::element root;
    const auto error = parser.parse(text.data(), text.size()).get(root);
    if (error == simdjson::SUCCESS) {
      const AvroType* type = ReadType(root, "", 1);
      if (type != nullptr) {
        schema_.root_ = type;
        Settle();
        if (!ReadDefaults()) return Fault(name);
        return absl::OkStatus();
      }
    } else {
      Fail(absl::StrCat("not JSON: ", simdjson::error_message(error)));
    }
    return Fault(name);
  }

 private:
  Status Fault(const std::string& name) const {
    return absl::InvalidArgumentError(
        absl::StrCat(name, name.empty() ? "" : ": ", "not an Avro schema: ", fault_));
  }
  std::nullptr_t Fail(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
    return nullptr;
  }

  AvroType* NewType(AvroKind kind) {
    if (schema_.types_.size() >= AvroSchema::kMaxTypes) return Fail("more than 10000 types");
    AvroType& type = schema_.types_.emplace_back();
    type.kind = kind;
    return &type;
  }

  static std::string FullName(std::string_view name, const std::string& space) {
    if (name.find('.') != std::string_view::npos || space.empty()) return std::string(name);
    return absl::StrCat(space, ".", Abseil(name));
  }

  static std::string_view Text(const dom::element& object, std::string_view key) {
    std::string_view text;
    if (object[key].get(text) != simdjson::SUCCESS) return {};
    return text;
  }

  const AvroType* Named(std::string_view name, const std::string& space) {
    for (const PrimitiveRow& row : kPrimitives) {
      if (row.name == name) return NewType(row.kind);
    }
    for (const std::string& full : {FullName(name, space), std::string(name)}) {
      const auto found = named_.find(full);
      if (found != named_.end()) return found->second;
    }
    return Fail(absl::StrCat("no type `", Abseil(name), "`"));
  }

  // Recursion is bounded by kMaxDepth.
  const AvroType* ReadType(const dom::element& node, const std::string& space, int depth) {
    if (depth > kMaxDepth) return Fail("nested more than 64 levels deep");
    std::string_view name;
    if (node.get(name) == simdjson::SUCCESS) return Named(name, space);
    dom::array array;
    if (node.get(array) == simdjson::SUCCESS) return ReadUnion(array, space, depth);
    if (!node.is_object()) return Fail("a type is a name, a list or an object");
    dom::element inner;
    if (node["type"].get(inner) != simdjson::SUCCESS) return Fail("an object without `type`");
    std::string_view kind;
    if (inner.get(kind) != simdjson::SUCCESS) return ReadType(inner, space, depth + 1);
    if (kind == "record" || kind == "error") return ReadRecord(node, space, depth);
    if (kind == "enum") return ReadEnum(node, space);
    if (kind == "fixed") return ReadFixed(node, space);
    if (kind == "array" || kind == "map") {
      AvroType* type = NewType(kind == "array" ? AvroKind::kArray : AvroKind::kMap);
      dom::element of;
      const std::string_view key = kind == "array" ? "items" : "values";
      if (node[key].get(of) != simdjson::SUCCESS) {
        return Fail(absl::StrCat("an ", Abseil(kind), " without `", Abseil(key), "`"));
      }
      if (type == nullptr) return nullptr;
      type->element = ReadType(of, space, depth + 1);
      return type->element == nullptr ? nullptr : type;
    }
    for (const PrimitiveRow& row : kPrimitives) {
      if (row.name != kind) continue;
      AvroType* type = NewType(row.kind);
      if (type != nullptr) ReadLogical(node, type);
      return type;
    }
    return Named(kind, space);
  }

  const AvroType* ReadUnion(const dom::array& array, const std::string& space, int depth) {
    AvroType* type = NewType(AvroKind::kUnion);
    if (type == nullptr) return nullptr;
    for (const dom::element branch : array) {
      const AvroType* inner = ReadType(branch, space, depth + 1);
      if (inner == nullptr) return nullptr;
      if (inner->kind == AvroKind::kUnion) return Fail("a union in a union");
      type->branches.push_back(inner);
    }
    if (type->branches.empty()) return Fail("a union without types");
    return type;
  }

  // A logical type that is not known, or not of this type, is as if it were not there.
  static void ReadLogical(const dom::element& node, AvroType* type) {
    const std::string_view name = Text(node, "logicalType");
    for (const LogicalRow& row : kLogicals) {
      if (row.name != name || row.of != type->kind) continue;
      int64_t scale = 0;
      int64_t precision = 0;
      if (row.logical == AvroLogical::kDecimal) {
        if (node["scale"].get(scale) != simdjson::SUCCESS) scale = 0;
        if (node["precision"].get(precision) != simdjson::SUCCESS) precision = 0;
        if (scale < 0 || precision < 1 || scale > precision || precision > 10'000) continue;
      }
      type->logical = row.logical;
      type->scale = static_cast<uint32_t>(scale);
    }
  }

  // The named type that `node` declares.
  AvroType* Declare(AvroKind kind, const dom::element& node, const std::string& space,
                    std::string* inner_space) {
    const std::string_view name = Text(node, "name");
    std::string_view own_space;
    const bool has_space = node["namespace"].get(own_space) == simdjson::SUCCESS;
    const std::string full = FullName(name, has_space ? std::string(own_space) : space);
    const size_t dot = full.rfind('.');
    *inner_space = dot == std::string::npos ? "" : full.substr(0, dot);
    if (!IsName(std::string_view(full).substr(dot + 1))) {
      return Fail(absl::StrCat("`", Abseil(name), "` is not a name"));
    }
    AvroType* type = NewType(kind);
    if (type == nullptr) return nullptr;
    type->name = full;
    if (!named_.emplace(full, type).second) {
      return Fail(absl::StrCat("`", full, "` is declared twice"));
    }
    dom::array aliases;
    if (node["aliases"].get(aliases) == simdjson::SUCCESS) {
      for (const dom::element alias : aliases) {
        std::string_view text;
        if (alias.get(text) == simdjson::SUCCESS) {
          type->aliases.push_back(FullName(text, *inner_space));
        }
      }
    }
    return type;
  }

  const AvroType* ReadEnum(const dom::element& node, const std::string& space) {
    std::string inner;
    AvroType* type = Declare(AvroKind::kEnum, node, space, &inner);
    if (type == nullptr) return nullptr;
    dom::array symbols;
    if (node["symbols"].get(symbols) != simdjson::SUCCESS) {
      return Fail(absl::StrCat("enum `", type->name, "` without `symbols`"));
    }
    const std::string_view fallback = Text(node, "default");
    for (const dom::element symbol : symbols) {
      std::string_view text;
      if (symbol.get(text) != simdjson::SUCCESS || !IsName(text)) {
        return Fail(absl::StrCat("a symbol of enum `", type->name, "` is not a name"));
      }
      if (text == fallback) type->default_symbol = static_cast<int>(type->symbols.size());
      type->symbols.emplace_back(text);
    }
    if (type->symbols.empty()) return Fail(absl::StrCat("enum `", type->name, "` has no symbols"));
    return type;
  }

  const AvroType* ReadFixed(const dom::element& node, const std::string& space) {
    std::string inner;
    AvroType* type = Declare(AvroKind::kFixed, node, space, &inner);
    if (type == nullptr) return nullptr;
    int64_t size = -1;
    if (node["size"].get(size) != simdjson::SUCCESS || size < 0 ||
        size > static_cast<int64_t>(kMaxText)) {
      return Fail(absl::StrCat("fixed `", type->name, "` needs a `size` of 0 to 16777216"));
    }
    type->size = static_cast<uint32_t>(size);
    ReadLogical(node, type);
    return type;
  }

  const AvroType* ReadRecord(const dom::element& node, const std::string& space, int depth) {
    std::string inner_space;
    AvroType* type = Declare(AvroKind::kRecord, node, space, &inner_space);
    if (type == nullptr) return nullptr;
    dom::array fields;
    if (node["fields"].get(fields) != simdjson::SUCCESS) {
      return Fail(absl::StrCat("record `", type->name, "` without `fields`"));
    }
    std::set<std::string> names;
    for (const dom::element field_node : fields) {
      AvroField field;
      field.name = std::string(Text(field_node, "name"));
      if (!IsName(field.name) || !names.insert(field.name).second) {
        return Fail(absl::StrCat("record `", type->name, "`: `", field.name,
                                 "` is not a name, or comes twice"));
      }
      dom::element of;
      if (field_node["type"].get(of) != simdjson::SUCCESS) {
        return Fail(absl::StrCat("field `", field.name, "` without `type`"));
      }
      field.type = ReadType(of, inner_space, depth + 1);
      if (field.type == nullptr) return nullptr;
      dom::array aliases;
      if (field_node["aliases"].get(aliases) == simdjson::SUCCESS) {
        for (const dom::element alias : aliases) {
          std::string_view text;
          if (alias.get(text) == simdjson::SUCCESS) field.aliases.emplace_back(text);
        }
      }
      dom::element fallback;
      field.has_default = field_node["default"].get(fallback) == simdjson::SUCCESS;
      if (field.has_default) {
        defaults_.push_back({type, type->fields.size(), fallback});
      }
      type->fields.push_back(std::move(field));
    }
    return type;
  }

  // Which types take bytes: the smallest answer that is consistent with itself.
  void Settle() {
    for (AvroType& type : schema_.types_) {
      type.takes_bytes = type.kind != AvroKind::kNull && type.kind != AvroKind::kRecord &&
                         !(type.kind == AvroKind::kFixed && type.size == 0);
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (AvroType& type : schema_.types_) {
        if (type.takes_bytes || type.kind != AvroKind::kRecord) continue;
        type.takes_bytes = std::any_of(type.fields.begin(), type.fields.end(),
                                       [](const AvroField& f) { return f.type->takes_bytes; });
        changed |= type.takes_bytes;
      }
    }
  }

  // After all types are known, since a default may be of one that refers to itself.
  bool ReadDefaults() {
    for (const Default& d : defaults_) {
      AvroField& field = d.record->fields[d.field];
      const AvroType* type = field.type;
      bool fits = ReadDefault(d.value, *type, 1, &field.default_value);
      // Of a union the specification takes the first branch; later ones are common and harmless.
      if (!fits) {
        Fail(absl::StrCat("the default of field `", field.name, "` of `", d.record->name,
                          "` is not of its type"));
        return false;
      }
    }
    defaults_.clear();
    return true;
  }

  bool ReadDefault(const dom::element& node, const AvroType& type, int depth, Value* out) {
    if (depth > kMaxDepth) return false;
    std::string_view text;
    switch (type.kind) {
      case AvroKind::kNull:
        *out = Value::Null();
        return node.is_null();
      case AvroKind::kBoolean: {
        bool b = false;
        if (node.get(b) != simdjson::SUCCESS) return false;
        *out = Value::Bool(b);
        return true;
      }
      case AvroKind::kInt:
      case AvroKind::kLong: {
        int64_t i = 0;
        if (node.get(i) != simdjson::SUCCESS) return false;
        *out = Value::Int(i);
        return true;
      }
      case AvroKind::kFloat:
      case AvroKind::kDouble: {
        double d = 0;
        if (node.get(d) != simdjson::SUCCESS) return false;
        *out = Value::Double(d);
        return true;
      }
      case AvroKind::kBytes:
      case AvroKind::kFixed: {
        std::string bytes;
        if (node.get(text) != simdjson::SUCCESS || !Latin1(text, &bytes)) return false;
        if (type.kind == AvroKind::kFixed && bytes.size() != type.size) return false;
        *out = Value::Bytes(schema_.arena_.Copy(bytes));
        return true;
      }
      case AvroKind::kString:
        if (node.get(text) != simdjson::SUCCESS) return false;
        *out = Value::String(schema_.arena_.Copy(text));
        return true;
      case AvroKind::kEnum:
        if (node.get(text) != simdjson::SUCCESS) return false;
        *out = Value::String(schema_.arena_.Copy(text));
        return std::find(type.symbols.begin(), type.symbols.end(), text) != type.symbols.end();
      case AvroKind::kUnion:
        for (const AvroType* branch : type.branches) {
          if (ReadDefault(node, *branch, depth + 1, out)) return true;
        }
        return false;
      case AvroKind::kArray:
        return ReadDefaultArray(node, type, depth, out);
      case AvroKind::kMap:
      case AvroKind::kRecord:
        return ReadDefaultObject(node, type, depth, out);
    }
    return false;
  }

  bool ReadDefaultArray(const dom::element& node, const AvroType& type, int depth, Value* out) {
    dom::array array;
    if (node.get(array) != simdjson::SUCCESS) return false;
    auto* const items = schema_.arena_.New<Value>(array.size());
    uint32_t count = 0;
    for (const dom::element item : array) {
      if (!ReadDefault(item, *type.element, depth + 1, &items[count++])) return false;
    }
    *out = Value::List(items, count);
    return true;
  }

  bool ReadDefaultObject(const dom::element& node, const AvroType& type, int depth, Value* out) {
    dom::object object;
    if (node.get(object) != simdjson::SUCCESS) return false;
    const bool is_map = type.kind == AvroKind::kMap;
    const size_t count = is_map ? object.size() : type.fields.size();
    auto* const entries = schema_.arena_.New<MapEntry>(count);
    uint32_t size = 0;
    if (is_map) {
      for (const dom::key_value_pair pair : object) {
        entries[size].key = Value::String(schema_.arena_.Copy(pair.key));
        if (!ReadDefault(pair.value, *type.element, depth + 1, &entries[size++].value))
          return false;
      }
    } else {
      for (const AvroField& field : type.fields) {
        entries[size].key = Value::String(field.name);
        dom::element value;
        if (object[field.name].get(value) == simdjson::SUCCESS) {
          if (!ReadDefault(value, *field.type, depth + 1, &entries[size].value)) return false;
        } else if (!field.has_default) {
          return false;
        }
        ++size;
      }
    }
    *out = Value::Map(entries, size);
    return true;
  }

  struct Default {
    AvroType* record;
    size_t field;
    dom::element value;
  };

  AvroSchema& schema_;
  std::map<std::string, AvroType*> named_;
  std::vector<Default> defaults_;
  std::string fault_;
};

StatusOr<std::shared_ptr<const AvroSchema>> AvroSchema::Parse(
    std::string_view text, const std::vector<AvroReference>& references) {
  std::shared_ptr<AvroSchema> schema(new AvroSchema());
  AvroSchemaParser parser(schema.get());
  for (const AvroReference& reference : references) {
    RETURN_IF_ERROR(parser.Add(reference.text, reference.name));
  }
  RETURN_IF_ERROR(parser.Add(text, ""));
  return std::shared_ptr<const AvroSchema>(std::move(schema));
}

StatusOr<std::shared_ptr<const AvroSchema>> AvroSchema::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  std::string text(kMaxText + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  StatusOr<std::shared_ptr<const AvroSchema>> schema = Parse(text);
  if (schema.ok()) return schema;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", schema.status().message()));
}

const AvroType* NullableOf(const AvroType& type) {
  if (type.kind != AvroKind::kUnion || type.branches.size() != 2) return nullptr;
  if (type.branches[0]->kind == AvroKind::kNull) return type.branches[1];
  return type.branches[1]->kind == AvroKind::kNull ? type.branches[0] : nullptr;
}

namespace {

class TypeMaker {
 public:
  std::vector<cep::Field> FieldsOf(const AvroType& record) {
    std::vector<cep::Field> fields;
    open_.insert(&record);
    for (const AvroField& field : record.fields)
      fields.push_back({field.name, TypeOf(*field.type)});
    open_.erase(&record);
    return fields;
  }

 private:
  static TypeKind TypeOfLogical(AvroLogical logical) {
    switch (logical) {
      case AvroLogical::kDate:
      case AvroLogical::kTimestampMillis:
      case AvroLogical::kTimestampMicros:
      case AvroLogical::kTimestampNanos:
        return TypeKind::kTimestamp;
      case AvroLogical::kTimeMillis:
      case AvroLogical::kTimeMicros:
        return TypeKind::kDuration;
      default:
        return TypeKind::kDouble;
    }
  }

  Type TypeOf(const AvroType& type) {
    if (type.logical != AvroLogical::kNone) return TypeOfLogical(type.logical);
    switch (type.kind) {
      case AvroKind::kBoolean:
        return TypeKind::kBool;
      case AvroKind::kInt:
      case AvroKind::kLong:
        return TypeKind::kInt;
      case AvroKind::kFloat:
      case AvroKind::kDouble:
        return TypeKind::kDouble;
      case AvroKind::kBytes:
      case AvroKind::kFixed:
        return TypeKind::kBytes;
      case AvroKind::kString:
      case AvroKind::kEnum:
        return TypeKind::kString;
      case AvroKind::kArray:
        return Type::List(TypeOf(*type.element));
      case AvroKind::kMap:
        return Type::Map(TypeKind::kString, TypeOf(*type.element));
      case AvroKind::kUnion:
        return TypeOfUnion(type);
      case AvroKind::kRecord:
        if (open_.contains(&type) || open_.size() > kMaxOpen) return TypeKind::kDyn;
        return Type::Object(FieldsOf(type));
      case AvroKind::kNull:
        break;
    }
    return TypeKind::kDyn;
  }

  Type TypeOfUnion(const AvroType& type) {
    Type whole;
    bool is_first = true;
    for (const AvroType* branch : type.branches) {
      if (branch->kind == AvroKind::kNull) continue;
      const Type one = TypeOf(*branch);
      const auto is_number = [](const Type& t) {
        return t.kind == TypeKind::kInt || t.kind == TypeKind::kDouble;
      };
      if (is_first || whole == one) {
        whole = one;
      } else {
        whole = is_number(whole) && is_number(one) ? TypeKind::kDouble : TypeKind::kDyn;
        if (whole.kind == TypeKind::kDyn) return whole;
      }
      is_first = false;
    }
    return whole;
  }

  static constexpr size_t kMaxOpen = 8;
  std::set<const AvroType*> open_;
};

}  // namespace

StatusOr<cep::Schema> SchemaOfAvro(const AvroSchema& schema) {
  if (schema.root().kind != AvroKind::kRecord) {
    return absl::InvalidArgumentError("the schema is not of a record, so it has no fields");
  }
  return cep::Schema(TypeMaker().FieldsOf(schema.root()), cep::Schema::Undeclared::kError);
}

}  // namespace vigil::ingest
