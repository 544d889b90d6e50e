// strings.quote() and string.format(). Source: google/cel-spec doc/extensions/strings.md, cel-go's
// strings extension.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_format.h>

#include "rules/cel/format.h"
#include "rules/cel/functions.h"
#include "rules/cel/string_format.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The bytes of the character that starts `text`; 0 if it is not UTF-8.
size_t ValidLength(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(4, text.size()); ++length) {
    if (IsValidUtf8(text.substr(0, length))) return length;
  }
  return 0;
}

// UTF-8, each run of other bytes as one U+FFFD.
void AppendSanitised(std::string_view text, std::string& out) {
  bool replaced = false;
  while (!text.empty()) {
    const size_t length = ValidLength(text);
    if (length == 0 && !replaced) out += kReplacement;
    replaced = length == 0;
    out += text.substr(0, length);
    text.remove_prefix(std::max<size_t>(1, length));
  }
}

struct QuoteRow {
  char raw;
  std::string_view escape;
};

constexpr std::array kQuoteRows = {
    QuoteRow{'\a', "\\a"}, QuoteRow{'\b', "\\b"},  QuoteRow{'\f', "\\f"},
    QuoteRow{'\n', "\\n"}, QuoteRow{'\r', "\\r"},  QuoteRow{'\t', "\\t"},
    QuoteRow{'\v', "\\v"}, QuoteRow{'\\', "\\\\"}, QuoteRow{'"', "\\\""},
};

Value QuoteText(CallContext& context, const Value* args) {
  std::string text;
  AppendSanitised(args[0].text(), text);
  std::string out = "\"";
  for (const char c : text) {
    const auto* row = std::find_if(kQuoteRows.begin(), kQuoteRows.end(),
                                   [c](const QuoteRow& r) { return r.raw == c; });
    if (row == kQuoteRows.end()) {
      out += c;
    } else {
      out += row->escape;
    }
  }
  return MakeText(context, out + "\"");
}

std::string NotFinite(double value) {
  return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
}

// The shortest digits that read back as the same, zeros in place of an exponent.
std::string PlainDouble(double value) {
  if (!std::isfinite(value)) return NotFinite(value);
  char buffer[32];
  const auto result =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(result.ptr - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), result.ptr, exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c != '.' && c != '-') digits += c;
  }
  const int point = exponent + 1;  // digits before it
  std::string out = std::signbit(value) ? "-" : "";
  if (digits == "0") return out + digits;
  if (point <= 0) return out + "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  const auto before = static_cast<size_t>(point);
  if (digits.size() <= before) return out + digits + std::string(before - digits.size(), '0');
  return out + digits.substr(0, before) + "." + digits.substr(before);
}

class Formatter {
 public:
  explicit Formatter(CallContext& context) : context_(context) {}

  Value Run(std::string_view format, const Value& args) {
    uint32_t next = 0;
    std::string why;
    for (FormatPiece piece; TakeFormatPiece(&format, &piece, &why);) {
      if (piece.conversion == '\0') {
        out_ += piece.text;
      } else if (next >= args.size) {
        return MakeError(context_.arena, "the format has more clauses than arguments: " +
                                             std::to_string(args.size));
      } else if (!Clause(piece, args.list[next++])) {
        return MakeError(context_.arena, "`%" + std::string(1, piece.conversion) + "` takes " +
                                             std::string(ClauseWants(piece.conversion)));
      }
      if (out_.size() > kMaxTextSize) return Value::Error(kTextTooLong);
    }
    if (!why.empty()) return MakeError(context_.arena, why);
    return MakeText(context_, out_);
  }

 private:
  bool Clause(const FormatPiece& piece, const Value& value) {
    switch (piece.conversion) {
      case 's':
        return Text(value, 0);
      case 'd':
        return Decimal(value);
      case 'f':
      case 'e':
        return Digits(piece, value);
      case 'b':
        if (value.tag == ValueTag::kBool) {
          out_ += value.b ? '1' : '0';
          return true;
        }
        return Whole(value, 2, false);
      case 'o':
        return Whole(value, 8, false);
      default:
        return Hexadecimal(value, piece.conversion == 'X');
    }
  }

  bool Text(const Value& value, uint32_t depth) {
    if (depth > kMaxValueNesting || out_.size() > kMaxTextSize) return false;
    switch (value.tag) {
      case ValueTag::kDouble:
        out_ += PlainDouble(value.d);
        return true;
      case ValueTag::kBytes:
        AppendSanitised(value.text(), out_);
        return true;
      case ValueTag::kNull:
      case ValueTag::kBool:
      case ValueTag::kInt:
      case ValueTag::kUint:
      case ValueTag::kString:
      case ValueTag::kTimestamp:
      case ValueTag::kDuration:
      case ValueTag::kType:
        out_ += FormatScalar(value);
        return true;
      case ValueTag::kList:
        return List(value, depth);
      case ValueTag::kMap:
        return Map(value, depth);
      default:
        return false;
    }
  }

  bool List(const Value& list, uint32_t depth) {
    out_ += '[';
    for (uint32_t i = 0; i < list.size; ++i) {
      if (i > 0) out_ += ", ";
      if (!Text(list.list[i], depth + 1)) return false;
    }
    out_ += ']';
    return true;
  }

  // Entries in the order of their formatted keys.
  bool Map(const Value& map, uint32_t depth) {
    std::vector<std::pair<std::string, const Value*>> entries;
    for (uint32_t i = 0; i < map.size; ++i) {
      Formatter key(context_);
      if (!key.Text(map.map[i].key, depth + 1)) return false;
      entries.emplace_back(std::move(key.out_), &map.map[i].value);
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += ", ";
      out_ += entries[i].first + ": ";
      if (!Text(*entries[i].second, depth + 1)) return false;
    }
    out_ += '}';
    return true;
  }

  bool Decimal(const Value& value) {
    if (!IsNumber(value)) return false;
    out_ += value.tag == ValueTag::kDouble ? PlainDouble(value.d) : FormatScalar(value);
    return true;
  }

  // Digits after the point, rounded half to even, as the C library does.
  bool Digits(const FormatPiece& piece, const Value& value) {
    if (!IsNumber(value)) return false;
    const double number = value.tag == ValueTag::kDouble ? value.d
                          : value.tag == ValueTag::kInt  ? static_cast<double>(value.i)
                                                         : static_cast<double>(value.u);
    if (!std::isfinite(number)) {
      out_ += NotFinite(number);
    } else if (piece.conversion == 'f') {
      out_ += absl::StrFormat("%.*f", piece.precision, number);
    } else {
      out_ += absl::StrFormat("%.*e", piece.precision, number);
    }
    return true;
  }

  bool Whole(const Value& value, int base, bool upper) {
    if (value.tag != ValueTag::kInt && value.tag != ValueTag::kUint) return false;
    const bool negative = value.tag == ValueTag::kInt && value.i < 0;
    const uint64_t magnitude = negative ? uint64_t{0} - value.u : value.u;
    char digits[64];
    const auto result = std::to_chars(digits, digits + sizeof digits, magnitude, base);
    if (negative) out_ += '-';
    for (const char* at = digits; at != result.ptr; ++at) {
      out_ += upper && *at >= 'a' ? static_cast<char>(*at - 'a' + 'A') : *at;
    }
    return true;
  }

  bool Hexadecimal(const Value& value, bool upper) {
    if (value.tag != ValueTag::kString && value.tag != ValueTag::kBytes) {
      return Whole(value, 16, upper);
    }
    const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (const char c : value.text()) {
      out_ += digits[static_cast<unsigned char>(c) >> 4];
      out_ += digits[static_cast<unsigned char>(c) & 15];
    }
    return true;
  }

  CallContext& context_;
  std::string out_;
};

Value Format(CallContext& context, const Value* args) {
  return Formatter(context).Run(args[0].text(), args[1]);
}

struct ClauseRow {
  char conversion;
  std::string_view wants;
  std::string_view types;  // tags by letter: b bool, i int, u uint, d double, s string, y bytes
};

constexpr std::array kClauses = {
    ClauseRow{'s', "any value but optionals and addresses", ""},
    ClauseRow{'d', "int, uint or double", "iud"},
    ClauseRow{'f', "int, uint or double", "iud"},
    ClauseRow{'e', "int, uint or double", "iud"},
    ClauseRow{'b', "int, uint or bool", "iub"},
    ClauseRow{'o', "int or uint", "iu"},
    ClauseRow{'x', "int, uint, string or bytes", "iusy"},
    ClauseRow{'X', "int, uint, string or bytes", "iusy"},
};

const ClauseRow* FindClause(char conversion) {
  for (const ClauseRow& row : kClauses) {
    if (row.conversion == conversion) return &row;
  }
  return nullptr;
}

char LetterOf(TypeTag tag) {
  switch (tag) {
    case TypeTag::kBool:
      return 'b';
    case TypeTag::kInt:
      return 'i';
    case TypeTag::kUint:
      return 'u';
    case TypeTag::kDouble:
      return 'd';
    case TypeTag::kString:
      return 's';
    case TypeTag::kBytes:
      return 'y';
    default:
      return '?';
  }
}

// The digits of a precision, after its point.
bool TakePrecision(std::string_view* rest, int* precision, std::string* why) {
  size_t digits = 0;
  while (digits < rest->size() && (*rest)[digits] >= '0' && (*rest)[digits] <= '9') ++digits;
  const auto [end, error] = std::from_chars(rest->data(), rest->data() + digits, *precision);
  if (digits == 0 || error != std::errc() || *precision > kMaxPrecision) {
    *why = "a precision in a format is 0 to " + std::to_string(kMaxPrecision);
    return false;
  }
  rest->remove_prefix(digits);
  return true;
}

}  // namespace

bool TakeFormatPiece(std::string_view* format, FormatPiece* piece, std::string* why) {
  if (format->empty()) return false;
  *piece = FormatPiece();
  if (format->front() != '%' || format->substr(0, 2) == "%%") {
    const size_t length = format->front() == '%' ? 1 : std::min(format->find('%'), format->size());
    piece->text = format->substr(0, length);
    format->remove_prefix(format->front() == '%' ? 2 : length);
    return true;
  }
  std::string_view rest = format->substr(1);
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    if (!TakePrecision(&rest, &piece->precision, why)) return false;
  }
  if (rest.empty() || FindClause(rest.front()) == nullptr) {
    *why = rest.empty() ? "the format ends within a clause"
                        : "`%" + std::string(1, rest.front()) + "` is no clause of a format";
    return false;
  }
  piece->conversion = rest.front();
  *format = rest.substr(1);
  return true;
}

bool ClauseTakes(char conversion, TypeRef type) {
  if (IsDynamic(type)) return true;
  if (conversion == 's') {
    return type->tag != TypeTag::kAbstract && type->tag != TypeTag::kEvent &&
           type->tag != TypeTag::kParam;
  }
  const ClauseRow* row = FindClause(conversion);
  return row != nullptr && row->types.find(LetterOf(type->tag)) != std::string_view::npos;
}

std::string_view ClauseWants(char conversion) {
  const ClauseRow* row = FindClause(conversion);
  return row == nullptr ? std::string_view() : row->wants;
}

std::vector<FunctionRow> StringFormatRows() {
  return {
      {"strings.quote(string) -> string",
       "The text as a literal in double quotes, what needs it escaped.", &QuoteText, Cost::kLinear},
      {"string.format(list(dyn)) -> string",
       "The text with %s, %d, %f, %e, %b, %o, %x, %X in place of arguments (%.3f: digits, %%: a "
       "percent sign).",
       &Format, Cost::kLinear},
  };
}

}  // namespace vigil::rules::cel
