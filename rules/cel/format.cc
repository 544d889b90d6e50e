#include "rules/cel/format.h"

#include <charconv>
#include <cmath>

#include "rules/cel/network.h"
#include "rules/cel/time.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr char kHexDigits[] = "0123456789abcdef";

std::string FormatDouble(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return error == std::errc() ? std::string(buffer, end) : std::string();
}

std::string DoubleLiteral(double value) {
  std::string text = FormatDouble(value);
  if (!std::isfinite(value)) return "double(\"" + text + "\")";
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void AppendEscape(unsigned char byte, std::string& out) {
  out += "\\x";
  out += kHexDigits[byte >> 4];
  out += kHexDigits[byte & 15];
}

std::string Quote(std::string_view text, bool bytes) {
  std::string out = bytes ? "b\"" : "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || (bytes && byte >= 0x80)) {
      AppendEscape(byte, out);
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

void AppendLiteral(const Value& value, uint32_t depth, std::string& out);

void AppendList(const Value& value, uint32_t depth, std::string& out) {
  out += '[';
  for (uint32_t i = 0; i < value.size; ++i) {
    if (i > 0) out += ", ";
    AppendLiteral(value.list[i], depth + 1, out);
  }
  out += ']';
}

void AppendMap(const Value& value, uint32_t depth, std::string& out) {
  out += '{';
  for (uint32_t i = 0; i < value.size; ++i) {
    if (i > 0) out += ", ";
    AppendLiteral(value.map[i].key, depth + 1, out);
    out += ": ";
    AppendLiteral(value.map[i].value, depth + 1, out);
  }
  out += '}';
}

void AppendOptional(const Value& value, uint32_t depth, std::string& out) {
  if (value.size == 0) {
    out += "optional.none()";
    return;
  }
  out += "optional.of(";
  AppendLiteral(*value.list, depth + 1, out);
  out += ')';
}

void AppendLiteral(const Value& value, uint32_t depth, std::string& out) {
  if (depth > kMaxValueNesting) return;
  if (value.tag == kOptionalTag) return AppendOptional(value, depth, out);
  if (value.tag == kAddressTag || value.tag == kPrefixTag) {
    out += value.tag == kAddressTag ? "ip(\"" : "cidr(\"";
    out += NetworkText(value) + "\")";
    return;
  }
  switch (value.tag) {
    case ValueTag::kUint:
      out += FormatScalar(value) + "u";
      break;
    case ValueTag::kDouble:
      out += DoubleLiteral(value.d);
      break;
    case ValueTag::kString:
      out += Quote(value.text(), false);
      break;
    case ValueTag::kBytes:
      out += Quote(value.text(), true);
      break;
    case ValueTag::kTimestamp:
      out += "timestamp(\"" + FormatTimestamp(value) + "\")";
      break;
    case ValueTag::kDuration:
      out += "duration(\"" + FormatDuration(value) + "\")";
      break;
    case ValueTag::kList:
      AppendList(value, depth, out);
      break;
    case ValueTag::kMap:
      AppendMap(value, depth, out);
      break;
    default:
      out += FormatScalar(value);
      break;
  }
}

}  // namespace

std::string FormatScalar(const Value& value) {
  switch (value.tag) {
    case ValueTag::kNull:
      return "null";
    case ValueTag::kBool:
      return value.b ? "true" : "false";
    case ValueTag::kInt:
      return std::to_string(value.i);
    case ValueTag::kUint:
      return std::to_string(value.u);
    case ValueTag::kDouble:
      return FormatDouble(value.d);
    case ValueTag::kTimestamp:
      return FormatTimestamp(value);
    case ValueTag::kDuration:
      return FormatDuration(value);
    case ValueTag::kString:
    case ValueTag::kBytes:
    case ValueTag::kType:
    case ValueTag::kError:
      return std::string(value.text());
    default:
      return "";
  }
}

std::string FormatLiteral(const Value& value) {
  std::string out;
  AppendLiteral(value, 0, out);
  return out;
}

std::string QuoteString(std::string_view text) { return Quote(text, false); }

}  // namespace vigil::rules::cel
