#include "daemon/edit_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include <absl/strings/str_cat.h>
#include <simdjson.h>

#include "cep/base/hash.h"
#include "rules/rule_edit.h"

namespace vigil::daemon {
namespace {

using rules::NamedText;

// Whether a header's list of tags has `tag`; `*` has every tag that there is.
bool Lists(std::string_view header, std::string_view tag) {
  if (tag.empty()) return false;
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    std::string_view item = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (item == "*" || item == tag) return true;
  }
  return false;
}

// `tag`: of what is there now; empty: nothing is.
Status Check(const Conditions& when, const std::string& tag) {
  if (!when.if_match.empty() && !Lists(when.if_match, tag)) {
    return absl::AbortedError(tag.empty() ? "it is not there" : "it is " + tag + " by now");
  }
  if (!when.if_none_match.empty() && Lists(when.if_none_match, tag)) {
    return absl::AbortedError("it is there already, as " + tag);
  }
  return absl::OkStatus();
}

GivenPiece PieceOf(const std::string& file, const rules::EditedFile& edited) {
  return {file, edited.first_line, edited.lines, edited.indent};
}

}  // namespace

std::string TagOf(std::string_view text) { return "\"" + ToHex(HashBytes128(text)) + "\""; }

std::string TagOf(const std::vector<NamedText>& texts) {
  std::string all;
  for (const NamedText& text : texts) {
    for (const std::string* part : {&text.name, &text.text}) {
      absl::StrAppend(&all, part->size(), ":", *part);
    }
  }
  return TagOf(std::string_view(all));
}

const NamedText* FindRule(const std::vector<NamedText>& texts, std::string_view id) {
  for (const NamedText& file : texts) {
    // Reading a file as YAML costs more than a look at whether the id stands in it at all.
    if (file.text.find(id) == std::string::npos) continue;
    const std::vector<std::string> ids = rules::RuleIds(file);
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) return &file;
  }
  return nullptr;
}

StatusOr<PlannedEdit> PlanPut(const std::vector<NamedText>& texts, const RuleStore& store,
                              std::string_view id, std::string_view rule, const Conditions& when) {
  const NamedText* file = FindRule(texts, id);
  std::string tag;
  if (file != nullptr) {
    ASSIGN_OR_RETURN(const std::string text, rules::RuleText(*file, id));
    tag = TagOf(text);
  }
  RETURN_IF_ERROR(Check(when, tag));
  NamedText target;
  if (file == nullptr) {
    // Such a name would make it a file of tests.
    const bool is_as_test = id.size() >= 5 && id.substr(id.size() - 5) == ".test";
    StatusOr<std::string> name =
        store.FileFor(std::string(id) + (is_as_test ? ".rule.yaml" : ".yaml"));
    // Without a place for a file of its own it goes behind the last of them.
    if (absl::IsFailedPrecondition(name.status()) && !texts.empty()) name = texts.back().name;
    RETURN_IF_ERROR(name.status());
    target.name = *std::move(name);
    const auto same = std::find_if(texts.begin(), texts.end(),
                                   [&](const NamedText& text) { return text.name == target.name; });
    if (same != texts.end()) file = &*same;
  } else {
    target.name = file->name;
  }
  ASSIGN_OR_RETURN(rules::EditedFile edited, file == nullptr ? rules::NewRuleFile(id, rule)
                                                             : rules::PutRule(*file, id, rule));
  PlannedEdit planned;
  planned.given = PieceOf(target.name, edited);
  target.text = std::move(edited.text);
  ASSIGN_OR_RETURN(const std::string after, rules::RuleText(target, id));
  planned.tag = TagOf(after);
  planned.edit.write.push_back(std::move(target));
  return planned;
}

StatusOr<PlannedEdit> PlanDelete(const std::vector<NamedText>& texts, std::string_view id,
                                 const Conditions& when) {
  const NamedText* file = FindRule(texts, id);
  if (file == nullptr) {
    RETURN_IF_ERROR(Check(when, ""));
    return absl::NotFoundError("no such rule");
  }
  ASSIGN_OR_RETURN(const std::string text, rules::RuleText(*file, id));
  RETURN_IF_ERROR(Check(when, TagOf(text)));
  bool is_empty = false;
  ASSIGN_OR_RETURN(std::string rest, rules::RemoveRule(*file, id, &is_empty));
  PlannedEdit planned;
  if (is_empty && texts.size() > 1) {
    planned.edit.remove.push_back(file->name);
  } else {
    planned.edit.write.push_back({file->name, std::move(rest)});
  }
  return planned;
}

StatusOr<PlannedEdit> PlanPutAll(const std::vector<NamedText>& texts, const RuleStore& store,
                                 const std::string& set, const Conditions& when) {
  RETURN_IF_ERROR(Check(when, TagOf(texts)));
  const Status wrong = absl::InvalidArgumentError(
      "the body is no object with `files`: a list of objects with `file` and `text`");
  simdjson::dom::parser parser;
  simdjson::dom::array files;
  if (parser.parse(set).get_object()["files"].get(files) != simdjson::SUCCESS) return wrong;
  PlannedEdit planned;
  std::set<std::string> names;
  for (const simdjson::dom::element entry : files) {
    std::string_view name;
    std::string_view text;
    if (entry["file"].get(name) != simdjson::SUCCESS ||
        entry["text"].get(text) != simdjson::SUCCESS) {
      return wrong;
    }
    ASSIGN_OR_RETURN(std::string path, store.FileFor(name));
    if (!names.insert(path).second) {
      return absl::InvalidArgumentError("the file `" + path + "` is there twice");
    }
    planned.edit.write.push_back({std::move(path), std::string(text)});
  }
  if (names.empty()) return absl::InvalidArgumentError("a set needs one file at least");
  for (const NamedText& text : texts) {
    if (names.count(text.name) == 0) planned.edit.remove.push_back(text.name);
  }
  planned.tag = TagOf(Edited(texts, planned.edit));
  return planned;
}

std::vector<NamedText> Edited(std::vector<NamedText> texts, const RuleEdit& edit) {
  for (const std::string& name : edit.remove) {
    texts.erase(std::remove_if(texts.begin(), texts.end(),
                               [&name](const NamedText& text) { return text.name == name; }),
                texts.end());
  }
  for (const NamedText& file : edit.write) {
    const auto same = std::find_if(texts.begin(), texts.end(), [&file](const NamedText& text) {
      return text.name == file.name;
    });
    if (same != texts.end()) {
      same->text = file.text;
    } else {
      texts.insert(
          std::upper_bound(texts.begin(), texts.end(), file,
                           [](const NamedText& a, const NamedText& b) { return a.name < b.name; }),
          file);
    }
  }
  return texts;
}

void ShowAsGiven(const GivenPiece& given, std::vector<rules::Diagnostic>* diagnostics) {
  for (rules::Diagnostic& d : *diagnostics) {
    if (d.file != given.file || d.line < given.first_line ||
        d.line >= given.first_line + given.lines) {
      continue;
    }
    d.file = "request";
    d.line -= given.first_line - 1;
    d.column -= std::min(given.indent, d.column - 1);
    // An excerpt of a very long line begins somewhere in it.
    if (d.excerpt_column == 0 && d.excerpt.size() > given.indent) d.excerpt.erase(0, given.indent);
  }
}

}  // namespace vigil::daemon
