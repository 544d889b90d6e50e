#include "rules/yaml_node.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace vigil::rules {
namespace {

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool AllIn(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

std::string_view WithoutSign(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text;
}

constexpr std::string_view kDigits = "0123456789";

// [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
bool LooksLikeInt(std::string_view text) {
  if (text.substr(0, 2) == "0o") return AllIn(text.substr(2), "01234567");
  if (text.substr(0, 2) == "0x") return AllIn(text.substr(2), "0123456789abcdefABCDEF");
  return AllIn(WithoutSign(text), kDigits);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? | [-+]?\.inf | \.nan
bool LooksLikeFloat(std::string_view text) {
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) return true;
  text = WithoutSign(text);
  if (IsOneOf(text, {".inf", ".Inf", ".INF"})) return true;
  const size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    if (!AllIn(WithoutSign(text.substr(exponent + 1)), kDigits)) return false;
    text = text.substr(0, exponent);
  }
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  const std::string_view rest =
      dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  if (whole.empty()) return AllIn(rest, kDigits);
  return AllIn(whole, kDigits) && (rest.empty() || AllIn(rest, kDigits));
}

}  // namespace

ScalarType Node::scalar_type() const {
  if (style != ScalarStyle::kPlain) return ScalarType::kText;
  if (IsOneOf(value, {"", "~", "null", "Null", "NULL"})) return ScalarType::kNull;
  if (IsOneOf(value, {"true", "True", "TRUE", "false", "False", "FALSE"})) return ScalarType::kBool;
  if (LooksLikeInt(value)) return ScalarType::kInt;
  if (LooksLikeFloat(value)) return ScalarType::kFloat;
  return ScalarType::kText;
}

const Node* Node::Find(std::string_view name) const {
  if (!is_mapping()) return nullptr;
  for (size_t i = 0; i < entries(); ++i) {
    if (key(i).is_scalar() && key(i).value == name) return &entry(i);
  }
  return nullptr;
}

bool ParseYamlInt(const Node& scalar, int64_t* out) {
  if (!scalar.is_scalar() || scalar.scalar_type() != ScalarType::kInt) return false;
  std::string_view text = scalar.value;
  int base = 10;
  if (text.substr(0, 2) == "0o" || text.substr(0, 2) == "0x") {
    base = text[1] == 'o' ? 8 : 16;
    text.remove_prefix(2);
  } else if (text[0] == '+') {
    text.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseYamlFloat(const Node& scalar, double* out) {
  if (!scalar.is_scalar()) return false;
  const ScalarType type = scalar.scalar_type();
  if (type != ScalarType::kFloat && type != ScalarType::kInt) return false;
  std::string_view text = scalar.value;
  const double sign = text[0] == '-' ? -1 : 1;
  text = WithoutSign(text);
  if (IsOneOf(text, {".inf", ".Inf", ".INF"})) {
    *out = sign * std::numeric_limits<double>::infinity();
    return true;
  }
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) {
    *out = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  *out *= sign;
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view DescribeKind(const Node& node) {
  if (node.is_sequence()) return "a list";
  if (node.is_mapping()) return "a mapping";
  switch (node.scalar_type()) {
    case ScalarType::kText:
      return "text";
    case ScalarType::kNull:
      return "nothing";
    case ScalarType::kBool:
      return "a bool";
    case ScalarType::kInt:
    case ScalarType::kFloat:
      return "a number";
  }
  return "text";
}

}  // namespace vigil::rules
