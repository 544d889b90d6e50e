// A recorded input: a file or standard input, JSON Lines, CSV, Avro or length-delimited records,
// plain or compressed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/batch.h"
#include "cep/event/expression.h"
#include "cep/runtime/source.h"
#include "ingest/codec.h"
#include "ingest/event_time.h"
#include "ingest/formats.h"
#include "ingest/line_reader.h"
#include "ingest/record_reader.h"
#include "io/byte_source.h"

namespace vigil::ingest {

struct FileSourceOptions {
  std::string
      path;  // its name says format and compression (io/open_input.h); `-` is standard input
  const cep::Partition* partition = nullptr;  // of the records; borrowed
  std::shared_ptr<const cep::Layout> layout;
  std::shared_ptr<const cep::Schema> schema;
  TimeSpec time;
  bool strict = false;
  // What length-delimited records (`.pb`) are, tried in order; of an Avro file the first Avro
  // format's reader counts. Others say by their name what they are.
  std::vector<Format> formats;
  // How long a record may wait for its schema before reading fails.
  std::chrono::milliseconds schema_wait = std::chrono::minutes(2);
  // Records name the partition and offset they stand for in `_source _topic _partition _offset`.
  bool positions = false;
  // Of events whose time is an expression; null: it is what `time` says.
  std::shared_ptr<const cep::Expression> time_expression;
};

// A record's offset is its number: the 0-based count of records; of lines those that are neither
// blank nor a CSV file's header. Messages name the line in the file, 1-based. A record whose schema
// is on its way holds up the file. Batches borrow partitions and the renderer from the source.
class FileSource : public cep::Source {
 public:
  // Opens the file. Errors: io::OpenInput()'s; INVALID_ARGUMENT where `formats` say too little; of
  // a CSV or Avro file, what is wrong with its header.
  static StatusOr<std::unique_ptr<FileSource>> Open(const FileSourceOptions& options);
  // The same over bytes that are already open, e.g. a RewindableSource; options.path still names
  // the format.
  static StatusOr<std::unique_ptr<FileSource>> Open(const FileSourceOptions& options,
                                                    std::unique_ptr<io::ByteSource> bytes);

  Status Read(cep::Batch* batch, bool* end) override;

 private:
  FileSource(const FileSourceOptions& options, std::unique_ptr<io::ByteSource> bytes);
  Status Start();
  Status StartCsv();
  Status StartAvro();
  Status StartDelimited();
  size_t Split(size_t want, cep::Batch* batch);
  size_t SplitLines(size_t want, cep::Batch* batch);
  Status Await() const;
  const Status& input_status() const;

  const FileSourceOptions options_;
  std::unique_ptr<io::ByteSource> bytes_;  // until Start()
  std::optional<LineReader> lines_;        // of texts
  std::vector<Line> split_;                // scratch of SplitLines()
  std::unique_ptr<RecordReader> binary_;   // of the other formats
  std::unique_ptr<Codec> codec_;
  uint64_t header_records_ = 0;  // records of the line reader that are no records of the source
  std::vector<RawRecord> records_;
  // Of records_, those that were split but not decoded, and the chunks that hold them.
  size_t held_begin_ = 0;
  size_t held_end_ = 0;
  std::vector<std::shared_ptr<const cep::Chunk>> held_chunks_;
  bool at_end_ = false;
};

}  // namespace vigil::ingest
