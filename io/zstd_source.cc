#include "io/zstd_source.h"

#include <utility>

#include <absl/strings/str_cat.h>
#include <zstd.h>

#include "io/compressed_input.h"

namespace vigil::io {
namespace {

constexpr int kWindowLogMax = 27;

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

class Zstd : public ByteSource {
 public:
  explicit Zstd(std::unique_ptr<ByteSource> compressed)
      : input_(std::move(compressed)), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr ||
        ZSTD_isError(ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kWindowLogMax))) {
      failure_ = absl::ResourceExhaustedError("cannot start zstd");
    }
  }

  const std::string& name() const override { return input_.name(); }

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (!failure_.ok()) return failure_;
    StatusOr<size_t> n = Decompress(buffer, size);
    if (!n.ok()) failure_ = n.status();
    return n;
  }

 private:
  StatusOr<size_t> Decompress(char* buffer, size_t size) {
    ZSTD_outBuffer out = {buffer, size, 0};
    while (out.pos == 0) {
      // Content may still wait inside the decompressor when all input has been taken.
      if (!pending_output_) {
        RETURN_IF_ERROR(input_.Fill());
        if (input_.size() == 0) {
          if (in_frame_) return input_.Damaged("the zstd data is cut short");
          return 0;
        }
      }
      ZSTD_inBuffer in = {input_.data(), input_.size(), 0};
      const size_t left = ZSTD_decompressStream(stream_.get(), &out, &in);
      input_.Consume(in.pos);
      if (ZSTD_isError(left)) {
        return input_.Damaged(
            absl::StrCat("the zstd data is damaged (", ZSTD_getErrorName(left), ")").c_str());
      }
      in_frame_ = left != 0;
      pending_output_ = out.pos == out.size && in_frame_;
    }
    return out.pos;
  }

  CompressedInput input_;
  std::unique_ptr<ZSTD_DStream, FreeStream> stream_;
  bool in_frame_ = false;
  bool pending_output_ = false;
  Status failure_;  // repeated by every later Read()
};

}  // namespace

std::unique_ptr<ByteSource> ZstdSource(std::unique_ptr<ByteSource> compressed) {
  return std::make_unique<Zstd>(std::move(compressed));
}

}  // namespace vigil::io
