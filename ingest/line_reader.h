// Splits a byte stream into lines before anything parses them, so that one bad line never costs
// another one.
//
// A line ends at '\n' (one '\r' before it is dropped) or at the end of the stream. A byte order
// mark at the start of the stream is dropped. Lines of spaces and tabs only are skipped; they count
// as lines but not as records. Invariants: (1) a line lies in one chunk, with kPadding readable
// bytes behind it.
//             (2) a chunk's bytes do not change once a line in them was handed out; more may be
//             read behind them. (3) memory is bounded: one chunk of the usual size, or of a line's
//             when it is longer (kMaxLine).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cep/base/status.h"
#include "cep/event/batch.h"
#include "ingest/chunk_pool.h"
#include "io/byte_source.h"

namespace vigil::ingest {

struct Line {
  std::string_view text;  // without its line end
  uint64_t number = 0;    // in the stream, 1-based, blank lines included
  uint64_t record = 0;    // 0-based count of lines that are not blank
  bool too_long = false;  // over kMaxLine: `text` is the line's beginning, the rest was skipped
};

// Thread safety: none; one owner at a time.
class LineReader {
 public:
  static constexpr size_t kChunkBytes = 256 << 10;
  static constexpr size_t kMaxLine = 16 << 20;
  static constexpr size_t kTooLongKept = 64 << 10;

  struct Options {
    size_t chunk_bytes = kChunkBytes;
    size_t max_line = kMaxLine;  // bytes, without the line end
  };

  explicit LineReader(std::unique_ptr<io::ByteSource> source);
  LineReader(std::unique_ptr<io::ByteSource> source, const Options& options);

  // The next line that is not blank. Returns false at the end of the stream or when reading failed:
  // see status(). What came before a failure has been handed out; a line that it cut short has not.
  bool Next(Line* line);

  // The next lines, at most `most` of them, all in one chunk; returns how many. 0: as Next().
  size_t NextGroup(Line* lines, size_t most);

  const Status& status() const { return status_; }
  // The chunk that holds the last lines; keep a reference for as long as their text is used.
  const std::shared_ptr<cep::Chunk>& chunk() const { return chunk_; }
  const std::string& name() const { return source_->name(); }

 private:
  bool FindLine(std::string_view* text);
  bool Refill();
  bool ReadInto(size_t room);
  void StartChunk(size_t want);
  bool SkipLongLine(std::string_view* text);

  std::unique_ptr<io::ByteSource> source_;
  const Options options_;
  ChunkPool pool_;
  std::shared_ptr<cep::Chunk> chunk_;
  size_t capacity_ = 0;  // of chunk_, without padding
  size_t begin_ = 0;     // of what has not been handed out
  size_t scanned_ = 0;   // no line end in [begin_, scanned_)
  uint64_t lines_ = 0;
  uint64_t records_ = 0;
  bool at_end_ = false;
  Status status_;
};

}  // namespace vigil::ingest
