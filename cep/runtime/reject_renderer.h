// Renders what a source turns away, for the outputs `late` and `errors`.
#pragma once

#include <cstdint>

#include "cep/event/batch.h"
#include "cep/event/record.h"

namespace vigil::cep {

// Called by the thread that drives the job.
class RejectRenderer {
 public:
  virtual ~RejectRenderer() = default;
  virtual Record RenderLate(const Batch& batch, uint32_t row, int64_t watermark) = 0;
  virtual Record RenderRejected(const Rejected& rejected, int64_t watermark) = 0;
};

}  // namespace vigil::cep
