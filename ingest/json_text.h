// The lexical parts of JSON (RFC 8259) that the validator and the value reader share.
//
// All functions take text whose UTF-8 has been checked, and look at no byte outside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cep/base/arena.h"

namespace vigil::ingest {

// Where a text is not JSON, and why.
struct JsonError {
  size_t offset = 0;  // in the text, 0-based
  const char* what = "";
};

// What a JSON value is, by its first byte; a scalar of kNumber or a literal is checked whole.
enum class JsonKind : uint8_t {
  kObject,
  kArray,
  kString,
  kNumber,
  kTrue,
  kFalse,
  kNull,
  kMalformed,  // neither a literal nor a number
};

inline bool IsJsonSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

inline const char* SkipJsonSpace(const char* p, const char* end) {
  while (p < end && IsJsonSpace(*p)) ++p;
  return p;
}

// Without the spaces at both ends.
std::string_view TrimJsonSpace(std::string_view text);

// The kind of the value that is `token`; of an object, array or string only its first byte is
// looked at.
JsonKind KindOfToken(std::string_view token);

// As messages call it: `object`, `string`, `number`...
const char* JsonKindName(JsonKind kind);

struct StringScan {
  const char* end = nullptr;  // the closing quote; null if the string is not valid
  bool escaped = false;       // holds a backslash
  const char* bad = nullptr;  // where it is not valid
  const char* what = "";      // and why
};
// Reads a string's content from behind its opening quote: no control characters, valid escapes,
// surrogates in pairs.
StringScan ScanJsonString(const char* p, const char* end);

// The end of the number or literal that starts at `p`: the next `,`, `]`, `}`, `:`, quote or space.
const char* ScanJsonScalar(const char* p, const char* end);

// The end of the number or literal that starts at `p`, if it is one and a `,`, `]`, `}`, a space or
// the end of the text follows; else null.
const char* SkipJsonScalar(const char* p, const char* end);

// The text that a string's content (without its quotes; checked by ScanJsonString) stands for;
// lives in `arena`.
std::string_view UnescapeJson(std::string_view content, Arena* arena);

// Appends `text` (UTF-8) as a JSON string with its quotes.
void AppendJsonString(std::string_view text, std::string* out);

// The offset of the first byte that is not part of valid UTF-8, or the text's size.
size_t FindInvalidUtf8(std::string_view text);

}  // namespace vigil::ingest
