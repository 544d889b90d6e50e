// What turns records' bytes into rows of a batch: one codec per format.
//
// A codec that decodes by a schema registry may have to wait for a schema. It never blocks and
// never drops: Decode() stops before the record, and pending() says what it stopped for. The source
// keeps that record and every later one of the same partition, goes on with other partitions
// (Decode() may be called with their records at once), and hands the kept ones in again, from the
// first, when pending()->ready(). Asking costs one atomic load, so a source asks between its polls.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
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

// What records wait for: an answer that another thread is fetching. Thread safe.
class Pending {
 public:
  virtual ~Pending() = default;

  // Whether it is worth decoding again: the answer is there, whatever it is.
  virtual bool ready() const = 0;
  // Blocks until ready(), at most for `limit`; returns ready(). For sources with nothing else to
  // do.
  virtual bool Wait(std::chrono::milliseconds limit) const = 0;
  // What is awaited, and what the last try failed with: `schema 7 of http://registry:8081: connect:
  // Connection refused (3 tries)`.
  virtual std::string Describe() const = 0;
};

// Thread safety: none; one owner at a time.
class Codec {
 public:
  virtual ~Codec() = default;

  // Appends records to `batch`, each as a row or as a rejected record, and returns how many it
  // took. The batch has room for them all. Fewer than `count`: records[returned] waits for
  // pending(), and of it nothing was appended. Codecs without a registry take them all.
  virtual size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) = 0;

  // What the record at which the last Decode() stopped waits for; null if it took them all. Shared:
  // it may be kept while records of other partitions are decoded.
  virtual std::shared_ptr<const Pending> pending() const { return nullptr; }

  // Of the records it decodes; lives as long as the codec. A source sets it as its batches'
  // renderer; a codec whose records differ sets batch->renderers beside it.
  virtual const cep::RecordRenderer& renderer() const = 0;
};

// Makes `renderer` that of the batch's next row alone.
void SetRowRenderer(const cep::RecordRenderer* renderer, cep::Batch* batch);

// Appends a rejected record: `line N, byte B: WHAT`, without what is 0. `byte` is 1-based.
void Reject(const RawRecord& record, uint64_t byte, std::string_view what, cep::Batch* batch);

}  // namespace vigil::ingest
