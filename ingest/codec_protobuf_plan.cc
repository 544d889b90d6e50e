#include "ingest/codec_protobuf_plan.h"

#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include <absl/strings/str_cat.h>
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "ingest/value_convert.h"

namespace vigil::ingest {
namespace {

namespace pb = google::protobuf;
using cep::Type;
using cep::TypeKind;
using cep::Value;

constexpr size_t kMaxDescriptorBytes = 64 << 20;
constexpr size_t kNamesShown = 8;

struct KindRow {
  PbKind kind;
  PbWire wire;
};

KindRow KindOf(pb::FieldDescriptor::Type type) {
  switch (type) {
    case pb::FieldDescriptor::TYPE_INT32:
      return {PbKind::kInt32, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_INT64:
      return {PbKind::kInt64, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_UINT32:
      return {PbKind::kUint32, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_UINT64:
      return {PbKind::kUint64, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_SINT32:
      return {PbKind::kSint32, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_SINT64:
      return {PbKind::kSint64, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_BOOL:
      return {PbKind::kBool, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_ENUM:
      return {PbKind::kEnum, PbWire::kVarint};
    case pb::FieldDescriptor::TYPE_FIXED32:
      return {PbKind::kFixed32, PbWire::kFour};
    case pb::FieldDescriptor::TYPE_SFIXED32:
      return {PbKind::kSfixed32, PbWire::kFour};
    case pb::FieldDescriptor::TYPE_FLOAT:
      return {PbKind::kFloat, PbWire::kFour};
    case pb::FieldDescriptor::TYPE_FIXED64:
      return {PbKind::kFixed64, PbWire::kEight};
    case pb::FieldDescriptor::TYPE_SFIXED64:
      return {PbKind::kSfixed64, PbWire::kEight};
    case pb::FieldDescriptor::TYPE_DOUBLE:
      return {PbKind::kDouble, PbWire::kEight};
    case pb::FieldDescriptor::TYPE_STRING:
      return {PbKind::kString, PbWire::kLength};
    case pb::FieldDescriptor::TYPE_BYTES:
      return {PbKind::kBytes, PbWire::kLength};
    case pb::FieldDescriptor::TYPE_GROUP:
      return {PbKind::kGroup, PbWire::kStartGroup};
    case pb::FieldDescriptor::TYPE_MESSAGE:
      break;
  }
  return {PbKind::kMessage, PbWire::kLength};
}

PbWellKnown WellKnownOf(const pb::Descriptor& message) {
  switch (message.well_known_type()) {
    case pb::Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      return PbWellKnown::kTimestamp;
    case pb::Descriptor::WELLKNOWNTYPE_DURATION:
      return PbWellKnown::kDuration;
    case pb::Descriptor::WELLKNOWNTYPE_DOUBLEVALUE:
    case pb::Descriptor::WELLKNOWNTYPE_FLOATVALUE:
    case pb::Descriptor::WELLKNOWNTYPE_INT64VALUE:
    case pb::Descriptor::WELLKNOWNTYPE_UINT64VALUE:
    case pb::Descriptor::WELLKNOWNTYPE_INT32VALUE:
    case pb::Descriptor::WELLKNOWNTYPE_UINT32VALUE:
    case pb::Descriptor::WELLKNOWNTYPE_STRINGVALUE:
    case pb::Descriptor::WELLKNOWNTYPE_BYTESVALUE:
    case pb::Descriptor::WELLKNOWNTYPE_BOOLVALUE:
      return PbWellKnown::kWrapper;
    case pb::Descriptor::WELLKNOWNTYPE_STRUCT:
      return PbWellKnown::kStruct;
    case pb::Descriptor::WELLKNOWNTYPE_VALUE:
      return PbWellKnown::kValue;
    case pb::Descriptor::WELLKNOWNTYPE_LISTVALUE:
      return PbWellKnown::kListValue;
    default:
      return PbWellKnown::kNone;
  }
}

Value UintValue(uint64_t number) {
  return number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
             ? Value::Int(static_cast<int64_t>(number))
             : Value::Uint(number);
}

// Text of the descriptor's lives as long as its pool, which outlives plans.
Value DefaultOf(const pb::FieldDescriptor& field, const PbField& plan) {
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return Value::Int(field.default_value_int32());
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return Value::Int(field.default_value_int64());
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return Value::Int(field.default_value_uint32());
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return UintValue(field.default_value_uint64());
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return Value::Double(field.default_value_double());
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return Value::Double(field.default_value_float());
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return Value::Bool(field.default_value_bool());
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      const int number = field.default_value_enum()->number();
      return plan.enum_as_int ? Value::Int(number)
                              : Value::String(plan.enumeration->names.at(number));
    }
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return field.type() == pb::FieldDescriptor::TYPE_BYTES
                 ? Value::Bytes(field.default_value_string())
                 : Value::String(field.default_value_string());
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return Value();
}

Value UnsetOf(const pb::FieldDescriptor& field, const PbField& plan) {
  if (plan.is_map) return Value::Map(nullptr, 0);
  if (plan.is_repeated) return Value::List(nullptr, 0);
  if (field.has_presence() && !field.has_default_value()) return Value();
  return DefaultOf(field, plan);
}

// The type wanted of an element: of a list's, a map's value's; of an object's field named `name`.
const Type& WantedElement(const Type& type) {
  if (type.kind == TypeKind::kList && !type.params.empty()) return type.element();
  if (type.kind == TypeKind::kMap && type.params.size() == 2) return type.value();
  return DynType();
}

const Type& WantedField(const Type& type, const std::string& name) {
  if (type.kind == TypeKind::kMap) return WantedElement(type);
  const cep::Field* field = type.kind == TypeKind::kObject ? type.Find(name) : nullptr;
  return field == nullptr ? DynType() : field->type;
}

class TypeMaker {
 public:
  Type OfField(const pb::FieldDescriptor& field) {
    if (field.is_map()) {
      Type key = OfSingle(*field.message_type()->map_key());
      return Type::Map(std::move(key), OfSingle(*field.message_type()->map_value()));
    }
    Type type = OfSingle(field);
    return field.is_repeated() ? Type::List(std::move(type)) : type;
  }

  std::vector<cep::Field> FieldsOf(const pb::Descriptor& message) {
    std::vector<cep::Field> fields;
    open_.insert(&message);
    for (int i = 0; i < message.field_count(); ++i) {
      fields.push_back({message.field(i)->name(), OfField(*message.field(i))});
    }
    open_.erase(&message);
    return fields;
  }

 private:
  Type OfSingle(const pb::FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      case pb::FieldDescriptor::CPPTYPE_FLOAT:
        return TypeKind::kDouble;
      case pb::FieldDescriptor::CPPTYPE_BOOL:
        return TypeKind::kBool;
      case pb::FieldDescriptor::CPPTYPE_ENUM:
        return TypeKind::kString;
      case pb::FieldDescriptor::CPPTYPE_STRING:
        return field.type() == pb::FieldDescriptor::TYPE_BYTES ? TypeKind::kBytes
                                                               : TypeKind::kString;
      case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        return OfMessage(*field.message_type());
      default:
        return TypeKind::kInt;
    }
  }

  // Objects deeper than a schema file may have them are dyn as well.
  Type OfMessage(const pb::Descriptor& message) {
    switch (WellKnownOf(message)) {
      case PbWellKnown::kTimestamp:
        return TypeKind::kTimestamp;
      case PbWellKnown::kDuration:
        return TypeKind::kDuration;
      case PbWellKnown::kWrapper:
        return OfSingle(*message.field(0));
      case PbWellKnown::kStruct:
        return Type::Map(TypeKind::kString, TypeKind::kDyn);
      case PbWellKnown::kListValue:
        return Type::List(TypeKind::kDyn);
      case PbWellKnown::kValue:
        return TypeKind::kDyn;
      case PbWellKnown::kNone:
        break;
    }
    if (open_.contains(&message) || open_.size() > kMaxOpen) return TypeKind::kDyn;
    return Type::Object(FieldsOf(message));
  }

  static constexpr size_t kMaxOpen = 8;
  std::set<const pb::Descriptor*> open_;
};

class ErrorCollector : public pb::DescriptorPool::ErrorCollector, public pb::io::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat(file, ": ", element, ": ", message);
  }
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat("line ", line + 1, ":", column + 1, ": ", message);
  }
  void AddWarning(const std::string&, const std::string&, const pb::Message*, ErrorLocation,
                  const std::string&) override {}
  void AddWarning(int, int, const std::string&) override {}

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

PbPlan::PbPlan(const pb::Descriptor& message, const Type& type) {
  root_ = AddMessage(message, type);
}

// Recursion ends: a dyn message is made once, a typed one is as deep as its type.
const PbMessage* PbPlan::AddMessage(const pb::Descriptor& message, const Type& type) {
  const Type& wanted =
      type.kind == TypeKind::kObject || type.kind == TypeKind::kMap ? type : DynType();
  const auto key = std::make_pair(&message, &wanted);
  if (const auto found = known_messages_.find(key); found != known_messages_.end()) {
    return found->second;
  }
  PbMessage& plan = messages_.emplace_back();
  known_messages_[key] = &plan;
  plan.full_name = message.full_name();
  plan.well_known = WellKnownOf(message);
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    plan.fields.push_back(MakeField(field, WantedField(wanted, field.name())));
    plan.has_required |= field.is_required();
    const auto number = static_cast<uint32_t>(field.number());
    if (number >= kDenseNumbers) {
      plan.by_large_number[number] = i;
      continue;
    }
    if (plan.by_number.size() <= number) plan.by_number.resize(number + 1, -1);
    plan.by_number[number] = static_cast<int16_t>(i);
  }
  return &plan;
}

PbField PbPlan::MakeField(const pb::FieldDescriptor& field, const Type& type) {
  const KindRow row = KindOf(field.type());
  PbField plan;
  plan.number = static_cast<uint32_t>(field.number());
  plan.name = field.name();
  plan.kind = row.kind;
  plan.wire = row.wire;
  plan.is_repeated = field.is_repeated();
  plan.is_map = field.is_map();
  plan.is_required = field.is_required();
  if (field.containing_oneof() != nullptr) plan.oneof = field.containing_oneof()->index();
  const Type& single = plan.is_repeated && !plan.is_map ? WantedElement(type) : type;
  if (field.enum_type() != nullptr) {
    plan.enumeration = AddEnum(*field.enum_type());
    plan.enum_as_int = single.kind == TypeKind::kInt || single.kind == TypeKind::kDouble;
  }
  if (field.message_type() != nullptr) {
    // A map's entry is a message with the fields `key` and `value`: the latter's type is the map's.
    plan.message = AddMessage(*field.message_type(), single);
  }
  plan.unset = UnsetOf(field, plan);
  return plan;
}

const PbEnum* PbPlan::AddEnum(const pb::EnumDescriptor& enumeration) {
  const PbEnum*& known = known_enums_[&enumeration];
  if (known != nullptr) return known;
  PbEnum& plan = enums_.emplace_back();
  plan.full_name = enumeration.full_name();
  plan.is_closed = enumeration.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO2;
  for (int i = 0; i < enumeration.value_count(); ++i) {
    // Of names for one number (allow_alias) the first one.
    plan.names.try_emplace(enumeration.value(i)->number(), enumeration.value(i)->name());
  }
  known = &plan;
  return known;
}

struct ProtobufDescriptors::Pool {
  pb::DescriptorPool pool;
  std::vector<const pb::FileDescriptor*> files;

  Status Add(const std::string& name, const pb::FileDescriptorProto& file) {
    ErrorCollector errors;
    const pb::FileDescriptor* built = pool.BuildFileCollectingErrors(file, &errors);
    if (built == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", errors.text()));
    }
    files.push_back(built);
    return absl::OkStatus();
  }
};

ProtobufDescriptors::ProtobufDescriptors(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
ProtobufDescriptors::~ProtobufDescriptors() = default;

StatusOr<std::shared_ptr<const ProtobufDescriptors>> ProtobufDescriptors::Parse(
    const std::string& name, std::string_view bytes) {
  pb::FileDescriptorSet set;
  if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || set.file_size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        ": not a descriptor set: make one with protoc --include_imports --descriptor_set_out"));
  }
  auto pool = std::make_unique<Pool>();
  for (const pb::FileDescriptorProto& file : set.file()) {
    RETURN_IF_ERROR(pool->Add(name, file));
  }
  return std::shared_ptr<const ProtobufDescriptors>(new ProtobufDescriptors(std::move(pool)));
}

StatusOr<std::shared_ptr<const ProtobufDescriptors>> ProtobufDescriptors::Load(
    const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  std::string bytes(kMaxDescriptorBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(file.gcount()));
  if (bytes.size() > kMaxDescriptorBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": longer than 64 MiB"));
  }
  return Parse(path, bytes);
}

StatusOr<std::shared_ptr<const ProtobufDescriptors>> ProtobufDescriptors::Compile(
    const std::vector<ProtoText>& files) {
  auto pool = std::make_unique<Pool>();
  for (const ProtoText& file : files) {
    pb::io::ArrayInputStream stream(file.text.data(), static_cast<int>(file.text.size()));
    ErrorCollector errors;
    pb::io::Tokenizer tokenizer(&stream, &errors);
    pb::compiler::Parser parser;
    parser.RecordErrorsTo(&errors);
    pb::FileDescriptorProto proto;
    if (!parser.Parse(&tokenizer, &proto) || !errors.text().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(file.name, ": ", errors.text()));
    }
    proto.set_name(file.name);
    for (const std::string& import : proto.dependency()) {
      if (pool->pool.FindFileByName(import) != nullptr) continue;
      const pb::FileDescriptor* own = pb::DescriptorPool::generated_pool()->FindFileByName(import);
      if (own == nullptr) continue;  // BuildFile says what is missing
      pb::FileDescriptorProto copy;
      own->CopyTo(&copy);
      RETURN_IF_ERROR(pool->Add(import, copy));
    }
    RETURN_IF_ERROR(pool->Add(file.name, proto));
  }
  return std::shared_ptr<const ProtobufDescriptors>(new ProtobufDescriptors(std::move(pool)));
}

StatusOr<const pb::Descriptor*> ProtobufDescriptors::Find(std::string_view message) const {
  const pb::Descriptor* found = pool_->pool.FindMessageTypeByName(std::string(message));
  if (found != nullptr) return found;
  std::string names;
  size_t count = 0;
  for (auto file = pool_->files.rbegin(); file != pool_->files.rend(); ++file) {
    for (int i = 0; i < (*file)->message_type_count() && count < kNamesShown; ++i, ++count) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", (*file)->message_type(i)->full_name());
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no message `", std::string(message), "`; there are ", names));
}

StatusOr<const pb::Descriptor*> ProtobufDescriptors::FindOnly() const {
  const pb::FileDescriptor& file = *pool_->files.back();
  if (file.message_type_count() == 1) return file.message_type(0);
  std::string names;
  for (int i = 0; i < file.message_type_count() && i < static_cast<int>(kNamesShown); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", file.message_type(i)->full_name());
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file.name(), " declares ", file.message_type_count(),
                   " messages, so one must be named", names.empty() ? "" : ": ", names));
}

StatusOr<const pb::Descriptor*> ProtobufDescriptors::FindByIndexes(
    const std::vector<int>& path) const {
  const pb::FileDescriptor& file = *pool_->files.back();
  const pb::Descriptor* message = nullptr;
  for (const int index : path) {
    const int count = message == nullptr ? file.message_type_count() : message->nested_type_count();
    if (index < 0 || index >= count) {
      return absl::NotFoundError(absl::StrCat(
          "no message ", index, " in ", message == nullptr ? "the schema" : message->full_name()));
    }
    message = message == nullptr ? file.message_type(index) : message->nested_type(index);
  }
  if (message == nullptr) return absl::NotFoundError("an empty list of message indexes");
  return message;
}

cep::Schema SchemaOfMessage(const pb::Descriptor& message) {
  return {TypeMaker().FieldsOf(message), cep::Schema::Undeclared::kError};
}

}  // namespace vigil::ingest
