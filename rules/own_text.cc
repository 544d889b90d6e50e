#include "rules/own_text.h"

#include <absl/strings/str_format.h>

#include "alerts/utf8.h"
#include "rules/version.h"

namespace vigil::rules {
namespace {

// In double quotes; what YAML does not take as it is, and all beyond ASCII, is escaped.
void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const alerts::Utf8Char c = alerts::DecodeUtf8(text);
    if (c.code == '"' || c.code == '\\') {
      *out += '\\';
      *out += text[0];
    } else if (c.code >= 0x20 && c.code < 0x7F) {
      *out += text[0];
    } else {
      absl::StrAppendFormat(out, "\\U%08x", c.code);
    }
    text.remove_prefix(c.size);
  }
  *out += '"';
}

// `words` receives all scalars as they are. Recursion is bounded by the nesting that YAML files may
// have.
void Append(const Node& node, std::string* out, std::string* words) {
  if (node.is_scalar()) {
    words->append(node.value) += '\n';
    switch (node.scalar_type()) {
      case ScalarType::kText:
        return AppendQuoted(node.value, out);
      case ScalarType::kNull:
        *out += "null";
        return;
      case ScalarType::kBool:
      case ScalarType::kInt:
      case ScalarType::kFloat:
        *out += node.value;
        return;
    }
  }
  *out += node.is_sequence() ? '[' : '{';
  for (size_t i = 0; i < node.children.size(); ++i) {
    const bool is_value = node.is_mapping() && i % 2 == 1;
    if (i > 0) *out += is_value ? ": " : ", ";
    Append(node.children[i], out, words);
  }
  *out += node.is_sequence() ? ']' : '}';
}

}  // namespace

std::string OwnText(const RuleDraft& rule, const std::vector<DefineDraft>& defines) {
  std::string own;
  std::string words;
  Append(*rule.node, &own, &words);
  std::string text = "{version: 1, ";
  const std::vector<const DefineDraft*> named = NamedDefines(words, defines);
  for (size_t i = 0; i < named.size(); ++i) {
    text += i == 0 ? "define: {" : ", ";
    AppendQuoted(named[i]->name.name, &text);
    text += ": ";
    AppendQuoted(named[i]->text, &text);
  }
  if (!named.empty()) text += "}, ";
  return text + "rules: [" + own + "]}\n";
}

}  // namespace vigil::rules
