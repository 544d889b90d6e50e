#include "rules/schema_file.h"

#include <algorithm>
#include <utility>

#include "rules/cel/suggest.h"
#include "rules/source_text.h"
#include "rules/yaml_reader.h"

namespace vigil::rules {
namespace {

struct TypeRow {
  std::string_view name;
  cep::TypeKind kind;
};
constexpr TypeRow kTypes[] = {
    {"int", cep::TypeKind::kInt},           {"double", cep::TypeKind::kDouble},
    {"string", cep::TypeKind::kString},     {"bool", cep::TypeKind::kBool},
    {"bytes", cep::TypeKind::kBytes},       {"timestamp", cep::TypeKind::kTimestamp},
    {"duration", cep::TypeKind::kDuration}, {"dyn", cep::TypeKind::kDyn},
};
constexpr size_t kMaxTypeDepth = 16;  // of list(list(...)) in one text

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// If `text` is `name(...)`, what stands between the parentheses.
bool Unwrap(std::string_view text, std::string_view name, std::string_view* inside) {
  if (text.substr(0, name.size()) != name || text.size() < name.size() + 2) return false;
  if (text[name.size()] != '(' || text.back() != ')') return false;
  *inside = text.substr(name.size() + 1, text.size() - name.size() - 2);
  return true;
}

// Parses `int`, `list(T)` or `map(string, T)`. Returns an empty text, or the part that is no type.
std::string_view ParseType(std::string_view text, size_t depth, cep::Type* out) {
  text = Trim(text);
  std::string_view inside;
  for (const TypeRow& row : kTypes) {
    if (row.name != text) continue;
    *out = row.kind;
    return {};
  }
  if (text == "list") {
    *out = cep::Type::List(cep::Type());
    return {};
  }
  if (depth < kMaxTypeDepth && Unwrap(text, "list", &inside)) {
    cep::Type element;
    const std::string_view bad = ParseType(inside, depth + 1, &element);
    *out = cep::Type::List(std::move(element));
    return bad;
  }
  if (depth < kMaxTypeDepth && Unwrap(text, "map", &inside)) {
    const size_t comma = inside.find(',');
    if (Trim(inside.substr(0, comma)) == "string" && comma != std::string_view::npos) {
      cep::Type value;
      const std::string_view bad = ParseType(inside.substr(comma + 1), depth + 1, &value);
      *out = cep::Type::Map(cep::TypeKind::kString, std::move(value));
      return bad;
    }
  }
  return text.empty() ? "nothing" : text;
}

class SchemaReader {
 public:
  SchemaReader(const SourceText& source, Reporter* reporter)
      : source_(source), reporter_(*reporter) {}

  // Recursion is bounded by the nesting that YAML files may have.
  std::vector<cep::Field> ReadFields(const Node& mapping);
  void ReadFile(const Node& root, std::vector<cep::Field>* out);

 private:
  cep::Type ReadType(const Node& node);
  Place At(const Node& node) const { return {&source_, node.range}; }

  const SourceText& source_;
  Reporter& reporter_;
};

cep::Type SchemaReader::ReadType(const Node& node) {
  if (node.is_mapping()) return cep::Type::Object(ReadFields(node));
  cep::Type type;
  if (node.is_sequence() || node.is_null()) {
    reporter_.Report(Code::kBadFieldType, At(node),
                     "a field's type is a word such as `double`, or a mapping of fields; this is " +
                         std::string(DescribeKind(node)));
    return type;
  }
  const std::string_view bad = ParseType(node.value, 0, &type);
  if (bad.empty()) return type;
  std::vector<std::string_view> names;
  for (const TypeRow& row : kTypes) names.push_back(row.name);
  std::string hint = cel::DidYouMean(bad, names);
  if (hint.empty()) {
    hint = "int, double, string, bool, bytes, timestamp, duration, dyn, list(T), map(string, T)";
  }
  reporter_.Report(Code::kBadFieldType, At(node), "`" + std::string(bad) + "` is no type",
                   std::move(hint));
  return type;
}

std::vector<cep::Field> SchemaReader::ReadFields(const Node& mapping) {
  std::vector<cep::Field> fields;
  for (size_t i = 0; i < mapping.entries(); ++i) {
    const Node& key = mapping.key(i);
    if (!key.is_scalar()) continue;  // reported
    if (key.value.empty()) {
      reporter_.Report(Code::kWrongKind, At(key), "a field needs a name");
      continue;
    }
    fields.push_back({std::string(key.value), ReadType(mapping.entry(i))});
  }
  return fields;
}

void SchemaReader::ReadFile(const Node& root, std::vector<cep::Field>* out) {
  if (!root.is_mapping()) {
    reporter_.Report(Code::kWrongKind, At(root),
                     "a schema file is a mapping with the key `fields`, this is " +
                         std::string(DescribeKind(root)));
    return;
  }
  for (size_t i = 0; i < root.entries(); ++i) {
    const Node& key = root.key(i);
    if (key.is_scalar() && key.value != "fields") {
      reporter_.Report(Code::kUnknownKey, At(key),
                       "unknown key `" + std::string(key.value) + "` in a schema file",
                       "its only key is `fields`");
    }
  }
  const Node* fields = root.Find("fields");
  if (fields == nullptr) {
    reporter_.Report(Code::kMissingKey, At(root), "a schema file needs the key `fields`");
  } else if (!fields->is_mapping()) {
    reporter_.Report(
        Code::kWrongKind, At(*fields),
        "`fields` is a mapping of names to types, this is " + std::string(DescribeKind(*fields)));
  } else {
    *out = ReadFields(*fields);
  }
}

SchemaResult Finish(const Document& document, Reporter* reporter) {
  std::vector<cep::Field> fields;
  if (document.root != nullptr) {
    SchemaReader(document.source, reporter).ReadFile(*document.root, &fields);
  } else if (reporter->errors() == 0) {
    reporter->ReportFile(Code::kMissingKey, document.source.name(),
                         "a schema file needs the key `fields`");
  }
  SchemaResult result;
  if (reporter->errors() == 0) {
    result.schema =
        std::make_shared<const cep::Schema>(std::move(fields), cep::Schema::Undeclared::kError);
  }
  result.diagnostics = reporter->Take();
  return result;
}

// A field's name as YAML; quoted unless it can only be read as that name.
std::string WriteName(const std::string& name) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  Node node;
  node.value = name;
  const bool is_plain = name.find_first_not_of(kPlain) == std::string::npos &&
                        node.scalar_type() == ScalarType::kText;
  if (is_plain) return name;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : name) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

// The type's text; `dyn` for what a file cannot name.
std::string WriteType(const cep::Type& type) {
  const std::string text = type.ToString();
  cep::Type read;
  return ParseType(text, 0, &read).empty() && read == type ? text : "dyn";
}

void WriteFields(const std::vector<cep::Field>& fields, size_t depth, std::string* out) {
  for (const cep::Field& field : fields) {
    *out += std::string(2 * depth, ' ') + WriteName(field.name) + ":";
    const bool is_object = field.type.kind == cep::TypeKind::kObject;
    if (!is_object) {
      *out += " " + WriteType(field.type) + "\n";
    } else if (field.type.fields.empty() || depth + 2 > kMaxNesting) {
      *out += field.type.fields.empty() ? " {}\n" : " dyn\n";
    } else {
      *out += "\n";
      WriteFields(field.type.fields, depth + 1, out);
    }
  }
}

}  // namespace

SchemaResult LoadSchema(const std::string& path) {
  Reporter reporter;
  const std::unique_ptr<Document> document = ReadYamlFile(path, &reporter);
  return Finish(*document, &reporter);
}

SchemaResult LoadSchemaText(std::string name, std::string text) {
  Reporter reporter;
  const std::unique_ptr<Document> document = ReadYaml(std::move(name), std::move(text), &reporter);
  return Finish(*document, &reporter);
}

std::string WriteSchema(const cep::Schema& schema) {
  std::string out = schema.fields().empty() ? "fields: {}\n" : "fields:\n";
  WriteFields(schema.fields(), 1, &out);
  return out;
}

}  // namespace vigil::rules
