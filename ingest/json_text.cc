#include "ingest/json_text.h"

#include <array>
#include <cstring>

#include "cep/base/check.h"
#include "ingest/scalar_text.h"

namespace vigil::ingest {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return -1;
}

// The value of four hexadecimal digits at `p`, or -1.
int HexFour(const char* p, const char* end) {
  if (end - p < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = HexDigit(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

constexpr bool IsHighSurrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool IsLowSurrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// What a backslash and `c` stand for, or 0; `u` is for the caller.
char SimpleEscape(char c) {
  switch (c) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case '/':
      return '/';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

// The length of the escape at `p` (its backslash), or 0 if it is not valid; sets `code` to its code
// point.
size_t ReadEscape(const char* p, const char* end, uint32_t* code) {
  if (end - p < 2) return 0;
  if (p[1] != 'u') {
    *code = static_cast<unsigned char>(SimpleEscape(p[1]));
    return *code == 0 ? 0 : 2;
  }
  const int unit = HexFour(p + 2, end);
  if (unit < 0 || IsLowSurrogate(unit)) return 0;
  *code = static_cast<uint32_t>(unit);
  if (!IsHighSurrogate(unit)) return 6;
  if (end - p < 12 || p[6] != '\\' || p[7] != 'u') return 0;
  const int low = HexFour(p + 8, end);
  if (!IsLowSurrogate(low)) return 0;
  *code = 0x10000 + ((static_cast<uint32_t>(unit) - 0xD800) << 10) +
          (static_cast<uint32_t>(low) - 0xDC00);
  return 12;
}

char* AppendUtf8(uint32_t code, char* out) {
  const auto put = [&out](uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return out;
}

// The length of the UTF-8 sequence at `p`, or 0 if it is not valid (Unicode 15, table 3-7).
size_t Utf8Length(const unsigned char* p, size_t left) {
  const auto in = [&](size_t i, unsigned low, unsigned high) {
    return i < left && p[i] >= low && p[i] <= high;
  };
  const unsigned char c = p[0];
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    const unsigned low = c == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = c == 0xED ? 0x9F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    const unsigned low = c == 0xF0 ? 0x90 : 0x80;
    const unsigned high = c == 0xF4 ? 0x8F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string_view TrimJsonSpace(std::string_view text) {
  while (!text.empty() && IsJsonSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsJsonSpace(text.back())) text.remove_suffix(1);
  return text;
}

JsonKind KindOfToken(std::string_view token) {
  if (token.empty()) return JsonKind::kMalformed;
  switch (token[0]) {
    case '{':
      return JsonKind::kObject;
    case '[':
      return JsonKind::kArray;
    case '"':
      return JsonKind::kString;
    case 't':
      return token == "true" ? JsonKind::kTrue : JsonKind::kMalformed;
    case 'f':
      return token == "false" ? JsonKind::kFalse : JsonKind::kMalformed;
    case 'n':
      return token == "null" ? JsonKind::kNull : JsonKind::kMalformed;
    default:
      return IsNumber(token) ? JsonKind::kNumber : JsonKind::kMalformed;
  }
}

const char* JsonKindName(JsonKind kind) {
  switch (kind) {
    case JsonKind::kObject:
      return "object";
    case JsonKind::kArray:
      return "list";
    case JsonKind::kString:
      return "string";
    case JsonKind::kNumber:
      return "number";
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      return "bool";
    case JsonKind::kNull:
      return "null";
    case JsonKind::kMalformed:
      break;
  }
  return "malformed value";
}

StringScan ScanJsonString(const char* p, const char* end) {
  StringScan scan;
  while (p < end) {
    const char c = *p;
    if (c == '"') {
      scan.end = p;
      return scan;
    }
    if (c == '\\') {
      uint32_t code = 0;
      const size_t length = ReadEscape(p, end, &code);
      if (length == 0) {
        scan.bad = p;
        scan.what = "invalid escape in a string";
        return scan;
      }
      scan.escaped = true;
      p += length;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      scan.bad = p;
      scan.what = "control character in a string";
      return scan;
    } else {
      ++p;
    }
  }
  scan.bad = end;
  scan.what = "unclosed string";
  return scan;
}

const char* ScanJsonScalar(const char* p, const char* end) {
  static constexpr std::array<bool, 256> kEnds = [] {
    std::array<bool, 256> ends{};
    for (const char c : {',', ']', '}', ':', '"', ' ', '\t', '\n', '\r'}) {
      ends[static_cast<unsigned char>(c)] = true;
    }
    return ends;
  }();
  while (p < end && !kEnds[static_cast<unsigned char>(*p)]) ++p;
  return p;
}

const char* SkipJsonScalar(const char* p, const char* end) {
  const auto left = static_cast<size_t>(end - p);
  const char* stop = nullptr;
  if (left >= 4 && (std::memcmp(p, "true", 4) == 0 || std::memcmp(p, "null", 4) == 0)) {
    stop = p + 4;
  } else if (left >= 5 && std::memcmp(p, "false", 5) == 0) {
    stop = p + 5;
  } else {
    stop = SkipNumber(p, end);
  }
  if (stop == nullptr || stop == end) return stop;
  const bool delimited = *stop == ',' || *stop == '}' || *stop == ']' || IsJsonSpace(*stop);
  return delimited ? stop : nullptr;
}

std::string_view UnescapeJson(std::string_view content, Arena* arena) {
  if (content.empty()) return content;
  // No escape is shorter than what it stands for.
  char* const start = static_cast<char*>(arena->Allocate(content.size(), 1));
  char* out = start;
  const char* p = content.data();
  const char* const end = p + content.size();
  while (p < end) {
    if (*p != '\\') {
      *out++ = *p++;
      continue;
    }
    uint32_t code = 0;
    const size_t length = ReadEscape(p, end, &code);
    CEP_DCHECK(length > 0);
    out = AppendUtf8(code, out);
    p += length > 0 ? length : 1;
  }
  return {start, static_cast<size_t>(out - start)};
}

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out->append("\\u00");
      out->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out->push_back(kHex[c & 15]);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

size_t FindInvalidUtf8(std::string_view text) {
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size()) {
      uint64_t eight;
      std::memcpy(&eight, data + i, sizeof eight);
      if ((eight & 0x8080808080808080) == 0) {
        i += 8;
        continue;
      }
    }
    const size_t length = Utf8Length(data + i, text.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

}  // namespace vigil::ingest
