// Whether a text is one JSON object, checked to the last byte: what `strict` and the renderer of
// records ask.
#pragma once

#include <string_view>

#include "ingest/json_text.h"

namespace vigil::ingest {

inline constexpr size_t kMaxJsonDepth = 1024;

// Checks UTF-8, structure, numbers, literals, escapes (surrogates in pairs) and depth
// (kMaxJsonDepth) of `text`, which may have white space around the object. Needs no stack space
// that grows with the input. `text` needs no padding.
bool ValidateJsonObject(std::string_view text, JsonError* error);

}  // namespace vigil::ingest
