// Splits bytes that come piece by piece into records, before anything parses them: what a file that
// grows, a connection and a request's body have in common.
//
// Complete records leave in blocks, each with memory of its own, so that another thread may read a
// block while more bytes come; what is not complete stays. Lines end as those of LineReader: '\n',
// one '\r' before it is dropped, a byte order mark at the start too, blank lines are skipped.
// Memory: the longest record, and what was added to it at once. Cost: each byte is looked at and
// copied once. Tests: tests/ingest/record_splitter_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/batch.h"
#include "ingest/chunk_pool.h"

namespace vigil::ingest {

enum class Framing : uint8_t {
  kLines,
  kDelimited,  // a varint, the length in bytes, then the bytes, as Protobuf's writeDelimitedTo()
  kContained   // AppendContained(): what a container file has been taken apart to
};

// Appends a record as kContained has it: a varint, the length of what follows; the length of a text
// that says why the record is broken, and the text; the record.
//   broken   null if it is not
void AppendContained(std::string_view record, const char* broken, std::string* out);

struct SplitOptions {
  Framing framing = Framing::kLines;
  // Streams have a header: of kLines the first line, which names the cells of the others.
  bool has_header = false;
  size_t max_record = 16 << 20;
};

// What the records of a stream are read by: the first line of CSV, the schema of a container file.
struct StreamHeader {
  std::string text;
  const char* broken = nullptr;  // why it is none; null if it may be one
};

struct SplitRecord {
  uint32_t begin = 0;  // in the block's chunk
  uint32_t size = 0;
  uint64_t offset = 0;           // where it begins in its stream, in bytes
  uint64_t line = 0;             // 1-based; 0 where there are no lines
  const char* broken = nullptr;  // why it cannot be decoded at all
};

struct RecordBlock {
  std::shared_ptr<const cep::Chunk> chunk;
  std::vector<SplitRecord> records;
  std::shared_ptr<const StreamHeader> header;  // with has_header
  uint64_t next_offset = 0;                    // in the stream, behind the last record
  std::vector<int64_t> times;       // of the records' events, if known already; else empty
  std::deque<std::string> reasons;  // that records are broken for, beside constant ones

  size_t bytes() const {
    return sizeof(RecordBlock) + records.size() * sizeof(SplitRecord) +
           times.size() * sizeof(int64_t) +
           (chunk == nullptr ? 0 : chunk->size + ChunkPool::kPadding);
  }
};

// Thread safety: none; one owner at a time.
class RecordSplitter {
 public:
  static constexpr size_t kTooLongKept = 64 << 10;

  // `pool` is borrowed; it serves blocks that are worth one of its chunks.
  RecordSplitter(const SplitOptions& options, ChunkPool* pool) : options_(options), pool_(pool) {}

  // A new stream, whose next byte has this offset; what is left of the former one is dropped.
  void Reset(uint64_t offset);
  // The header of a stream that is not read from its beginning.
  void SetHeader(std::string text);
  // What comes before the next line end belongs to no record: the stream begins within one.
  void SkipRest() { skips_rest_ = true; }
  // Which line the stream begins with is not known: records have no line numbers.
  void ForgetLines() { knows_lines_ = false; }

  // Where the next bytes go, `size` of them at most.
  char* Room(size_t size);
  void Added(size_t size) { size_ += size; }

  // The records that are complete; false if there are none.
  bool Take(RecordBlock* block);
  // The same once the stream has ended: of lines the last one is complete, too; a delimited record
  // is broken.
  bool Finish(RecordBlock* block);

  // Bytes of a record that is not complete.
  size_t held() const { return size_; }

 private:
  void Split(RecordBlock* block);
  bool NextLine(RecordBlock* block);
  bool NextDelimited(RecordBlock* block);
  void AddLine(size_t end, size_t next, RecordBlock* block);
  void AddContained(size_t begin, size_t size, RecordBlock* block);
  void AddRecord(size_t begin, size_t size, size_t next, const char* broken, RecordBlock* block);
  void KeepHead();
  void Emit(RecordBlock* block);

  const SplitOptions options_;
  ChunkPool* pool_;
  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t at_ = 0;       // of what has not been split
  size_t scanned_ = 0;  // no line end in [at_, scanned_)
  uint64_t base_ = 0;   // the stream's offset of data_[0]
  // Of a record that is too long only the head is kept, at the front of the data; so many bytes
  // behind it were skipped.
  bool is_too_long_ = false;
  uint64_t skipped_ = 0;
  uint64_t left_ = 0;  // kDelimited: bytes still to be skipped
  bool skips_rest_ = false;
  bool is_lost_ = false;  // where records end is not known any more
  bool is_start_ = true;
  uint64_t lines_ = 0;
  bool knows_lines_ = true;
  std::shared_ptr<const StreamHeader> header_;
};

}  // namespace vigil::ingest
