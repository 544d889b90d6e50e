#include "ingest/value_json.h"

#include <charconv>
#include <cmath>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/civil_time.h>

#include "ingest/json_text.h"

namespace vigil::ingest {
namespace {

using cep::Value;
using cep::ValueTag;

void AppendDouble(double number, std::string* out) {
  if (std::isnan(number)) {
    out->append("\"NaN\"");
  } else if (std::isinf(number)) {
    out->append(number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else {
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, number);
    out->append(text, static_cast<size_t>(end - text));
  }
}

// `.5`, `.000000001`: a fraction of a second without its last zeros; empty for none.
std::string Fraction(int32_t nanos) {
  if (nanos == 0) return "";
  std::string text = absl::StrFormat(".%09d", nanos < 0 ? -nanos : nanos);
  text.resize(text.find_last_not_of('0') + 1);
  return text;
}

void AppendTimestamp(const Value& value, std::string* out) {
  const absl::CivilSecond at = absl::CivilSecond(1970, 1, 1) + value.i;
  absl::StrAppend(out,
                  absl::StrFormat("\"%04d-%02d-%02dT%02d:%02d:%02d", at.year(), at.month(),
                                  at.day(), at.hour(), at.minute(), at.second()),
                  Fraction(value.nanos()), "Z\"");
}

void AppendDuration(const Value& value, std::string* out) {
  const bool is_negative = value.i < 0 || value.nanos() < 0;
  absl::StrAppend(out, is_negative ? "\"-" : "\"", value.i < 0 ? -value.i : value.i,
                  Fraction(value.nanos()), "s\"");
}

void AppendKey(const Value& key, std::string* out) {
  if (key.tag == ValueTag::kString) {
    AppendJsonString(key.text(), out);
    return;
  }
  out->push_back('"');
  AppendValueJson(key, out);
  out->push_back('"');
}

}  // namespace

// Recursion is bounded by the depth that readers of values allow.
void AppendValueJson(const Value& value, std::string* out) {
  switch (value.tag) {
    case ValueTag::kBool:
      out->append(value.b ? "true" : "false");
      return;
    case ValueTag::kInt:
      absl::StrAppend(out, value.i);
      return;
    case ValueTag::kUint:
      absl::StrAppend(out, value.u);
      return;
    case ValueTag::kDouble:
      return AppendDouble(value.d, out);
    case ValueTag::kString:
      return AppendJsonString(value.text(), out);
    case ValueTag::kBytes:
      absl::StrAppend(out, "\"",
                      absl::Base64Escape(absl::string_view(value.text().data(), value.size)), "\"");
      return;
    case ValueTag::kTimestamp:
      return AppendTimestamp(value, out);
    case ValueTag::kDuration:
      return AppendDuration(value, out);
    case ValueTag::kList:
      out->push_back('[');
      for (uint32_t i = 0; i < value.size; ++i) {
        if (i > 0) out->push_back(',');
        AppendValueJson(value.list[i], out);
      }
      out->push_back(']');
      return;
    case ValueTag::kMap: {
      const char* separator = "{";
      for (uint32_t i = 0; i < value.size; ++i) {
        if (value.map[i].value.is_absent()) continue;
        out->append(separator);
        separator = ",";
        AppendKey(value.map[i].key, out);
        out->push_back(':');
        AppendValueJson(value.map[i].value, out);
      }
      out->append(*separator == '{' ? "{}" : "}");
      return;
    }
    case ValueTag::kAbsent:
    case ValueTag::kError:
    case ValueTag::kNull:
    case ValueTag::kType:
      out->append("null");
      return;
  }
}

std::string DecimalText(bool is_negative, std::string digits, uint32_t scale) {
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - scale, 1, '.');
  return is_negative ? "-" + digits : digits;
}

}  // namespace vigil::ingest
