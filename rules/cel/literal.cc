#include "rules/cel/literal.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace vigil::rules::cel {
namespace {

struct EscapeRow {
  char letter;
  char meaning;
};

constexpr std::array kEscapes = {
    EscapeRow{'\\', '\\'}, EscapeRow{'?', '?'},  EscapeRow{'"', '"'},  EscapeRow{'\'', '\''},
    EscapeRow{'`', '`'},   EscapeRow{'a', '\a'}, EscapeRow{'b', '\b'}, EscapeRow{'f', '\f'},
    EscapeRow{'n', '\n'},  EscapeRow{'r', '\r'}, EscapeRow{'t', '\t'}, EscapeRow{'v', '\v'},
};

// Escapes that give a number: how many digits of which base follow.
struct NumericEscapeRow {
  char letter;
  int digits;
  bool in_bytes;
};

constexpr std::array kNumericEscapes = {
    NumericEscapeRow{'x', 2, true},
    NumericEscapeRow{'X', 2, true},
    NumericEscapeRow{'u', 4, false},
    NumericEscapeRow{'U', 8, false},
};

std::optional<uint32_t> ParseDigits(std::string_view digits, int base) {
  uint32_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool IsSurrogate(uint32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

class StringDecoder {
 public:
  StringDecoder(std::string_view token, uint32_t offset, IssueList& issues)
      : token_(token), offset_(offset), issues_(issues) {}

  std::optional<std::string> Run() {
    StripQuotes();
    if (raw_) return std::string(body_);
    while (at_ < body_.size()) {
      if (body_[at_] != '\\') {
        out_ += body_[at_++];
      } else if (!Escape()) {
        ok_ = false;
      }
    }
    if (!ok_) return std::nullopt;
    return std::move(out_);
  }

 private:
  void StripQuotes() {
    size_t prefix = 0;
    for (; token_[prefix] != '"' && token_[prefix] != '\''; ++prefix) {
      raw_ |= token_[prefix] == 'r' || token_[prefix] == 'R';
      bytes_ |= token_[prefix] == 'b' || token_[prefix] == 'B';
    }
    const char quote = token_[prefix];
    const bool triple =
        token_.size() >= prefix + 6 && token_[prefix + 1] == quote && token_[prefix + 2] == quote;
    const size_t quotes = triple ? 3 : 1;
    body_offset_ = prefix + quotes;
    body_ = token_.substr(body_offset_, token_.size() - prefix - 2 * quotes);
  }

  bool Escape() {
    const char letter = at_ + 1 < body_.size() ? body_[at_ + 1] : '\0';
    for (const EscapeRow& row : kEscapes) {
      if (row.letter == letter) {
        out_ += row.meaning;
        at_ += 2;
        return true;
      }
    }
    for (const NumericEscapeRow& row : kNumericEscapes) {
      if (row.letter != letter) continue;
      if (bytes_ && !row.in_bytes) return Bad(2, "is not allowed in a bytes literal");
      return Numeric(2, row.digits, 16);
    }
    if (letter >= '0' && letter <= '3') return Numeric(1, 3, 8);
    return Bad(2, "is not an escape sequence");
  }

  // Digits start `skip` characters after the backslash.
  bool Numeric(size_t skip, int digits, int base) {
    const std::string_view text = body_.substr(at_ + skip, digits);
    const auto value = ParseDigits(text, base);
    if (text.size() != static_cast<size_t>(digits) || !value) {
      return Bad(skip, "needs " + std::to_string(digits) + (base == 8 ? " octal" : " hexadecimal") +
                           " digits");
    }
    const size_t length = skip + text.size();
    if (bytes_) {
      out_ += static_cast<char>(*value);
    } else if (*value > 0x10FFFF || IsSurrogate(*value)) {
      return Bad(length, "is not a Unicode character");
    } else {
      AppendUtf8(*value, out_);
    }
    at_ += length;
    return true;
  }

  bool Bad(size_t length, std::string_view why) {
    const std::string_view escape = body_.substr(at_, length);
    const auto begin = static_cast<uint32_t>(offset_ + body_offset_ + at_);
    issues_.Add(IssueCode::kLiteral, {begin, begin + static_cast<uint32_t>(escape.size())},
                Quoted(escape) + " " + std::string(why),
                "write `\\\\` for a backslash, or a raw string r\"...\"");
    at_ += escape.size();
    return false;
  }

  std::string_view token_;
  uint32_t offset_;
  IssueList& issues_;
  bool raw_ = false;
  bool bytes_ = false;
  bool ok_ = true;
  size_t body_offset_ = 0;
  std::string_view body_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::optional<std::string> DecodeString(std::string_view token, uint32_t offset,
                                        IssueList& issues) {
  return StringDecoder(token, offset, issues).Run();
}

std::optional<uint64_t> DecodeUint(std::string_view text) {
  const bool hex = text.size() > 2 && (text[1] == 'x' || text[1] == 'X');
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> DecodeInt(std::string_view text, bool negative) {
  const std::optional<uint64_t> magnitude = DecodeUint(text);
  const uint64_t bound = uint64_t{std::numeric_limits<int64_t>::max()} + (negative ? 1 : 0);
  if (!magnitude || *magnitude > bound) return std::nullopt;
  return static_cast<int64_t>(negative ? uint64_t{0} - *magnitude : *magnitude);
}

std::optional<double> DecodeDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(text).c_str(), nullptr);  // from_chars leaves it alone
    if (std::isinf(value)) return std::nullopt;
    return value;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

void AppendUtf8(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace vigil::rules::cel
