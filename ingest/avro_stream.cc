#include "ingest/avro_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "cep/base/encoding.h"
#include "io/open_input.h"

namespace vigil::ingest {

StatusOr<std::unique_ptr<AvroStream>> AvroStream::Open(std::unique_ptr<io::ByteSource> source) {
  std::string name = source->name();
  ASSIGN_OR_RETURN(std::unique_ptr<AvroFile> file, AvroFile::Open(std::move(source)));
  return std::unique_ptr<AvroStream>(new AvroStream(std::move(name), std::move(file)));
}

StatusOr<size_t> AvroStream::Read(char* buffer, size_t size) {
  size_t count = 0;
  while (count < size) {
    if (at_ == record_.size()) {
      RawRecord record;
      std::vector<std::shared_ptr<const cep::Chunk>> chunks;
      if (file_->Split(1, nullptr, &record, &chunks) == 0) {
        if (count == 0) RETURN_IF_ERROR(file_->status());
        break;
      }
      record_.clear();
      at_ = 0;
      AppendContained(record.bytes, record.broken, &record_);
    }
    const size_t part = std::min(size - count, record_.size() - at_);
    std::memcpy(buffer + count, record_.data() + at_, part);
    count += part;
    at_ += part;
  }
  return count;
}

StatusOr<OpenedStream> OpenStream(const std::string& path, Framing framing) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::ByteSource> bytes, io::OpenBytes(path));
  if (framing != Framing::kContained) return OpenedStream{std::move(bytes), ""};
  ASSIGN_OR_RETURN(std::unique_ptr<AvroStream> stream, AvroStream::Open(std::move(bytes)));
  std::string schema = stream->schema_text();
  return OpenedStream{std::move(stream), std::move(schema)};
}

}  // namespace vigil::ingest
