#include "rules/version.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cep/base/hash.h"

namespace vigil::rules {
namespace {

// Canonical text of a tree: every value with its type and length, keys sorted. Recursion is bounded
// by the nesting that YAML files may have.
void Append(const Node& node, std::string* out) {
  if (node.is_sequence()) {
    *out += '[';
    for (const Node& child : node.children) Append(child, out);
    *out += ']';
    return;
  }
  if (node.is_mapping()) {
    std::vector<std::pair<std::string_view, const Node*>> entries;
    for (size_t i = 0; i < node.entries(); ++i) {
      entries.emplace_back(node.key(i).value, &node.entry(i));
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    *out += '{';
    for (const auto& [key, value] : entries) {
      *out += std::to_string(key.size()) + ":";
      *out += key;
      Append(*value, out);
    }
    *out += '}';
    return;
  }
  *out += "tnbif"[static_cast<size_t>(node.scalar_type())];
  *out += std::to_string(node.value.size()) + ":";
  *out += node.value;
}

}  // namespace

std::string VersionOf(const RuleSetDraft& draft) {
  std::vector<std::string> items;
  for (const DefineDraft& define : draft.defines) {
    items.push_back("define " + define.name.name + "=" + define.text);
  }
  for (const RuleDraft& rule : draft.rules) {
    std::string item = "rule ";
    Append(*rule.node, &item);
    items.push_back(std::move(item));
  }
  std::sort(items.begin(), items.end());
  std::string content = "vigil rules 1\n";
  for (const std::string& item : items) content += std::to_string(item.size()) + ":" + item;
  return ToHex(HashBytes128(content));
}

}  // namespace vigil::rules
