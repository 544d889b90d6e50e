// An Avro container file as a stream of records with their lengths (Framing::kContained), so that
// it is split, skipped and found again as any other file: a place in it is one in this stream.
//
// The stream follows from the file's content alone, whatever its blocks are compressed with.
// Memory: that of AvroFile, and a record. Tests: tests/ingest/source_tail_test.cc.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "ingest/avro_file.h"
#include "ingest/record_splitter.h"
#include "io/byte_source.h"

namespace vigil::ingest {

class AvroStream : public io::ByteSource {
 public:
  // Errors: as AvroFile::Open().
  static StatusOr<std::unique_ptr<AvroStream>> Open(std::unique_ptr<io::ByteSource> source);

  // As the file has it.
  const std::string& schema_text() const { return file_->schema_text(); }

  StatusOr<size_t> Read(char* buffer, size_t size) override;
  const std::string& name() const override { return name_; }

 private:
  AvroStream(std::string name, std::unique_ptr<AvroFile> file)
      : name_(std::move(name)), file_(std::move(file)) {}

  const std::string name_;
  std::unique_ptr<AvroFile> file_;
  std::string record_;  // from at_ on to be handed out
  size_t at_ = 0;
};

// The bytes that a splitter of this framing takes of the file at `path`, and what it is to be given
// as the header; empty unless the file brings one beside its records.
struct OpenedStream {
  std::unique_ptr<io::ByteSource> bytes;
  std::string header;
};
StatusOr<OpenedStream> OpenStream(const std::string& path, Framing framing);

}  // namespace vigil::ingest
