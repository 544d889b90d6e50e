// Length-delimited records: each is a varint, its length in bytes, and then the bytes, as
// Protobuf's writeDelimitedTo() makes them.
//
// A record lies in one chunk, with ChunkPool::kPadding readable bytes behind it. Memory: one chunk
// of the usual size, or of a record's when it is longer.
#pragma once

#include <memory>

#include "ingest/chunk_pool.h"
#include "ingest/record_reader.h"
#include "io/byte_source.h"

namespace vigil::ingest {

// A record longer than kMaxRecord is handed out as broken, with its beginning, and skipped; so is
// one that the file ends in. A length that is no varint ends the file with DATA_LOSS: what follows
// it cannot be split.
class DelimitedReader : public RecordReader {
 public:
  static constexpr size_t kChunkBytes = 256 << 10;
  static constexpr size_t kMaxRecord = 16 << 20;

  explicit DelimitedReader(std::unique_ptr<io::ByteSource> source);

  size_t Split(size_t want, const cep::Partition* partition, RawRecord* records,
               std::vector<std::shared_ptr<const cep::Chunk>>* chunks) override;
  const Status& status() const override { return status_; }

 private:
  bool Next(RawRecord* record);
  bool Fill(size_t want);
  void Skip(uint64_t bytes);

  std::unique_ptr<io::ByteSource> source_;
  ChunkPool pool_;
  std::shared_ptr<cep::Chunk> chunk_;
  size_t capacity_ = 0;    // of chunk_, without padding
  size_t begin_ = 0;       // of what has not been handed out
  uint64_t consumed_ = 0;  // bytes of the file before begin_
  uint64_t left_ = 0;      // of the last record, still to be skipped
  uint64_t records_ = 0;
  bool at_end_ = false;
  Status status_;
};

}  // namespace vigil::ingest
