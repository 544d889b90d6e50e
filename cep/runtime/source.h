// Where records come from: a file, a Kafka consumer, a socket.
#pragma once

#include "cep/base/status.h"
#include "cep/event/batch.h"

namespace vigil::cep {

// Thread safety: none; one thread reads a source. Batches it filled may be used and freed by any
// thread, but not after the source itself is gone: they point to its partitions and renderer.
class Source {
 public:
  virtual ~Source() = default;

  // Replaces the contents of `batch` by the next records, at most kBatchRows of them and at most
  // kBatchRows rejected ones. Sets `end` when there will be no more; the batch may still hold the
  // last ones then. Errors: what reading the input failed with; the records before it have been
  // handed out.
  virtual Status Read(Batch* batch, bool* end) = 0;
};

}  // namespace vigil::cep
