// Protobuf records for tests, encoded by libprotobuf: an independent writer.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include "cep/base/check.h"
#include "ingest/codec_protobuf_plan.h"

namespace vigil::ingest {

// A .proto text with libprotobuf's own idea of it, and ours.
class ProtoFile {
 public:
  explicit ProtoFile(const std::string& text) {
    namespace pb = google::protobuf;
    pb::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
    pb::io::Tokenizer tokenizer(&stream, nullptr);
    pb::compiler::Parser parser;
    pb::FileDescriptorProto file;
    CEP_CHECK(parser.Parse(&tokenizer, &file));
    file.set_name("test.proto");
    pb::FileDescriptorSet set;
    for (const std::string& import : file.dependency()) {
      const pb::FileDescriptor* own = pb::DescriptorPool::generated_pool()->FindFileByName(import);
      CEP_CHECK(own != nullptr);
      own->CopyTo(set.add_file());
    }
    *set.add_file() = file;
    for (const pb::FileDescriptorProto& each : set.file()) {
      CEP_CHECK(pool_.BuildFile(each) != nullptr);
    }
    bytes_ = set.SerializeAsString();
    StatusOr<std::shared_ptr<const ProtobufDescriptors>> parsed =
        ProtobufDescriptors::Parse("test", bytes_);
    CEP_CHECK(parsed.ok());
    descriptors_ = *std::move(parsed);
  }

  // The message that `json` (ProtoJSON) says, as libprotobuf writes it.
  std::string Encode(const std::string& message, const std::string& json) {
    namespace pb = google::protobuf;
    const pb::Descriptor* descriptor = pool_.FindMessageTypeByName(message);
    CEP_CHECK(descriptor != nullptr);
    const std::unique_ptr<pb::Message> made(factory_.GetPrototype(descriptor)->New());
    const auto status = pb::util::JsonStringToMessage(json, made.get());
    if (!status.ok()) return "cannot encode: " + status.ToString();
    return made->SerializePartialAsString();
  }

  const std::shared_ptr<const ProtobufDescriptors>& descriptors() const { return descriptors_; }
  const google::protobuf::DescriptorPool& pool() const { return pool_; }
  // The descriptor set.
  const std::string& bytes() const { return bytes_; }

 private:
  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  std::shared_ptr<const ProtobufDescriptors> descriptors_;
  std::string bytes_;
};

inline std::string Varint(uint64_t n) {
  std::string out;
  for (; n >= 0x80; n >>= 7) out += static_cast<char>(n | 0x80);
  return out + static_cast<char>(n);
}

// A record of a length-delimited file.
inline std::string Delimited(std::string_view record) {
  return Varint(record.size()) + std::string(record);
}

}  // namespace vigil::ingest
