#include "rules/define_text.h"

#include <charconv>
#include <cmath>

namespace vigil::rules {
namespace {

void AppendString(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20) {
      *out += "\\u00";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

bool AppendNumber(const Node& scalar, std::string* out) {
  int64_t whole = 0;
  if (ParseYamlInt(scalar, &whole)) {
    *out += std::to_string(whole);
    return true;
  }
  double number = 0;
  if (scalar.scalar_type() != ScalarType::kFloat || !ParseYamlFloat(scalar, &number)) return false;
  if (!std::isfinite(number)) return false;
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  *out += text;
  if (text.find_first_of(".e") == std::string_view::npos) *out += ".0";
  return error == std::errc();
}

class Writer {
 public:
  Writer(const SourceText& source, Reporter* reporter) : source_(source), reporter_(*reporter) {}

  // Recursion is bounded by the nesting that YAML files may have.
  bool Append(const Node& node, std::string* out) {
    if (node.is_sequence()) {
      *out += '[';
      for (size_t i = 0; i < node.children.size(); ++i) {
        if (i > 0) *out += ", ";
        if (!Append(node.children[i], out)) return false;
      }
      *out += ']';
      return true;
    }
    if (node.is_mapping()) {
      *out += '{';
      for (size_t i = 0; i < node.entries(); ++i) {
        if (i > 0) *out += ", ";
        AppendString(node.key(i).value, out);
        *out += ": ";
        if (!Append(node.entry(i), out)) return false;
      }
      *out += '}';
      return true;
    }
    return AppendScalar(node, out);
  }

 private:
  bool AppendScalar(const Node& node, std::string* out) {
    switch (node.scalar_type()) {
      case ScalarType::kText:
        AppendString(node.value, out);
        return true;
      case ScalarType::kNull:
        *out += "null";
        return true;
      case ScalarType::kBool:
        *out += (node.value[0] | 0x20) == 't' ? "true" : "false";
        return true;
      case ScalarType::kInt:
      case ScalarType::kFloat:
        break;
    }
    if (AppendNumber(node, out)) return true;
    reporter_.Report(Code::kOutOfRange, {&source_, node.range},
                     "`" + std::string(node.value) + "` is no 64-bit number",
                     "put it in quotes if it is text");
    return false;
  }

  const SourceText& source_;
  Reporter& reporter_;
};

}  // namespace

bool DefineText(const SourceText& source, const Node& value, Reporter* reporter, std::string* out) {
  if (!value.is_scalar()) return Writer(source, reporter).Append(value, out);
  const ScalarType type = value.scalar_type();
  if (type == ScalarType::kInt || type == ScalarType::kFloat) {
    return Writer(source, reporter).Append(value, out);
  }
  out->assign(value.value);
  return true;
}

}  // namespace vigil::rules
