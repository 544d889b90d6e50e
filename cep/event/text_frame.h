// What lines of one shape have in common: the texts around their values.
//
// `{"id":`, `,"type":"`, `"}` are the texts of a frame, `17` and `login` the values of a line in
// it. A reader that finds fields by their places knows a line's frame and how long each value is
// (ingest/json_layout.h); then the line may be kept as the values alone, which are often less than
// half of it, and be had back byte by byte. Nothing here depends on what the texts mean. Immutable;
// any number of threads may read it. Tests: tests/cep/text_frame_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <string>
#include <string_view>
#include <vector>

namespace vigil::cep {

class TextFrame {
 public:
  static constexpr size_t kMaxValues = 32;
  // Bytes of a value; a line with a longer one is not packed.
  static constexpr size_t kMaxValueSize = 254;
  // What may be read behind a line and what it is packed to, and written behind the latter.
  static constexpr size_t kPadding = 16;

  // Sizes of a line's values; what is behind the last one, up to a multiple of 16, is 0.
  using Sizes = std::array<uint8_t, kMaxValues>;

  // The texts before each value and behind the last one: from 2 to kMaxValues + 1.
  explicit TextFrame(const std::vector<std::string>& texts);

  // So many bytes are the values of a line; the line itself is texts_size() longer, and count() if
  // it is packed.
  size_t ValueBytes(const Sizes& sizes) const {
    return Sum(LoadSome(sizes.data())) + (count_ > kSome ? Sum(LoadSome(&sizes[kSome])) : 0);
  }
  size_t texts_size() const { return texts_.size(); }
  size_t count() const { return count_; }  // of values

  // Packs the line, which is of this frame.
  void Pack(const char* line, const Sizes& sizes, char* packed) const {
    const size_t count = count_;
    StoreSome(LoadSome(sizes.data()), packed);
    if (count > kSome) StoreSome(LoadSome(&sizes[kSome]), packed + kSome);
    char* to = packed + count;
    // As if each value had kSome bytes: what is too much is overwritten by the next one. Behind the
    // last one are some without texts and bytes.
    for (size_t i = 0; i < count; i += 4) {
      size_t longest = 0;
#pragma GCC unroll 4
      for (size_t j = i; j < i + 4; ++j) {
        line += text_sizes_[j];
        const size_t size = sizes[j];
        StoreSome(LoadSome(line), to);
        longest |= size;
        line += size;
        to += size;
      }
      if (longest > kSome) [[unlikely]]
        PackAgain(i, line, sizes, to);
    }
  }
  // Where value `i` begins in a line, and in that line packed.
  size_t StartInLine(size_t i, const Sizes& sizes) const {
    return text_ends_[i] + BytesBefore(i, sizes);
  }
  size_t StartInPacked(size_t i, const Sizes& sizes) const {
    return count_ + BytesBefore(i, sizes);
  }

  // Equal for equal frames only.
  std::string Key() const;

  // Of a line that was packed to these bytes.
  size_t UnpackedSize(std::string_view packed) const {
    return packed.size() - count_ + texts_.size();
  }
  void AppendUnpacked(std::string_view packed, std::string* line) const;

 private:
  static constexpr size_t kSome = 16;
  static __m128i LoadSome(const void* from) {
    return _mm_loadu_si128(static_cast<const __m128i*>(from));
  }
  static void StoreSome(__m128i bytes, void* to) {
    _mm_storeu_si128(static_cast<__m128i*>(to), bytes);
  }
  static size_t Sum(__m128i bytes) {
    const __m128i sums = _mm_sad_epu8(bytes, _mm_setzero_si128());
    return static_cast<size_t>(_mm_cvtsi128_si64(sums) + _mm_extract_epi64(sums, 1));
  }
  // Of the values before value `i`.
  static size_t BytesBefore(size_t i, const Sizes& sizes) {
    // kSome bytes of ones, then as many of zeros: read at kSome - n it is a mask of n bytes.
    static constexpr std::array<uint8_t, 2 * kSome> kWindow = [] {
      std::array<uint8_t, 2 * kSome> window{};
      for (size_t n = 0; n < kSome; ++n) window[n] = 0xFF;
      return window;
    }();
    if (i > kSome) [[unlikely]] {
      return Sum(LoadSome(sizes.data())) +
             Sum(_mm_and_si128(LoadSome(&sizes[kSome]), LoadSome(&kWindow[2 * kSome - i])));
    }
    return Sum(_mm_and_si128(LoadSome(sizes.data()), LoadSome(&kWindow[kSome - i])));
  }
  void PackAgain(size_t first, const char* line_end, const Sizes& sizes, char* to_end) const;

  size_t count_;
  // By value: of the text before it.
  std::array<uint8_t, kMaxValues> text_sizes_{};
  // By value: bytes of the texts up to it.
  std::array<uint32_t, kMaxValues> text_ends_{};
  std::string texts_;
};

}  // namespace vigil::cep
