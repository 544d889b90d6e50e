#include "rules/yaml_finish.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "rules/yaml_reader.h"

namespace vigil::rules {
namespace {

// Walks the finished tree in document order, so that what an alias names is complete when the alias
// is met, or else is around it. The tree is at most kMaxNesting deep, so recursion is bounded.
class TreeFinisher {
 public:
  TreeFinisher(Document* document, Reporter* reporter)
      : source_(document->source), reporter_(*reporter) {}

  bool Visit(Node* node, size_t depth);

 private:
  // Where an anchored node is; nodes do not move any more.
  struct Anchor {
    const Node* node = nullptr;
    bool is_complete = false;
  };

  bool Replace(Node* alias, size_t depth);
  bool Copy(const Node& from, Node* to);
  void CheckKeys(const Node& mapping);
  Place At(const Node& node) const { return {&source_, node.range}; }

  const SourceText& source_;
  Reporter& reporter_;
  std::unordered_map<uint32_t, Anchor> anchors_;
  size_t copied_ = 0;
};

bool TreeFinisher::Visit(Node* node, size_t depth) {
  if (node->kind == NodeKind::kAlias) return Replace(node, depth);
  if (node->anchor != 0) anchors_[node->anchor].node = node;
  uint8_t below = 0;
  for (Node& child : node->children) {
    if (!Visit(&child, depth + 1)) return false;
    below = std::max(below, child.depth);
  }
  if (!node->is_scalar()) node->depth = static_cast<uint8_t>(below + 1);
  if (node->is_mapping()) CheckKeys(*node);
  if (node->anchor != 0) anchors_[node->anchor].is_complete = true;
  return true;
}

bool TreeFinisher::Replace(Node* alias, size_t depth) {
  const Anchor& anchor = anchors_[alias->anchor];
  if (!anchor.is_complete) {
    reporter_.Report(Code::kAlias, At(*alias), "this alias names a value that it is part of");
    return false;
  }
  if (depth + anchor.node->depth > kMaxNesting) {
    reporter_.Report(Code::kTooDeep, At(*alias),
                     "with this alias, lists and mappings are nested deeper than " +
                         std::to_string(kMaxNesting));
    return false;
  }
  Node copy;
  if (!Copy(*anchor.node, &copy)) {
    reporter_.Report(
        Code::kAlias, At(*alias),
        "the aliases up to here stand for more than " + std::to_string(kMaxAliasNodes) + " values");
    return false;
  }
  *alias = std::move(copy);
  return true;
}

bool TreeFinisher::Copy(const Node& from, Node* to) {
  if (++copied_ > kMaxAliasNodes) return false;
  to->kind = from.kind;
  to->style = from.style;
  to->depth = from.depth;
  to->range = from.range;
  to->value = from.value;
  to->children.resize(std::min(from.children.size(), kMaxAliasNodes));
  for (size_t i = 0; i < from.children.size(); ++i) {
    if (i == kMaxAliasNodes || !Copy(from.children[i], &to->children[i])) return false;
  }
  return true;
}

void TreeFinisher::CheckKeys(const Node& mapping) {
  std::unordered_map<std::string_view, const Node*> seen;
  for (size_t i = 0; i < mapping.entries(); ++i) {
    const Node& key = mapping.key(i);
    if (!key.is_scalar()) {
      reporter_.Report(Code::kWrongKind, At(key),
                       "a key is text, this is " + std::string(DescribeKind(key)));
      continue;
    }
    const auto [it, is_new] = seen.emplace(key.value, &key);
    if (is_new || reporter_.is_full()) continue;
    reporter_.Report(Code::kDuplicateKey, At(key),
                     "the key `" + std::string(key.value) + "` is given twice",
                     "first given in " + reporter_.Describe(At(*it->second), At(key)));
  }
}

}  // namespace

bool FinishTree(Document* document, Reporter* reporter) {
  if (document->root == nullptr) return true;
  return TreeFinisher(document, reporter).Visit(document->root.get(), 0);
}

}  // namespace vigil::rules
