// Protobuf messages as Vigil reads them: descriptors turned into tables that a reader follows.
//
// libprotobuf loads descriptors (a FileDescriptorSet, or .proto text as registries keep it);
// records themselves are read by ProtobufReader and ProtobufCodec from the bytes, which costs a
// fraction of what DynamicMessage does and allocates nothing.
//
// How a field becomes a value:
//   int32 ... sfixed64, uint32, fixed32   int
//   uint64, fixed64     int, or uint above 2^63-1, which no field of type int takes
//   float, double       double (a float's value is not rounded to fewer digits)
//   enum                its value's name as a string, an unknown number as its digits; the number
//                       where the schema says int
//   message             an object: every field that is present, in the order of its declaration
//   repeated            list; map<K, V> a map, the last of equal keys
//   Timestamp, Duration timestamp, duration; Struct, Value, ListValue what JSON would give;
//   wrappers            the value they wrap
// A field without presence (proto3, not `optional`) that is not set has its default: 0, "", the
// first enum value, an empty list or map. One with presence is absent then, unless proto2 declares
// a default for it. Source: protobuf.dev/programming-guides/encoding,
// protobuf.dev/programming-guides/json.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "cep/event/value.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
class EnumDescriptor;
}  // namespace google::protobuf

namespace vigil::ingest {

enum class PbKind : uint8_t {
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kSint32,
  kSint64,
  kBool,
  kEnum,
  kFixed32,
  kSfixed32,
  kFloat,
  kFixed64,
  kSfixed64,
  kDouble,
  kString,
  kBytes,
  kMessage,
  kGroup,
};

enum class PbWire : uint8_t {
  kVarint = 0,
  kEight = 1,
  kLength = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFour = 5,
};

enum class PbWellKnown : uint8_t {
  kNone,
  kTimestamp,
  kDuration,
  kWrapper,  // google.protobuf.Int64Value and its like
  kStruct,
  kValue,
  kListValue,
};

struct PbMessage;

struct PbEnum {
  std::string full_name;
  bool is_closed = false;  // proto2: an unknown number is as if the field were not set
  absl::flat_hash_map<int32_t, std::string> names;
};

struct PbField {
  uint32_t number = 0;
  std::string name;
  PbKind kind = PbKind::kInt32;
  PbWire wire = PbWire::kVarint;  // of one value
  bool is_repeated = false;
  bool is_map = false;
  bool is_required = false;
  bool enum_as_int = false;
  int oneof = -1;  // index of the oneof that it is part of
  const PbMessage* message = nullptr;
  const PbEnum* enumeration = nullptr;
  cep::Value unset;  // what it is where no value was sent

  bool can_be_packed() const {
    return is_repeated && wire != PbWire::kLength && wire != PbWire::kStartGroup;
  }
};

struct PbMessage {
  std::string full_name;
  PbWellKnown well_known = PbWellKnown::kNone;
  std::vector<PbField> fields;  // as declared
  bool has_required = false;

  // The field's index, or -1.
  int Find(uint32_t number) const {
    if (number < by_number.size()) return by_number[number];
    const auto found = by_large_number.find(number);
    return found == by_large_number.end() ? -1 : found->second;
  }

  std::vector<int16_t> by_number;  // up to kDenseNumbers
  absl::flat_hash_map<uint32_t, int> by_large_number;
};

// Messages ready to be read. Immutable once built; any number of threads may read it.
class PbPlan {
 public:
  static constexpr uint32_t kDenseNumbers = 256;

  // Of the message, whose fields are wanted as `type` says (an object, or dyn): that decides what
  // enums become. Borrows the message's descriptors, whose texts are defaults.
  PbPlan(const google::protobuf::Descriptor& message, const cep::Type& type);
  PbPlan(const PbPlan&) = delete;
  PbPlan& operator=(const PbPlan&) = delete;

  const PbMessage& root() const { return *root_; }

 private:
  const PbMessage* AddMessage(const google::protobuf::Descriptor& message, const cep::Type& type);
  PbField MakeField(const google::protobuf::FieldDescriptor& field, const cep::Type& type);
  const PbEnum* AddEnum(const google::protobuf::EnumDescriptor& enumeration);

  std::deque<PbMessage> messages_;
  std::deque<PbEnum> enums_;
  std::map<std::pair<const google::protobuf::Descriptor*, const cep::Type*>, const PbMessage*>
      known_messages_;
  std::map<const google::protobuf::EnumDescriptor*, const PbEnum*> known_enums_;
  const PbMessage* root_ = nullptr;
};

// A .proto text and what it imports, as a schema registry keeps them.
struct ProtoText {
  std::string name;  // as `import` writes it; of the first one anything
  std::string text;
};

// Descriptors of messages. Immutable; any number of threads may read it.
class ProtobufDescriptors {
 public:
  ~ProtobufDescriptors();

  // A FileDescriptorSet with its imports, as `protoc --include_imports --descriptor_set_out` writes
  // it. Errors, with `name` in them: INVALID_ARGUMENT if the bytes are none, or a file in it is not
  // valid.
  static StatusOr<std::shared_ptr<const ProtobufDescriptors>> Parse(const std::string& name,
                                                                    std::string_view bytes);
  // The same, read from a file; NOT_FOUND and such from opening it. At most 64 MiB.
  static StatusOr<std::shared_ptr<const ProtobufDescriptors>> Load(const std::string& path);
  // Of .proto texts, the last one of which is the main file; those before are what it imports.
  // Google's own files need not be among them.
  static StatusOr<std::shared_ptr<const ProtobufDescriptors>> Compile(
      const std::vector<ProtoText>& files);

  // NOT_FOUND if there is none of this full name; the message then lists those that there are.
  StatusOr<const google::protobuf::Descriptor*> Find(std::string_view message) const;
  // The one message that the main file (the last one) declares at its top level. INVALID_ARGUMENT
  // if it declares several, or none.
  StatusOr<const google::protobuf::Descriptor*> FindOnly() const;
  // By the place that a registry's message-index list says: of the main file, then nested.
  // NOT_FOUND if there is none.
  StatusOr<const google::protobuf::Descriptor*> FindByIndexes(const std::vector<int>& path) const;

 private:
  struct Pool;

  explicit ProtobufDescriptors(std::unique_ptr<Pool> pool);

  std::unique_ptr<Pool> pool_;
};

// The fields of the message with the types that conditions see. A message within itself is dyn.
cep::Schema SchemaOfMessage(const google::protobuf::Descriptor& message);

}  // namespace vigil::ingest
