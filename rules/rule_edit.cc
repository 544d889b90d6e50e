#include "rules/rule_edit.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>

#include "rules/yaml_reader.h"

namespace vigil::rules {
namespace {

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

Status CannotEdit(std::string_view file, std::string_view id) {
  return absl::FailedPreconditionError(
      absl::StrCat(Abseil(file), " is not written so that the rule `", Abseil(id),
                   "` can be edited in it; edit the file, or put all of it"));
}

std::unique_ptr<Document> Read(const std::string& name, std::string text) {
  Reporter reporter;
  return ReadYaml(name, std::move(text), &reporter);
}

// The list of rules, or null.
const Node* ListOf(const Document& document) {
  if (document.root == nullptr || !document.root->is_mapping()) return nullptr;
  const Node* list = document.root->Find("rules");
  return list != nullptr && list->is_sequence() ? list : nullptr;
}

std::string_view IdOf(const Node& rule) {
  const Node* id = rule.is_mapping() ? rule.Find("rule") : nullptr;
  return id != nullptr && id->is_scalar() ? id->value : std::string_view();
}

int IndexOf(const Node& list, std::string_view id) {
  for (size_t i = 0; i < list.children.size(); ++i) {
    if (IdOf(list.children[i]) == id) return static_cast<int>(i);
  }
  return -1;
}

// Whether two trees say the same.
bool SaysTheSame(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.children.size() != b.children.size()) return false;
  if (a.is_scalar() && (a.value != b.value || a.scalar_type() != b.scalar_type())) return false;
  return std::equal(a.children.begin(), a.children.end(), b.children.begin(), SaysTheSame);
}

// Whether `node` is written in brackets; it holds something.
bool IsFlow(const std::string& text, const Node& node) {
  return text[node.range.begin] == '{' || text[node.range.begin] == '[';
}

// Behind the last byte of what is written for a value: a block's own end, and that of text in one,
// is where the next thing begins.
uint32_t EndOf(const std::string& text, const Node& node) {
  uint32_t end = node.range.end;
  if (!node.is_scalar() && !node.children.empty() && !IsFlow(text, node)) {
    const Node& last = node.children.back();
    // An alias's place is that of what it stands for.
    const bool is_here = last.range.begin >= node.range.begin && last.range.end <= end;
    if (is_here) end = EndOf(text, last);
    // A key without a value.
    if (is_here && node.is_mapping()) end = std::max(end, node.children.end()[-2].range.end);
  }
  while (end > node.range.begin && std::isspace(static_cast<unsigned char>(text[end - 1])) != 0) {
    --end;
  }
  return end;
}

uint32_t LineBegin(const std::string& text, uint32_t offset) {
  const size_t line_break = offset == 0 ? std::string::npos : text.rfind('\n', offset - 1);
  return line_break == std::string::npos ? 0 : static_cast<uint32_t>(line_break) + 1;
}

// Behind the line break of the line in which what ends at `end` ends.
uint32_t LineEnd(const std::string& text, uint32_t end) {
  const size_t line_break = text.find('\n', end);
  return static_cast<uint32_t>(line_break == std::string::npos ? text.size() : line_break + 1);
}

// Columns before an element that stands on a line of its own behind a dash; nothing if it does not.
std::optional<uint32_t> IndentOf(const std::string& text, const Node& element) {
  const uint32_t begin = element.range.begin;
  const std::string_view before(text.data() + LineBegin(text, begin),
                                begin - LineBegin(text, begin));
  const size_t dash = before.find_first_not_of(' ');
  if (dash == std::string_view::npos || before[dash] != '-') return std::nullopt;
  if (before.find_first_not_of(' ', dash + 1) != std::string_view::npos) return std::nullopt;
  return static_cast<uint32_t>(before.size());
}

// `text` with `columns` blanks before each line but the first and empty ones; without line breaks
// at its end.
std::string Indented(std::string_view text, uint32_t columns) {
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (begin > 0) out.push_back('\n');
    if (begin > 0 && !line.empty()) out.append(columns, ' ');
    out.append(line);
    begin = end + 1;
  }
  return out;
}

// A rule given on its own: its document, and its text from the first key on.
struct GivenRule {
  std::unique_ptr<Document> document;
  std::string text;
};

StatusOr<GivenRule> ReadGiven(std::string_view id, std::string_view rule) {
  GivenRule given;
  given.document = Read("request", std::string(rule));
  const Node* root = given.document->root.get();
  if (root == nullptr || !root->is_mapping() || IdOf(*root).empty()) {
    return absl::InvalidArgumentError("this is no rule: a mapping with the key `rule`");
  }
  if (IdOf(*root) != id) {
    return absl::InvalidArgumentError(
        absl::StrCat("this is the rule `", Abseil(IdOf(*root)), "`, not `", Abseil(id), "`"));
  }
  const std::string& text = given.document->source.text();
  const uint32_t begin = root->range.begin;
  // What stands before (comments, `---`) would not be of the rule; on its line nothing may.
  if (LineBegin(text, begin) != begin && !IsFlow(text, *root)) {
    return absl::InvalidArgumentError("the rule must begin at the first column");
  }
  given.text = text.substr(begin, EndOf(text, *root) - begin);
  return given;
}

uint32_t CountLines(std::string_view text) {
  return static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
}

// Whether `edited` has what `before` had, but for the rule `id`, which is `wanted` (null: absent).
bool IsAsWanted(const Document& before, const std::string& edited, std::string_view id,
                const Node* wanted) {
  const std::unique_ptr<Document> after = Read("edited", edited);
  if (after->root == nullptr || before.root->entries() != after->root->entries()) return false;
  for (size_t i = 0; i < before.root->entries(); ++i) {
    const Node* same = after->root->Find(before.root->key(i).value);
    if (same == nullptr) return false;
    if (before.root->key(i).value != "rules" && !SaysTheSame(before.root->entry(i), *same)) {
      return false;
    }
  }
  const Node* rules = ListOf(*after);
  if (rules == nullptr) return false;
  std::map<std::string_view, const Node*> left;
  for (const Node& rule : rules->children) left.emplace(IdOf(rule), &rule);
  if (left.size() != rules->children.size()) return false;
  const auto take = [&left](std::string_view name, const Node& as) {
    const auto found = left.find(name);
    if (found == left.end() || !SaysTheSame(as, *found->second)) return false;
    left.erase(found);
    return true;
  };
  for (const Node& rule : ListOf(before)->children) {
    if (IdOf(rule) != id && !take(IdOf(rule), rule)) return false;
  }
  return (wanted == nullptr || take(id, *wanted)) && left.empty();
}

}  // namespace

std::vector<std::string> RuleIds(const NamedText& file) {
  const std::unique_ptr<Document> document = Read(file.name, file.text);
  std::vector<std::string> ids;
  if (const Node* list = ListOf(*document)) {
    for (const Node& rule : list->children) ids.emplace_back(IdOf(rule));
  }
  return ids;
}

StatusOr<std::string> RuleText(const NamedText& file, std::string_view id) {
  const std::unique_ptr<Document> document = Read(file.name, file.text);
  const Node* list = ListOf(*document);
  const int index = list == nullptr ? -1 : IndexOf(*list, id);
  if (index < 0) return absl::NotFoundError("no such rule");
  const Node& rule = list->children[static_cast<size_t>(index)];
  const std::string& text = document->source.text();
  const uint32_t columns = rule.range.begin - LineBegin(text, rule.range.begin);
  const std::string_view written =
      std::string_view(text).substr(rule.range.begin, EndOf(text, rule) - rule.range.begin);
  std::string out;
  for (size_t begin = 0; begin < written.size();) {
    const size_t end = std::min(written.find('\n', begin), written.size());
    std::string_view line = written.substr(begin, end - begin);
    if (begin > 0) {
      line.remove_prefix(
          std::min<size_t>(columns, std::min(line.find_first_not_of(' '), line.size())));
    }
    out.append(line).push_back('\n');
    begin = end + 1;
  }
  return out;
}

StatusOr<EditedFile> PutRule(const NamedText& file, std::string_view id, std::string_view rule) {
  ASSIGN_OR_RETURN(const GivenRule given, ReadGiven(id, rule));
  const std::unique_ptr<Document> document = Read(file.name, file.text);
  const Node* list = ListOf(*document);
  if (list == nullptr) return CannotEdit(file.name, id);
  const std::string& text = document->source.text();
  const int index = IndexOf(*list, id);
  EditedFile edited;
  std::string before;
  std::string put;
  std::string after;
  if (index >= 0) {
    const Node& old = list->children[static_cast<size_t>(index)];
    edited.indent = IndentOf(text, old).value_or(0);
    before = text.substr(0, old.range.begin);
    put = Indented(given.text, edited.indent);
    after = text.substr(EndOf(text, old));
  } else if (list->children.empty()) {
    edited.indent = 4;
    before = text.substr(0, list->range.begin);
    before.erase(before.find_last_not_of(' ') + 1);
    before += "\n  - ";
    put = Indented(given.text, edited.indent);
    after = text.substr(list->range.end);
  } else {
    const Node& last = list->children.back();
    const std::optional<uint32_t> indent = IndentOf(text, last);
    if (!indent) return CannotEdit(file.name, id);
    const uint32_t line = LineBegin(text, last.range.begin);
    const uint32_t end = LineEnd(text, EndOf(text, last));
    edited.indent = *indent;
    before = text.substr(0, end);
    if (before.back() != '\n') before.push_back('\n');
    before += text.substr(line, last.range.begin - line);
    put = Indented(given.text, edited.indent);
    after = end < text.size() ? "\n" + text.substr(end) : "\n";
  }
  edited.first_line = CountLines(before);
  edited.lines = CountLines(put);
  edited.text = before + put + after;
  if (!IsAsWanted(*document, edited.text, id, given.document->root.get())) {
    return CannotEdit(file.name, id);
  }
  return edited;
}

StatusOr<EditedFile> NewRuleFile(std::string_view id, std::string_view rule) {
  return PutRule({"request", "version: 1\nrules: []\n"}, id, rule);
}

StatusOr<std::string> RemoveRule(const NamedText& file, std::string_view id, bool* is_empty) {
  const std::unique_ptr<Document> document = Read(file.name, file.text);
  const Node* list = ListOf(*document);
  const int index = list == nullptr ? -1 : IndexOf(*list, id);
  if (index < 0) return absl::NotFoundError("no such rule");
  const Node& rule = list->children[static_cast<size_t>(index)];
  std::string text = document->source.text();
  if (list->children.size() == 1) {
    // The whole list, so that what is left is still one.
    const Node* key = nullptr;
    for (size_t i = 0; i < document->root->entries(); ++i) {
      if (document->root->key(i).value == "rules") key = &document->root->key(i);
    }
    const uint32_t end = EndOf(text, *list);
    text.replace(key->range.end, end - key->range.end, ": []");
  } else if (IndentOf(text, rule)) {
    const uint32_t begin = LineBegin(text, rule.range.begin);
    text.erase(begin, LineEnd(text, EndOf(text, rule)) - begin);
  } else {
    // In brackets: with the comma that is before it, or else behind it.
    const auto at = static_cast<size_t>(index);
    const uint32_t begin = at > 0 ? EndOf(text, list->children[at - 1]) : rule.range.begin;
    const uint32_t end = at > 0 ? EndOf(text, rule) : list->children[1].range.begin;
    text.erase(begin, end - begin);
  }
  if (!IsAsWanted(*document, text, id, nullptr)) return CannotEdit(file.name, id);
  *is_empty = list->children.size() == 1;
  for (size_t i = 0; i < document->root->entries(); ++i) {
    const std::string_view key = document->root->key(i).value;
    *is_empty = *is_empty && (key == "version" || key == "rules");
  }
  return text;
}

}  // namespace vigil::rules
