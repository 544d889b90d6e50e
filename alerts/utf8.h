// UTF-8, one code point at a time, from bytes that may be anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vigil::alerts {

struct Utf8Char {
  uint32_t code = 0;  // U+FFFD if not valid
  uint32_t size = 1;  // bytes consumed, at least 1
  bool valid = true;
};

// The first code point of `text`, which must not be empty. Bytes that begin none are consumed as
// the longest prefix of one that they are (Unicode 15, section 3.9, "maximal subpart"), so a cut
// character counts as one replacement.
Utf8Char DecodeUtf8(std::string_view text);

bool IsUtf8(std::string_view text);

// At most `bytes` bytes of `text`, without the beginning of a character that would be cut.
std::string_view CutUtf8(std::string_view text, size_t bytes);

}  // namespace vigil::alerts
