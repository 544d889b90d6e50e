// The compressed side of a decompressor: a buffer that is refilled from the source and knows its
// offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <absl/strings/str_cat.h>

#include "cep/base/status.h"
#include "io/byte_source.h"

namespace vigil::io {

class CompressedInput {
 public:
  explicit CompressedInput(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)), buffer_(new char[kBufferBytes]) {}

  // Reads more if nothing is left. OK with size() == 0: the end.
  Status Fill() {
    if (begin_ < end_) return absl::OkStatus();
    ASSIGN_OR_RETURN(const size_t n, source_->Read(buffer_.get(), kBufferBytes));
    offset_ += end_;
    begin_ = 0;
    end_ = n;
    return absl::OkStatus();
  }

  const char* data() const { return buffer_.get() + begin_; }
  size_t size() const { return end_ - begin_; }
  void Consume(size_t n) { begin_ += n; }

  const std::string& name() const { return source_->name(); }

  // An error at the current offset: `NAME: WHAT at byte N of the compressed data`.
  Status Damaged(const char* what) const {
    return absl::DataLossError(
        absl::StrCat(name(), ": ", what, " at byte ", offset_ + begin_, " of the compressed data"));
  }

 private:
  static constexpr size_t kBufferBytes = 128 << 10;

  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t offset_ = 0;  // of buffer_[0] in the compressed stream
};

}  // namespace vigil::io
