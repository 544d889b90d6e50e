// Splits a binary file into records before anything decodes them, so that one bad record never
// costs another one where the format allows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/batch.h"
#include "ingest/codec.h"

namespace vigil::ingest {

// Thread safety: none; one owner at a time.
class RecordReader {
 public:
  virtual ~RecordReader() = default;

  // Fills up to `want` records (partition, bytes, offset, broken) in the order of the file, and
  // adds the chunks that hold them to `chunks`. 0: the end, or reading failed: see status(). What
  // came before a failure has been handed out. Texts in `broken` live until the next call.
  virtual size_t Split(size_t want, const cep::Partition* partition, RawRecord* records,
                       std::vector<std::shared_ptr<const cep::Chunk>>* chunks) = 0;

  virtual const Status& status() const = 0;
};

}  // namespace vigil::ingest
