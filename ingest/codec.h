// What turns records' bytes into rows of a batch: one codec per format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "cep/event/batch.h"
#include "cep/event/schema.h"
#include "ingest/event_time.h"

namespace vigil::ingest {

struct CodecOptions {
  std::shared_ptr<const cep::Layout> layout;
  std::shared_ptr<const cep::Schema>
      schema;  // its strict_types() decides what a value of another type costs
  TimeSpec time;
  bool strict = false;
  bool positions =
      false;  // records carry `_source _topic _partition _offset`, which stand for their own
};

// One record as its source found it. Its bytes stay valid as long as the batch's chunks, and
// ChunkPool::kPadding bytes behind them may be read.
struct RawRecord {
  std::string_view bytes;
  const cep::Partition* partition = nullptr;
  uint64_t offset = 0;
  uint64_t line = 0;  // 1-based; 0 where the source has no lines
  const char* broken =
      nullptr;  // why it cannot be decoded at all (a line over the limit); null if it can
};

// A record's bytes are kept for the errors output up to here.
inline constexpr size_t kRejectedBytes = 64 << 10;

// Thread safety: none; one owner at a time.
class Codec {
 public:
  virtual ~Codec() = default;

  // Appends each of the records to `batch` as a row or as a rejected record. The batch has room for
  // them all.
  virtual void Decode(const RawRecord* records, size_t count, cep::Batch* batch) = 0;

  // Of the records it decodes; lives as long as the codec.
  virtual const cep::RecordRenderer& renderer() const = 0;
};

// Appends a rejected record: `line N, byte B: WHAT`, without what is 0. `byte` is 1-based.
void Reject(const RawRecord& record, uint64_t byte, std::string_view what, cep::Batch* batch);

}  // namespace vigil::ingest
