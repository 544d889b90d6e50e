// The inputs of a replay: files and standard input, opened, their schema inferred, their partitions
// known.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "cep/runtime/job.h"
#include "ingest/event_time.h"
#include "ingest/formats.h"
#include "io/byte_source.h"
#include "io/open_input.h"

namespace vigil::daemon {

struct InputOptions {
  std::vector<std::string> paths;  // `-` is standard input
  ingest::TimeSpec time;
  bool strict = false;
  bool positions = false;               // records name their own partitions and offsets
  std::vector<ingest::Format> formats;  // of `.pb` and `.avro` inputs (ingest::FileSourceOptions)
};

// Records of each input from which a schema is inferred.
inline constexpr size_t kInferRecords = 10'000;

// Thread safety: none, but bytes_read() may be called from any thread.
class RecordedInputs {
 public:
  explicit RecordedInputs(InputOptions options);

  // The schema of the first kInferRecords records of every input, of Avro files their own, of `.pb`
  // files that of their message; undeclared identifiers are `dyn`
  // with a warning. Standard input is kept so that Open() serves it from its start.
  StatusOr<std::shared_ptr<const cep::Schema>> InferSchema();

  // The sources of a job, in the order of the paths. With `positions`, files are read once
  // beforehand to learn which partitions they hold and where each ends.
  //   time   of events whose time is an expression; null: it is what the options say
  StatusOr<std::vector<cep::JobSource>> Open(std::shared_ptr<const cep::Layout> layout,
                                             std::shared_ptr<const cep::Schema> schema,
                                             std::shared_ptr<const cep::Expression> time = nullptr);

  // Bytes read so far by the opened sources, decompressed.
  uint64_t bytes_read() const { return bytes_read_; }
  // Their sum over all inputs, or 0 if that is not known (standard input, compressed files).
  uint64_t bytes_total() const;

 private:
  StatusOr<std::unique_ptr<io::ByteSource>> OpenBytes(size_t input);
  StatusOr<cep::Schema> DeclaredSchema(const std::string& path, io::InputFormat format);
  StatusOr<std::vector<cep::KnownPartition>> FindPartitions(const std::string& path);

  InputOptions options_;
  std::deque<cep::Partition> partitions_;  // one per input
  std::vector<std::unique_ptr<io::ByteSource>>
      kept_;  // by input: standard input after InferSchema()
  std::atomic<uint64_t> bytes_read_ = 0;
};

}  // namespace vigil::daemon
