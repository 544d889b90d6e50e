#include "alerts/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "alerts/utf8.h"

namespace vigil::alerts {
namespace {

// True for bytes that a JSON string holds as they are.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

void AppendControl(char c, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\b':
      out->append("\\b");
      return;
    case '\f':
      out->append("\\f");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      out->append("\\u00");
      out->push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
      out->push_back(kDigits[c & 15]);
  }
}

}  // namespace

void AppendJsonEscaped(std::string_view text, std::string* out) {
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && kPlain[static_cast<uint8_t>(text[end])]) ++end;
    out->append(text.data() + at, end - at);
    at = end;
    if (at == text.size()) return;
    if (static_cast<uint8_t>(text[at]) < 0x80) {
      AppendControl(text[at++], out);
      continue;
    }
    const Utf8Char c = DecodeUtf8(text.substr(at));
    out->append(c.valid ? text.substr(at, c.size) : std::string_view("\xEF\xBF\xBD"));
    at += c.size;
  }
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendJsonEscaped(text, out);
  out->push_back('"');
}

void AppendInt(int64_t value, std::string* out) {
  char digits[24];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void AppendUint(uint64_t value, std::string* out) {
  char digits[24];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void AppendJsonDouble(double value, std::string* out) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= 1e-6 && size < 1e21);
  char digits[64];
  out->append(digits,
              std::to_chars(digits, digits + sizeof digits, value,
                            fixed ? std::chars_format::fixed : std::chars_format::scientific)
                  .ptr);
}

void AppendBase64(std::string_view bytes, std::string* out) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? static_cast<uint8_t>(group[i]) : 0u);
    }
    for (size_t i = 0; i < 4; ++i) {
      out->push_back(i <= group.size() ? kDigits[(bits >> (18 - 6 * i)) & 63] : '=');
    }
  }
}

}  // namespace vigil::alerts
