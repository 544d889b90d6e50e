#include "io/gzip_source.h"

#include <algorithm>
#include <climits>
#include <utility>

#include <zlib.h>

#include "io/compressed_input.h"

namespace vigil::io {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // inflateInit2: a gzip header, the largest window

class Gzip : public ByteSource {
 public:
  explicit Gzip(std::unique_ptr<ByteSource> compressed) : input_(std::move(compressed)) {}
  ~Gzip() override {
    if (started_) inflateEnd(&stream_);
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  const std::string& name() const override { return input_.name(); }

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (!failure_.ok()) return failure_;
    StatusOr<size_t> n = Inflate(buffer, std::min<size_t>(size, INT_MAX));
    if (!n.ok()) failure_ = n.status();
    return n;
  }

 private:
  StatusOr<size_t> Inflate(char* buffer, size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size) {
      RETURN_IF_ERROR(input_.Fill());
      if (!in_member_) {
        ASSIGN_OR_RETURN(const bool more, NextMember());
        if (!more) return 0;
        continue;  // skipping padding may have used up the buffer
      }
      if (input_.size() == 0) return input_.Damaged("the gzip data is cut short");
      RETURN_IF_ERROR(Step());
    }
    return size - stream_.avail_out;
  }

  // Between members: false at the end of the file.
  StatusOr<bool> NextMember() {
    if (any_member_) SkipPadding();
    if (input_.size() == 0) {
      RETURN_IF_ERROR(input_.Fill());
      if (input_.size() == 0) return false;
      return true;
    }
    if (padded_) return input_.Damaged("unexpected data after the end of the gzip data");
    const int code = started_ ? inflateReset(&stream_) : inflateInit2(&stream_, kGzipOnly);
    if (code != Z_OK) return absl::ResourceExhaustedError("cannot start zlib");
    started_ = in_member_ = any_member_ = true;
    return true;
  }

  void SkipPadding() {
    while (input_.size() > 0 && *input_.data() == 0) {
      input_.Consume(1);
      padded_ = true;
    }
  }

  Status Step() {
    // zlib's input pointer is not const, but it only reads.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
    stream_.avail_in = static_cast<uInt>(input_.size());
    const int code = inflate(&stream_, Z_NO_FLUSH);
    input_.Consume(input_.size() - stream_.avail_in);
    if (code == Z_STREAM_END) {
      in_member_ = false;
      return absl::OkStatus();
    }
    if (code == Z_OK || code == Z_BUF_ERROR) return absl::OkStatus();
    if (code == Z_MEM_ERROR) return absl::ResourceExhaustedError("zlib is out of memory");
    return input_.Damaged("the gzip data is damaged");
  }

  CompressedInput input_;
  z_stream stream_ = {};
  bool started_ = false;     // stream_ is initialised
  bool in_member_ = false;   // between a member's first byte and its last
  bool any_member_ = false;  // padding may follow
  bool padded_ = false;      // and nothing may follow padding
  Status failure_;           // repeated by every later Read()
};

}  // namespace

std::unique_ptr<ByteSource> GzipSource(std::unique_ptr<ByteSource> compressed) {
  return std::make_unique<Gzip>(std::move(compressed));
}

}  // namespace vigil::io
