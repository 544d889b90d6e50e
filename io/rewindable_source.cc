#include "io/rewindable_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vigil::io {

RewindableSource::RewindableSource(std::unique_ptr<ByteSource> source)
    : source_(std::move(source)) {}

StatusOr<size_t> RewindableSource::Read(char* buffer, size_t size) {
  if (recording_) {
    ASSIGN_OR_RETURN(const size_t n, source_->Read(buffer, size));
    kept_.append(buffer, n);
    return n;
  }
  if (served_ < kept_.size()) {
    const size_t n = std::min(size, kept_.size() - served_);
    std::memcpy(buffer, kept_.data() + served_, n);
    served_ += n;
    return n;
  }
  std::string().swap(kept_);
  served_ = 0;
  return source_->Read(buffer, size);
}

void RewindableSource::Rewind() { recording_ = false; }

}  // namespace vigil::io
