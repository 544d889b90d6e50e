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

bool IsNamePart(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whether `name` stands in `text` as a word.
bool HasWord(std::string_view text, std::string_view name) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool begins = at == 0 || !IsNamePart(text[at - 1]);
    if (begins && (end == text.size() || !IsNamePart(text[end]))) return true;
  }
  return false;
}

// `text` and the defines that it names, directly or through others.
std::string WithDefines(std::string text, const std::vector<DefineDraft>& defines) {
  for (const DefineDraft* define : NamedDefines(text, defines)) {
    text += "define " + define->name.name + "=" + define->text + "\n";
  }
  return text;
}

}  // namespace

std::vector<const DefineDraft*> NamedDefines(std::string_view text,
                                             const std::vector<DefineDraft>& defines) {
  std::vector<bool> is_in(defines.size());
  const auto add_from = [&](std::string_view from) {
    std::vector<size_t> added;
    for (size_t i = 0; i < defines.size(); ++i) {
      if (is_in[i] || !HasWord(from, defines[i].name.name)) continue;
      is_in[i] = true;
      added.push_back(i);
    }
    return added;
  };
  std::vector<size_t> to_read = add_from(text);
  while (!to_read.empty()) {
    const std::vector<size_t> added = add_from(defines[to_read.back()].text);
    to_read.pop_back();
    to_read.insert(to_read.end(), added.begin(), added.end());
  }
  std::vector<const DefineDraft*> named;
  for (size_t i = 0; i < defines.size(); ++i) {
    if (is_in[i]) named.push_back(&defines[i]);
  }
  return named;
}

void SetHashes(const RuleDraft& draft, const std::vector<DefineDraft>& defines,
               CompiledRule* rule) {
  std::string content;
  Append(*draft.node, &content);
  std::string matching;
  std::vector<std::string> entries;
  constexpr std::string_view kOfAlerts[] = {"description", "severity",   "tags",     "mode",
                                            "alert",       "on_timeout", "on_change"};
  for (size_t i = 0; i < draft.node->entries(); ++i) {
    const std::string_view key = draft.node->key(i).value;
    if (std::find(std::begin(kOfAlerts), std::end(kOfAlerts), key) != std::end(kOfAlerts)) continue;
    std::string entry(key);
    Append(draft.node->entry(i), &entry);
    entries.push_back(std::move(entry));
  }
  if (draft.on_timeout) entries.emplace_back("on_timeout");
  std::sort(entries.begin(), entries.end());
  for (const std::string& entry : entries) {
    matching += std::to_string(entry.size()) + ":" + entry;
  }
  rule->content = HashBytes128(WithDefines(content, defines));
  rule->matching = HashBytes128(WithDefines(matching, defines));
}

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
