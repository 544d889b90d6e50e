// Protobuf messages through the projector, the renderer and the splitter of files. The first byte
// chooses options; the rest is one record, and a file.
#include <cstdint>
#include <string>

#include "cep/base/check.h"
#include "ingest/codec_protobuf.h"
#include "ingest/json_validate.h"
#include "tests/ingest/protobuf_support.h"
#include "tests/ingest/support.h"

namespace {

vigil::ingest::ProtoFile& File() {
  static vigil::ingest::ProtoFile file(R"(
syntax = "proto2";
package f;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
enum E { A = 0; B = 5; }
message M {
  optional int64 ts = 1;
  optional string s = 2 [default = "d"];
  optional double d = 3;
  optional sint32 z = 4;
  optional bool b = 5;
  optional E e = 6;
  repeated int32 ints = 7 [packed = true];
  repeated string texts = 8;
  map<string, M> map = 9;
  optional M m = 10;
  optional group G = 11 { optional bytes by = 1; optional M in = 2; }
  oneof o { int32 one = 12; string two = 13; M three = 14; }
  optional google.protobuf.Timestamp at = 15;
  optional google.protobuf.Value v = 16;
  optional google.protobuf.Int64Value w = 17;
  optional fixed64 far = 1000;
}
)");
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vigil;  // NOLINT(google-build-using-namespace)
  using cep::Type;
  using cep::TypeKind;
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ingest::SourceCase options = {
      .path = "x.pb",
      .fields = {{"s", TypeKind::kString},
                 {"d", TypeKind::kDouble},
                 {"z", TypeKind::kInt},
                 {"b", TypeKind::kBool},
                 {"e", (data[0] & 8) != 0 ? Type(TypeKind::kInt) : Type(TypeKind::kString)},
                 {"ints", Type::List(TypeKind::kInt)},
                 {"map", TypeKind::kDyn},
                 {"m", Type::Object({{"e", TypeKind::kInt}})},
                 {"g", TypeKind::kDyn},
                 {"one", TypeKind::kInt},
                 {"two", TypeKind::kString},
                 {"at", TypeKind::kTimestamp},
                 {"far", TypeKind::kInt}},
      .strict_types = (data[0] & 1) != 0,
      .strict = (data[0] & 2) != 0,
      .step = 1 + (data[0] >> 4) * 7u,
      .formats = {{.kind = ingest::Format::Kind::kProtobuf,
                   .descriptors = File().descriptors(),
                   .message = "f.M"}}};
  const auto rows = ingest::ReadRows(options, ingest::Delimited(bytes));
  CEP_CHECK(rows.size() == 1);
  ingest::ReadRows(options, bytes);
  static const ingest::ProtobufRenderer renderer(File().descriptors(),
                                                 **File().descriptors()->Find("f.M"));
  std::string out;
  std::string why;
  const bool is_valid = renderer.AppendJson(bytes, &out, &why);
  ingest::JsonError error;
  if (is_valid) CEP_CHECK(ingest::ValidateJsonObject(out, &error));
  // What strict accepts can be rendered.
  const bool is_row = rows[0].find("rejected") == std::string::npos;
  if (options.strict && is_row) CEP_CHECK(is_valid);
  // What is valid for us is valid for libprotobuf.
  if (is_valid) {
    static google::protobuf::DynamicMessageFactory factory;
    const std::unique_ptr<google::protobuf::Message> message(
        factory.GetPrototype(File().pool().FindMessageTypeByName("f.M"))->New());
    CEP_CHECK(message->ParsePartialFromString(bytes));
  }
  return 0;
}
