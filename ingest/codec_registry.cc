#include "ingest/codec_registry.h"

#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>

#include "ingest/codec_avro.h"
#include "ingest/codec_protobuf.h"
#include "ingest/json_renderer.h"
#include "ingest/registry.h"

namespace vigil::ingest {
namespace {

constexpr size_t kHead = 5;           // magic byte and id
constexpr uint64_t kMaxIndexes = 32;  // nested messages

uint32_t IdOf(std::string_view bytes) {
  uint32_t id = 0;
  for (size_t i = 1; i < kHead; ++i) id = id << 8 | static_cast<unsigned char>(bytes[i]);
  return id;
}

// The payload's list of indexes; returns where the message begins, or null.
const char* ReadIndexes(const char* p, const char* end, std::vector<int>* out) {
  out->clear();
  int64_t count = 0;
  if ((p = ReadAvroLong(p, end, &count)) == nullptr || count < 0 ||
      count > static_cast<int64_t>(kMaxIndexes)) {
    return nullptr;
  }
  if (count == 0) out->push_back(0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t index = 0;
    if ((p = ReadAvroLong(p, end, &index)) == nullptr || index < 0 || index > 1'000'000) {
      return nullptr;
    }
    out->push_back(static_cast<int>(index));
  }
  return p;
}

// Renders a framed message.
class FramedRenderer : public cep::RecordRenderer {
 public:
  explicit FramedRenderer(const ProtobufRenderer& renderer) : renderer_(renderer) {}

  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override {
    std::vector<int> indexes;
    const char* const begin =
        raw.size() < kHead ? nullptr
                           : ReadIndexes(raw.data() + kHead, raw.data() + raw.size(), &indexes);
    if (begin == nullptr) {
      *why = "malformed message indexes";
      return false;
    }
    return renderer_.AppendJsonAt(raw, static_cast<size_t>(begin - raw.data()), out, why);
  }

 private:
  const ProtobufRenderer& renderer_;
};

// What is done with records of one Avro schema.
class AvroById {
 public:
  AvroById(const Format& format, RowWriter* rows) : reader_(format.reader), rows_(*rows) {}

  Status Make(const RegisteredSchema& schema) {
    ASSIGN_OR_RETURN(std::shared_ptr<const AvroSchema> writer, AvroOfRegistered(schema));
    ASSIGN_OR_RETURN(projector_, AvroProjector::Create(std::move(writer), reader_, kHead, &rows_));
    return absl::OkStatus();
  }

  bool Decode(const RawRecord& record, cep::Batch* batch) {
    SetRowRenderer(&projector_->renderer(), batch);
    return projector_->Decode(record, record.bytes.substr(kHead), batch);
  }

 private:
  const std::shared_ptr<const AvroSchema> reader_;
  RowWriter& rows_;
  std::unique_ptr<AvroProjector> projector_;
};

// What is done with records of one Protobuf schema, whose messages they choose.
class ProtobufById {
 public:
  ProtobufById(const Format& format, RowWriter* rows) : message_(format.message), rows_(*rows) {}

  Status Make(const RegisteredSchema& schema) {
    ASSIGN_OR_RETURN(descriptors_, ProtobufOfRegistered(schema));
    return absl::OkStatus();
  }

  bool Decode(const RawRecord& record, cep::Batch* batch) {
    const char* const end = record.bytes.data() + record.bytes.size();
    const char* const begin = ReadIndexes(record.bytes.data() + kHead, end, &indexes_);
    if (begin == nullptr) {
      Reject(record, kHead + 1, "malformed message indexes", batch);
      return false;
    }
    if (last_ == nullptr || indexes_ != last_indexes_) {
      const Status status = Choose();
      if (!status.ok()) {
        Reject(record, kHead + 1,
               std::string_view(status.message().data(), status.message().size()), batch);
        return false;
      }
      last_indexes_ = indexes_;
    }
    SetRowRenderer(last_->renderer.get(), batch);
    return last_->projector->Decode(record, {begin, static_cast<size_t>(end - begin)}, batch);
  }

 private:
  struct Chosen {
    std::unique_ptr<ProtobufProjector> projector;
    std::unique_ptr<FramedRenderer> renderer;
  };

  Status Choose() {
    last_ = nullptr;
    ASSIGN_OR_RETURN(const google::protobuf::Descriptor* message,
                     descriptors_->FindByIndexes(indexes_));
    if (!message_.empty() && message->full_name() != message_) {
      return absl::InvalidArgumentError(absl::StrCat("the record is a `", message->full_name(),
                                                     "`, expected a `", message_, "`"));
    }
    Chosen& chosen = chosen_[message];
    if (chosen.projector == nullptr) {
      chosen.projector = std::make_unique<ProtobufProjector>(descriptors_, *message, &rows_);
      chosen.renderer = std::make_unique<FramedRenderer>(chosen.projector->renderer());
    }
    last_ = &chosen;
    return absl::OkStatus();
  }

  const std::string message_;
  RowWriter& rows_;
  std::shared_ptr<const ProtobufDescriptors> descriptors_;
  std::map<const google::protobuf::Descriptor*, Chosen> chosen_;
  std::vector<int> indexes_;       // of the record at hand
  std::vector<int> last_indexes_;  // those that chose last_
  Chosen* last_ = nullptr;
};

template <typename ById>
class RegistryCodec final : public Codec {
 public:
  RegistryCodec(const Format& format, const CodecOptions& options)
      : format_(format), rows_(options) {}

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override {
    pending_ = nullptr;
    for (size_t i = 0; i < count; ++i) {
      const RawRecord& record = records[i];
      if (!HasHead(record, batch)) continue;
      Schema* const schema = Find(IdOf(record.bytes));
      if (schema == nullptr) {
        if (pending_ != nullptr) return i;
        Reject(record, 2, absl::StrCat("the registry has no schema ", IdOf(record.bytes)), batch);
      } else if (schema->by_id == nullptr) {
        Reject(record, 2, schema->fault, batch);
      } else if (schema->by_id->Decode(record, batch)) {
        ++batch->rows;
      }
    }
    return count;
  }

  std::shared_ptr<const Pending> pending() const override { return pending_; }
  // Rows have their own.
  const cep::RecordRenderer& renderer() const override { return JsonRenderer::Get(); }

 private:
  struct Schema {
    std::unique_ptr<ById> by_id;  // null: the schema cannot be used, see `fault`
    std::string fault;
  };

  static bool HasHead(const RawRecord& record, cep::Batch* batch) {
    if (record.broken != nullptr) {
      Reject(record, 0, record.broken, batch);
    } else if (record.bytes.size() < kHead) {
      Reject(record, 0, "no schema id: the record is shorter than 5 bytes", batch);
    } else if (record.bytes[0] != 0) {
      Reject(record, 1, "no schema id: the first byte is not 0", batch);
    } else {
      return true;
    }
    return false;
  }

  // Null if there is none (yet: then pending_ is set).
  Schema* Find(uint32_t id) {
    if (last_ != nullptr && id == last_id_) [[likely]]
      return last_;
    auto found = schemas_.find(id);
    if (found == schemas_.end()) {
      const SchemaRegistry::Answer answer = format_.registry->Get(id);
      pending_ = answer.pending;
      if (answer.schema == nullptr) return nullptr;
      auto schema = std::make_unique<Schema>();
      schema->by_id = std::make_unique<ById>(format_, &rows_);
      const Status status = schema->by_id->Make(*answer.schema);
      if (!status.ok()) {
        schema->by_id = nullptr;
        schema->fault = absl::StrCat("schema ", id, ": ", status.message());
      }
      found = schemas_.emplace(id, std::move(schema)).first;
    }
    last_id_ = id;
    last_ = found->second.get();
    return last_;
  }

  const Format format_;
  RowWriter rows_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Schema>> schemas_;
  uint32_t last_id_ = 0;
  Schema* last_ = nullptr;
  std::shared_ptr<const Pending> pending_;
};

}  // namespace

StatusOr<std::shared_ptr<const AvroSchema>> AvroOfRegistered(const RegisteredSchema& schema) {
  if (schema.kind != RegisteredSchema::Kind::kAvro) {
    return absl::InvalidArgumentError("it is no Avro schema");
  }
  std::vector<AvroReference> references;
  for (const RegisteredSchema::Reference& reference : schema.references) {
    references.push_back({reference.name, reference.text});
  }
  return AvroSchema::Parse(schema.text, references);
}

StatusOr<std::shared_ptr<const ProtobufDescriptors>> ProtobufOfRegistered(
    const RegisteredSchema& schema) {
  if (schema.kind != RegisteredSchema::Kind::kProtobuf) {
    return absl::InvalidArgumentError("it is no Protobuf schema");
  }
  std::vector<ProtoText> files;
  for (const RegisteredSchema::Reference& reference : schema.references) {
    files.push_back({reference.name, reference.text});
  }
  files.push_back({"registered.proto", schema.text});
  return ProtobufDescriptors::Compile(files);
}

StatusOr<std::unique_ptr<Codec>> MakeRegistryAvro(const Format& format,
                                                  const CodecOptions& options) {
  return std::make_unique<RegistryCodec<AvroById>>(format, options);
}

StatusOr<std::unique_ptr<Codec>> MakeRegistryProtobuf(const Format& format,
                                                      const CodecOptions& options) {
  return std::make_unique<RegistryCodec<ProtobufById>>(format, options);
}

}  // namespace vigil::ingest
