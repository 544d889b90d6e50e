#include "cep/event/text_frame.h"

#include "cep/base/check.h"
#include "cep/base/encoding.h"

namespace vigil::cep {

TextFrame::TextFrame(const std::vector<std::string>& texts) : count_(texts.size() - 1) {
  CEP_CHECK(texts.size() >= 2 && count_ <= kMaxValues);
  for (size_t i = 0; i < count_; ++i) {
    CEP_CHECK(texts[i].size() <= UINT8_MAX);
    text_sizes_[i] = static_cast<uint8_t>(texts[i].size());
    texts_ += texts[i];
    text_ends_[i] = static_cast<uint32_t>(texts_.size());
  }
  texts_ += texts[count_];
}

// Packs four values from `first` on as they are; their ends are given.
void TextFrame::PackAgain(size_t first, const char* line_end, const Sizes& sizes,
                          char* to_end) const {
  for (size_t i = first + 4; i-- > first;) {
    line_end -= sizes[i];
    to_end -= sizes[i];
    std::memcpy(to_end, line_end, sizes[i]);
    line_end -= text_sizes_[i];
  }
}

std::string TextFrame::Key() const {
  std::string key;
  PutVarint(count_, &key);
  for (size_t i = 0; i < count_; ++i) PutVarint(text_sizes_[i], &key);
  return key + texts_;
}

void TextFrame::AppendUnpacked(std::string_view packed, std::string* line) const {
  const size_t begin = line->size();
  const size_t size = UnpackedSize(packed);
  line->resize(begin + size + kPadding);
  char* to = line->data() + begin;
  const char* const texts_end = texts_.data() + texts_.size();
  const auto put = [&](const char* from, size_t bytes) {
    if (bytes <= kSome && texts_end - from >= static_cast<ptrdiff_t>(kSome)) {
      StoreSome(LoadSome(from), to);
    } else {
      std::memcpy(to, from, bytes);
    }
    to += bytes;
  };
  const char* value = packed.data() + count_;
  const char* text = texts_.data();
  for (size_t i = 0; i < count_; ++i) {
    put(text, text_sizes_[i]);
    text += text_sizes_[i];
    const auto bytes = static_cast<uint8_t>(packed[i]);
    StoreSome(LoadSome(value), to);
    if (bytes > kSome) std::memcpy(to + kSome, value + kSome, bytes - kSome);
    to += bytes;
    value += bytes;
  }
  put(text, static_cast<size_t>(texts_end - text));
  line->resize(begin + size);
}

}  // namespace vigil::cep
