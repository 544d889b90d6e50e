// UTF-8 text as a terminal and an editor see it: code points, columns on the screen, validity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vigil::rules {

// Reads the code point that starts at text[*at] and moves `at` past it. A byte that starts none is
// U+FFFD, one byte long.
uint32_t NextCodePoint(std::string_view text, size_t* at);

// The number of code points in `text`.
uint32_t CountCodePoints(std::string_view text);

// The offset of the first byte that is not part of valid UTF-8, or npos.
size_t FindInvalidUtf8(std::string_view text);

// Columns that a character takes in a terminal: 0 (combining), 1, or 2 (East Asian wide, emoji).
int DisplayWidth(uint32_t code_point);

}  // namespace vigil::rules
