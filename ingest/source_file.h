// A recorded input: a file or standard input, JSON Lines or CSV, plain or compressed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/batch.h"
#include "cep/runtime/source.h"
#include "ingest/codec.h"
#include "ingest/event_time.h"
#include "ingest/line_reader.h"
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
  // Records name the partition and offset they stand for in `_source _topic _partition _offset`.
  bool positions = false;
};

// A record's offset is its number: the 0-based count of lines that are neither blank nor a CSV
// file's header. Messages name the line in the file, 1-based. Batches borrow partitions and the
// renderer from the source.
class FileSource : public cep::Source {
 public:
  // Opens the file. Errors: io::OpenInput()'s; INVALID_ARGUMENT where no codec reads the format; of
  // a CSV file, what is wrong with its header.
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
  size_t SplitLines(size_t want, cep::Batch* batch);

  const FileSourceOptions options_;
  LineReader lines_;
  std::vector<Line> split_;  // scratch of SplitLines()
  std::unique_ptr<Codec> codec_;
  uint64_t header_records_ = 0;  // records of the line reader that are no records of the source
  std::vector<RawRecord> records_;
  bool at_end_ = false;
};

}  // namespace vigil::ingest
