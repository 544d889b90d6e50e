// Avro object container files: a header with the schema, then blocks of records, each with a sync
// marker behind it.
//
// Records in a block have no lengths: each is found by skipping through it by the schema. A record
// that cannot be skipped hides those behind it in its block; it is handed out as broken, with what
// is left of the block, and the file goes on with the next one. Where a block's frame is damaged
// the reader looks for the next sync marker and says so with one broken record. Codecs: null,
// deflate, snappy, zstandard. Memory: one block, at most kMaxBlock bytes of it compressed and
// decompressed. Source: avro.apache.org/docs/1.11.1/specification ("Object Container Files").
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ingest/codec_avro_read.h"
#include "ingest/codec_avro_schema.h"
#include "ingest/record_reader.h"
#include "io/byte_source.h"

namespace vigil::ingest {

class AvroFile : public RecordReader {
 public:
  static constexpr size_t kMaxBlock = 64 << 20;

  // Reads the header. Errors, naming the file: INVALID_ARGUMENT for what is no container file, has
  // a schema that is not valid, or a codec that is not known; those of reading.
  static StatusOr<std::unique_ptr<AvroFile>> Open(std::unique_ptr<io::ByteSource> source);

  const std::shared_ptr<const AvroSchema>& schema() const { return schema_; }
  const std::string& schema_text() const { return schema_text_; }

  size_t Split(size_t want, const cep::Partition* partition, RawRecord* records,
               std::vector<std::shared_ptr<const cep::Chunk>>* chunks) override;
  const Status& status() const override { return status_; }

 private:
  enum class Compression : uint8_t { kNone, kDeflate, kSnappy, kZstd };

  explicit AvroFile(std::unique_ptr<io::ByteSource> source) : source_(std::move(source)) {}
  Status ReadHeader();
  bool ReadLong(int64_t* out);
  bool Fill(size_t want);
  bool Next(RawRecord* record);
  bool NextBlock();
  bool Resync();
  bool Decompress(std::string_view data, std::string* why);
  void Break(std::string_view bytes, std::string why);

  std::unique_ptr<io::ByteSource> source_;
  std::shared_ptr<const AvroSchema> schema_;
  std::string schema_text_;
  Compression compression_ = Compression::kNone;
  std::string sync_;
  std::string input_;  // of the file, from begin_ on
  size_t begin_ = 0;
  uint64_t consumed_ = 0;  // bytes of the file before input_[0]
  bool at_end_ = false;
  std::shared_ptr<cep::Chunk> block_;  // decompressed
  const char* next_ = nullptr;         // record in block_
  const char* block_end_ = nullptr;
  uint64_t left_ = 0;  // records of the block
  uint64_t records_ = 0;
  bool has_broken_ = false;
  RawRecord broken_;  // to be handed out next
  std::deque<std::string> reasons_;
  AvroReader reader_;
  Arena arena_;
  Status status_;
};

}  // namespace vigil::ingest
