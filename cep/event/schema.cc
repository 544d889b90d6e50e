#include "cep/event/schema.h"

namespace vigil::cep {

Type Type::List(Type element) {
  Type type(TypeKind::kList);
  type.params.push_back(std::move(element));
  return type;
}

Type Type::Map(Type key, Type value) {
  Type type(TypeKind::kMap);
  type.params.push_back(std::move(key));
  type.params.push_back(std::move(value));
  return type;
}

Type Type::Object(std::vector<Field> fields) {
  Type type(TypeKind::kObject);
  type.fields = std::move(fields);
  return type;
}

const Field* Type::Find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool Type::operator==(const Type& other) const {
  return kind == other.kind && params == other.params && fields == other.fields;
}

std::string Type::ToString() const {
  switch (kind) {
    case TypeKind::kDyn:
      return "dyn";
    case TypeKind::kNull:
      return "null_type";
    case TypeKind::kBool:
      return "bool";
    case TypeKind::kInt:
      return "int";
    case TypeKind::kUint:
      return "uint";
    case TypeKind::kDouble:
      return "double";
    case TypeKind::kString:
      return "string";
    case TypeKind::kBytes:
      return "bytes";
    case TypeKind::kTimestamp:
      return "timestamp";
    case TypeKind::kDuration:
      return "duration";
    case TypeKind::kList:
      return "list(" + (params.empty() ? "dyn" : params[0].ToString()) + ")";
    case TypeKind::kMap:
      return params.size() < 2 ? "map(dyn, dyn)"
                               : "map(" + params[0].ToString() + ", " + params[1].ToString() + ")";
    case TypeKind::kObject:
      return "object";
    case TypeKind::kType:
      return "type";
  }
  return "dyn";
}

const Field* Schema::Find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

}  // namespace vigil::cep
