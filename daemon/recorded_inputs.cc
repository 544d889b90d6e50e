#include "daemon/recorded_inputs.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "ingest/avro_file.h"
#include "ingest/codec_avro_schema.h"
#include "ingest/codec_protobuf_plan.h"
#include "ingest/infer.h"
#include "ingest/source_file.h"
#include "io/open_input.h"
#include "io/rewindable_source.h"

namespace vigil::daemon {
namespace {

// Counts what passes through it.
class CountedBytes : public io::ByteSource {
 public:
  CountedBytes(std::unique_ptr<io::ByteSource> bytes, std::atomic<uint64_t>* count)
      : bytes_(std::move(bytes)), count_(count) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    StatusOr<size_t> n = bytes_->Read(buffer, size);
    if (n.ok()) count_->fetch_add(*n, std::memory_order_relaxed);
    return n;
  }
  const std::string& name() const override { return bytes_->name(); }

 private:
  std::unique_ptr<io::ByteSource> bytes_;
  std::atomic<uint64_t>* count_;
};

// An input given twice is two partitions.
std::string UniquePlace(const std::string& path, std::set<std::string>* taken) {
  std::string place = path;
  for (int n = 2; !taken->insert(place).second; ++n) place = path + "#" + std::to_string(n);
  return place;
}

// Adds what `schema` has. Fields of different types together are double where both are numbers,
// else dyn.
void AddFields(const cep::Schema& schema, std::vector<cep::Field>* fields) {
  const auto is_number = [](const cep::Type& type) {
    return type.kind == cep::TypeKind::kInt || type.kind == cep::TypeKind::kDouble;
  };
  for (const cep::Field& field : schema.fields()) {
    const auto same = std::find_if(fields->begin(), fields->end(),
                                   [&](const cep::Field& f) { return f.name == field.name; });
    if (same == fields->end()) {
      fields->push_back(field);
    } else if (!(same->type == field.type)) {
      const bool are_numbers = is_number(same->type) && is_number(field.type);
      same->type = are_numbers ? cep::TypeKind::kDouble : cep::TypeKind::kDyn;
    }
  }
}

}  // namespace

RecordedInputs::RecordedInputs(InputOptions options)
    : options_(std::move(options)), kept_(options_.paths.size()) {
  std::set<std::string> taken;
  for (uint32_t i = 0; i < options_.paths.size(); ++i) {
    partitions_.push_back({"", "", i, UniquePlace(options_.paths[i], &taken)});
  }
}

StatusOr<std::unique_ptr<io::ByteSource>> RecordedInputs::OpenBytes(size_t input) {
  if (kept_[input] != nullptr) return std::move(kept_[input]);
  return io::OpenInput(options_.paths[input]);
}

// What an Avro file, or the message of length-delimited records, declares.
StatusOr<cep::Schema> RecordedInputs::DeclaredSchema(const std::string& path,
                                                     io::InputFormat format) {
  if (format == io::InputFormat::kAvro) {
    ASSIGN_OR_RETURN(std::unique_ptr<io::ByteSource> bytes, io::OpenInput(path));
    ASSIGN_OR_RETURN(const std::unique_ptr<ingest::AvroFile> file,
                     ingest::AvroFile::Open(std::move(bytes)));
    return ingest::SchemaOfAvro(*file->schema());
  }
  for (const ingest::Format& known : options_.formats) {
    if (known.writer != nullptr) return ingest::SchemaOfAvro(*known.writer);
    if (known.descriptors == nullptr) continue;
    ASSIGN_OR_RETURN(const google::protobuf::Descriptor* message,
                     known.message.empty() ? known.descriptors->FindOnly()
                                           : known.descriptors->Find(known.message));
    return ingest::SchemaOfMessage(*message);
  }
  return cep::Schema();  // opening it says what is missing
}

StatusOr<std::shared_ptr<const cep::Schema>> RecordedInputs::InferSchema() {
  ingest::SchemaInference inference;
  std::vector<cep::Field> declared;
  for (size_t i = 0; i < options_.paths.size(); ++i) {
    ASSIGN_OR_RETURN(const io::InputName name, io::ParseInputName(options_.paths[i]));
    if (name.format == io::InputFormat::kAvro || name.format == io::InputFormat::kProtobuf) {
      ASSIGN_OR_RETURN(const cep::Schema schema, DeclaredSchema(options_.paths[i], name.format));
      AddFields(schema, &declared);
      continue;
    }
    ASSIGN_OR_RETURN(std::unique_ptr<io::ByteSource> bytes, io::OpenInput(options_.paths[i]));
    if (options_.paths[i] != "-") {
      RETURN_IF_ERROR(inference.AddInput(options_.paths[i], std::move(bytes), kInferRecords));
      continue;
    }
    auto rewindable = std::make_unique<io::RewindableSource>(std::move(bytes));
    RETURN_IF_ERROR(inference.AddInput("-", rewindable.get(), kInferRecords));
    rewindable->Rewind();
    kept_[i] = std::move(rewindable);
  }
  const cep::Schema inferred = inference.Finish();
  if (declared.empty()) return std::make_shared<const cep::Schema>(inferred);
  AddFields(inferred, &declared);
  return std::make_shared<const cep::Schema>(std::move(declared), inferred.undeclared());
}

StatusOr<std::vector<cep::KnownPartition>> RecordedInputs::FindPartitions(const std::string& path) {
  if (path == "-") {
    return absl::InvalidArgumentError(
        "--positions reads its input twice, which standard input does not allow: name a file");
  }
  const auto layout = std::make_shared<const cep::Layout>();
  const cep::Partition unnamed;
  ASSIGN_OR_RETURN(std::unique_ptr<ingest::FileSource> source,
                   ingest::FileSource::Open({.path = path,
                                             .partition = &unnamed,
                                             .layout = layout,
                                             .schema = std::make_shared<const cep::Schema>(),
                                             .time = options_.time,
                                             .strict = false,
                                             .formats = options_.formats,
                                             .positions = true}));
  struct Found {
    std::string source;
    uint64_t first_offset = UINT64_MAX;
    uint64_t last_offset = 0;
  };
  std::map<std::string, Found> by_place;
  cep::Batch batch(layout);
  for (bool end = false; !end;) {
    RETURN_IF_ERROR(source->Read(&batch, &end));
    const auto note = [&by_place](const cep::Partition& partition, uint64_t offset) {
      Found& found = by_place[partition.place];
      found.source = partition.source;
      found.first_offset = std::min(found.first_offset, offset);
      found.last_offset = std::max(found.last_offset, offset);
    };
    for (uint32_t row = 0; row < batch.rows; ++row) {
      note(*batch.partitions[row], batch.offsets[row]);
    }
    for (const cep::Rejected& rejected : batch.rejected) {
      if (rejected.partition != &unnamed) note(*rejected.partition, rejected.offset);
    }
  }
  std::vector<cep::KnownPartition> known;
  for (const auto& [place, found] : by_place) {
    known.push_back({place, true, found.last_offset, found.source, found.first_offset});
  }
  return known;
}

StatusOr<std::vector<cep::JobSource>> RecordedInputs::Open(
    std::shared_ptr<const cep::Layout> layout, std::shared_ptr<const cep::Schema> schema,
    std::shared_ptr<const cep::Expression> time) {
  std::vector<cep::JobSource> sources;
  for (size_t i = 0; i < options_.paths.size(); ++i) {
    cep::JobSource source;
    if (options_.positions) {
      ASSIGN_OR_RETURN(source.partitions, FindPartitions(options_.paths[i]));
    } else {
      source.partitions.push_back({partitions_[i].place});
    }
    ASSIGN_OR_RETURN(std::unique_ptr<io::ByteSource> bytes, OpenBytes(i));
    ASSIGN_OR_RETURN(source.source, ingest::FileSource::Open({.path = options_.paths[i],
                                                              .partition = &partitions_[i],
                                                              .layout = layout,
                                                              .schema = schema,
                                                              .time = options_.time,
                                                              .strict = options_.strict,
                                                              .formats = options_.formats,
                                                              .positions = options_.positions,
                                                              .time_expression = time},
                                                             std::make_unique<CountedBytes>(
                                                                 std::move(bytes), &bytes_read_)));
    sources.push_back(std::move(source));
  }
  return sources;
}

uint64_t RecordedInputs::bytes_total() const {
  uint64_t total = 0;
  for (const std::string& path : options_.paths) {
    const StatusOr<io::InputName> name = io::ParseInputName(path);
    std::error_code error;
    const uint64_t size = path == "-" ? 0 : std::filesystem::file_size(path, error);
    if (error || size == 0 || !name.ok() || name->compression != io::Compression::kNone) return 0;
    total += size;
  }
  return total;
}

}  // namespace vigil::daemon
