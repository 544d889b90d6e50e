// Batches for reuse: allocating their columns anew for each thousand rows would cost more than
// filling them.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "cep/event/batch.h"

namespace vigil::cep {

// Thread safety: Get() and the release of batches may happen on any threads.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  explicit BatchPool(std::shared_ptr<const Layout> layout) : layout_(std::move(layout)) {}

  // An empty batch that comes back here when its last owner lets it go.
  std::shared_ptr<Batch> Get() {
    std::unique_ptr<Batch> batch;
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        batch = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (batch == nullptr) batch = std::make_unique<Batch>(layout_);
    return {batch.release(), [pool = shared_from_this()](Batch* b) { pool->Return(b); }};
  }

 private:
  static constexpr size_t kMaxFree = 64;

  void Return(Batch* raw) {
    std::unique_ptr<Batch> batch(raw);
    batch->Clear();
    const std::lock_guard lock(mutex_);
    if (free_.size() < kMaxFree) free_.push_back(std::move(batch));
  }

  std::shared_ptr<const Layout> layout_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Batch>> free_;  // guarded by mutex_
};

}  // namespace vigil::cep
