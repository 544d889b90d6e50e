#include "rules/cel/types.h"

#include <array>
#include <utility>

#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

constexpr int kMaxTypeNesting = 32;

// What a tag is called in CEL, and what values of it look like; one row per tag, in order.
struct TagRow {
  TypeTag tag;
  cep::TypeKind kind;
  cep::ValueTag value_tag;  // kAbsent: any
  std::string_view name;
};

constexpr std::array<TagRow, 19> kTags = {{
    {TypeTag::kDyn, cep::TypeKind::kDyn, cep::ValueTag::kAbsent, "dyn"},
    {TypeTag::kNull, cep::TypeKind::kNull, cep::ValueTag::kNull, "null_type"},
    {TypeTag::kBool, cep::TypeKind::kBool, cep::ValueTag::kBool, "bool"},
    {TypeTag::kInt, cep::TypeKind::kInt, cep::ValueTag::kInt, "int"},
    {TypeTag::kUint, cep::TypeKind::kUint, cep::ValueTag::kUint, "uint"},
    {TypeTag::kDouble, cep::TypeKind::kDouble, cep::ValueTag::kDouble, "double"},
    {TypeTag::kString, cep::TypeKind::kString, cep::ValueTag::kString, "string"},
    {TypeTag::kBytes, cep::TypeKind::kBytes, cep::ValueTag::kBytes, "bytes"},
    {TypeTag::kTimestamp, cep::TypeKind::kTimestamp, cep::ValueTag::kTimestamp, "timestamp"},
    {TypeTag::kDuration, cep::TypeKind::kDuration, cep::ValueTag::kDuration, "duration"},
    {TypeTag::kList, cep::TypeKind::kList, cep::ValueTag::kList, "list"},
    {TypeTag::kMap, cep::TypeKind::kMap, cep::ValueTag::kMap, "map"},
    {TypeTag::kObject, cep::TypeKind::kObject, cep::ValueTag::kMap, "object"},
    {TypeTag::kType, cep::TypeKind::kType, cep::ValueTag::kType, "type"},
    {TypeTag::kEvent, cep::TypeKind::kObject, cep::ValueTag::kAbsent, "event"},
    {TypeTag::kUnbound, cep::TypeKind::kDyn, cep::ValueTag::kAbsent, "dyn"},
    {TypeTag::kParam, cep::TypeKind::kDyn, cep::ValueTag::kAbsent, "parameter"},
    {TypeTag::kAbstract, cep::TypeKind::kDyn, cep::ValueTag::kAbsent, "abstract"},
    {TypeTag::kError, cep::TypeKind::kDyn, cep::ValueTag::kAbsent, "error"},
}};

const TagRow& RowOf(TypeTag tag) { return kTags[static_cast<size_t>(tag)]; }

constexpr std::string_view kOptionalName = "optional_type";

// Named types that values have: what kAbstract stands for when it is not a declared function's.
struct AbstractRow {
  std::string_view name;
  cep::ValueTag value_tag;
};

constexpr std::array kAbstracts = {
    AbstractRow{kOptionalName, kOptionalTag},
    AbstractRow{"net.IP", kAddressTag},
    AbstractRow{"net.CIDR", kPrefixTag},
};

// Types that may be named by an identifier: as written, and the name that `type(x)` gives.
struct Denotation {
  std::string_view written;
  std::string_view canonical;
  TypeTag tag;
};

constexpr std::array kDenotations = {
    Denotation{"bool", "bool", TypeTag::kBool},
    Denotation{"int", "int", TypeTag::kInt},
    Denotation{"uint", "uint", TypeTag::kUint},
    Denotation{"double", "double", TypeTag::kDouble},
    Denotation{"string", "string", TypeTag::kString},
    Denotation{"bytes", "bytes", TypeTag::kBytes},
    Denotation{"list", "list", TypeTag::kList},
    Denotation{"map", "map", TypeTag::kMap},
    Denotation{"null_type", "null_type", TypeTag::kNull},
    Denotation{"type", "type", TypeTag::kType},
    Denotation{"google.protobuf.Timestamp", "google.protobuf.Timestamp", TypeTag::kTimestamp},
    Denotation{"google.protobuf.Duration", "google.protobuf.Duration", TypeTag::kDuration},
    Denotation{kOptionalName, kOptionalName, TypeTag::kAbstract},
    Denotation{"net.IP", "net.IP", TypeTag::kAbstract},
    Denotation{"net.CIDR", "net.CIDR", TypeTag::kAbstract},
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Splits `a, b(c, d)` at the commas outside parentheses.
std::vector<std::string_view> SplitArguments(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] == ',' && depth == 0) {
      parts.push_back(Trim(text.substr(start, i - start)));
      start = i + 1;
    }
  }
  parts.push_back(Trim(text.substr(start)));
  return parts;
}

TypeRef ParseNested(TypePool& pool, std::string_view text, int depth);

TypeRef ParseApplied(TypePool& pool, std::string_view name, std::string_view inside, int depth) {
  std::vector<TypeRef> params;
  for (std::string_view part : SplitArguments(inside)) {
    params.push_back(ParseNested(pool, part, depth + 1));
    if (params.back() == nullptr) return nullptr;
  }
  if (name == "list") return params.size() == 1 ? pool.List(params[0]) : nullptr;
  if (name == "map") return params.size() == 2 ? pool.Map(params[0], params[1]) : nullptr;
  if (name == "type") return Simple(TypeTag::kType);
  return pool.Abstract(name, std::move(params));
}

TypeRef ParseNested(TypePool& pool, std::string_view text, int depth) {
  if (text.empty() || depth > kMaxTypeNesting) return nullptr;
  if (text.front() == '<' && text.back() == '>') return pool.Param(text.substr(1, text.size() - 2));
  const size_t open = text.find('(');
  if (open != std::string_view::npos) {
    if (text.back() != ')') return nullptr;
    return ParseApplied(pool, text.substr(0, open), text.substr(open + 1, text.size() - open - 2),
                        depth);
  }
  if (text == "list") return pool.List(Simple(TypeTag::kDyn));
  if (text == "map") return pool.Map(Simple(TypeTag::kDyn), Simple(TypeTag::kDyn));
  for (const Denotation& d : kDenotations) {
    if (d.written == text && d.tag != TypeTag::kAbstract) return Simple(d.tag);
  }
  for (const TagRow& row : kTags) {
    if (row.tag < TypeTag::kList && row.name == text) return Simple(row.tag);
  }
  if (text == "any") return Simple(TypeTag::kDyn);
  return pool.Abstract(text, {});
}

}  // namespace

TypeRef Simple(TypeTag tag) {
  static const std::array<TypeNode, kTags.size()> kNodes = [] {
    std::array<TypeNode, kTags.size()> nodes;
    for (size_t i = 0; i < nodes.size(); ++i) nodes[i].tag = kTags[i].tag;
    return nodes;
  }();
  return &kNodes[static_cast<size_t>(tag)];
}

TypeRef TypePool::Make(TypeNode node) {
  nodes_.push_back(std::move(node));
  return &nodes_.back();
}

TypeRef TypePool::List(TypeRef element) { return Make({TypeTag::kList, "", {element}}); }

TypeRef TypePool::Map(TypeRef key, TypeRef value) {
  return Make({TypeTag::kMap, "", {key, value}});
}

TypeRef TypePool::Abstract(std::string_view name, std::vector<TypeRef> params) {
  return Make({TypeTag::kAbstract, std::string(name), std::move(params)});
}

TypeRef TypePool::Optional(TypeRef value) { return Abstract(kOptionalName, {value}); }

TypeRef TypePool::Param(std::string_view name) {
  return Make({TypeTag::kParam, std::string(name), {}});
}

TypeRef TypePool::From(const cep::Type& type) {
  switch (type.kind) {
    case cep::TypeKind::kList:
      return List(type.params.empty() ? Simple(TypeTag::kDyn) : From(type.params[0]));
    case cep::TypeKind::kMap:
      if (type.params.size() < 2) return Map(Simple(TypeTag::kDyn), Simple(TypeTag::kDyn));
      return Map(From(type.params[0]), From(type.params[1]));
    case cep::TypeKind::kObject:
      return Make({TypeTag::kObject, "", {}, &type});
    default:
      break;
  }
  for (const TagRow& row : kTags) {
    if (row.kind == type.kind) return Simple(row.tag);
  }
  return Simple(TypeTag::kDyn);
}

TypeRef TypePool::Parse(std::string_view text) { return ParseNested(*this, Trim(text), 0); }

TypeRef Bindings::Find(std::string_view name) const {
  for (const auto& [bound, type] : bound_) {
    if (bound == name) return type;
  }
  return nullptr;
}

void Bindings::Bind(std::string_view name, TypeRef type) {
  for (auto& [bound, old] : bound_) {
    if (bound == name) {
      old = type;
      return;
    }
  }
  bound_.emplace_back(std::string(name), type);
}

std::string ToString(TypeRef type) {
  if (type->tag == TypeTag::kParam) return "<" + type->name + ">";
  std::string out(type->tag == TypeTag::kAbstract ? std::string_view(type->name)
                                                  : RowOf(type->tag).name);
  if (type->params.empty()) return out;
  out += '(';
  for (size_t i = 0; i < type->params.size(); ++i) {
    if (i > 0) out += ", ";
    out += ToString(type->params[i]);
  }
  out += ')';
  return out;
}

cep::Type ToCepType(TypeRef type) {
  if (type->tag == TypeTag::kList) return cep::Type::List(ToCepType(type->params[0]));
  if (type->tag == TypeTag::kMap) {
    return cep::Type::Map(ToCepType(type->params[0]), ToCepType(type->params[1]));
  }
  if (type->tag == TypeTag::kObject && type->object != nullptr) return *type->object;
  return cep::Type(RowOf(type->tag).kind);
}

bool SameType(TypeRef a, TypeRef b) {
  if (a == b) return true;
  if (a->tag != b->tag || a->name != b->name || a->params.size() != b->params.size()) return false;
  if (a->object != b->object && !(a->object && b->object && *a->object == *b->object)) return false;
  for (size_t i = 0; i < a->params.size(); ++i) {
    if (!SameType(a->params[i], b->params[i])) return false;
  }
  return true;
}

bool IsDynamic(TypeRef type) {
  return type->tag == TypeTag::kDyn || type->tag == TypeTag::kUnbound ||
         type->tag == TypeTag::kError;
}

bool IsNumeric(TypeRef type) {
  return type->tag == TypeTag::kInt || type->tag == TypeTag::kUint || type->tag == TypeTag::kDouble;
}

bool HoldsEvents(TypeRef type) {
  if (type->tag == TypeTag::kList) return type->params[0]->tag == TypeTag::kEvent;
  return type->tag == TypeTag::kEvent;
}

bool IsOptional(TypeRef type) {
  return type->tag == TypeTag::kAbstract && type->name == kOptionalName && !type->params.empty();
}

cep::ValueTag RuntimeTag(TypeRef type) {
  for (const AbstractRow& row : kAbstracts) {
    if (type->tag == TypeTag::kAbstract && type->name == row.name) return row.value_tag;
  }
  return RowOf(type->tag).value_tag;
}

std::string_view RuntimeTypeName(const cep::Value& value) {
  switch (value.tag) {
    case cep::ValueTag::kTimestamp:
      return "google.protobuf.Timestamp";
    case cep::ValueTag::kDuration:
      return "google.protobuf.Duration";
    default:
      break;
  }
  for (const AbstractRow& row : kAbstracts) {
    if (row.value_tag == value.tag) return row.name;
  }
  for (const TagRow& row : kTags) {
    if (row.value_tag == value.tag && value.tag != cep::ValueTag::kAbsent) return row.name;
  }
  return "dyn";
}

std::string_view TypeDenotation(std::string_view name) {
  for (const Denotation& d : kDenotations) {
    if (d.written == name) return d.canonical;
  }
  return {};
}

}  // namespace vigil::rules::cel
