#include "rules/resolver.h"

#include <map>

#include "patterns/program.h"
#include "rules/define_text.h"
#include "rules/stage_reader.h"

namespace vigil::rules {
namespace {

// Reads one rule; see rule_draft.h for what it makes.
class RuleReader {
 public:
  RuleReader(const SourceText& source, const Node& node, Reporter* reporter)
      : source_(source), reporter_(*reporter), section_(Section::kRule, source, node, reporter) {
    draft_.source = &source;
    draft_.node = &node;
    draft_.id_place = section_.place();
  }

  RuleDraft Run();

 private:
  void ReadId();
  void ReadInfo();
  void ReadPattern();
  void ReadAfterMatch();
  void ReadLimits();
  AlertDraft ReadAlert(const Node& node);

  const SourceText& source_;
  Reporter& reporter_;
  SectionReader section_;
  RuleDraft draft_;
};

void RuleReader::ReadId() {
  const std::optional<std::string> id = section_.Text("rule");
  if (!id) return;
  draft_.id_place = section_.PlaceOfValue("rule");
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
  if (id->empty() || id->find_first_not_of(kAllowed) != std::string::npos) {
    reporter_.Report(Code::kBadRuleId, draft_.id_place, "`" + *id + "` cannot be a rule's id",
                     "lower-case letters, digits, `_`, `.` and `-`");
    return;
  }
  draft_.info.id = *id;
}

void RuleReader::ReadInfo() {
  draft_.info.description = section_.Text("description").value_or("");
  if (const std::optional<size_t> severity = section_.Word("severity")) {
    draft_.info.has_severity = true;
    draft_.info.severity = static_cast<alerts::Severity>(*severity);
  }
  for (PlacedName& tag : section_.Names("tags")) draft_.info.tags.push_back(std::move(tag.name));
  draft_.mode = static_cast<Mode>(section_.Word("mode").value_or(0));
  draft_.on_change = static_cast<OnChange>(section_.Word("on_change").value_or(0));
  draft_.key = section_.Names("key");
  for (const PlacedName& field : draft_.key) draft_.info.key_names.push_back(field.name);
}

void RuleReader::ReadPattern() {
  patterns::Pattern& pattern = draft_.pattern;
  pattern.within_ms = section_.DurationMs("within").value_or(0);
  pattern.on_error = static_cast<patterns::OnError>(section_.Word("on_error").value_or(0));
  pattern.ttl_ms = section_.DurationMs("ttl").value_or(0);
  if (const Node* list = section_.Get("pattern")) {
    if (list->children.empty()) {
      reporter_.Report(Code::kWrongKind, section_.PlaceOf(*list), "the pattern is empty");
    }
    if (list->children.size() > patterns::kMaxStates) {
      reporter_.Report(
          Code::kTooManyStates, section_.PlaceOfKey("pattern"),
          "this pattern has more than " + std::to_string(patterns::kMaxStates) + " stages");
      return;
    }
    draft_.stages = ReadStages(source_, *list, &reporter_);
    return;
  }
  for (const std::string_view kind : {"pattern", "window", "join", "when"}) {
    if (section_.Has(kind)) return;  // reported
  }
  if (!section_.is_mapping()) return;
  reporter_.Report(Code::kMissingKey, section_.place(), "a rule needs the key `pattern`");
}

void RuleReader::ReadAfterMatch() {
  patterns::AfterMatch& after_match = draft_.pattern.after_match;
  if (const std::optional<size_t> kind = section_.Word("after_match")) {
    after_match.kind = static_cast<patterns::SkipKind>(*kind);
    return;
  }
  const Node* node = section_.Get("after_match");
  if (node == nullptr || !node->is_mapping()) return;
  const SectionReader skip(Section::kAfterMatch, source_, *node, &reporter_);
  const std::optional<std::string> first = skip.Text("skip_to_first");
  const std::optional<std::string> last = skip.Text("skip_to_last");
  if (first.has_value() == last.has_value()) {
    reporter_.Report(first ? Code::kConflict : Code::kMissingKey, skip.place(),
                     "`after_match` has one of `skip_to_first` and `skip_to_last`");
    return;
  }
  after_match.kind = first ? patterns::SkipKind::kSkipToFirst : patterns::SkipKind::kSkipToLast;
  after_match.stage = first ? *first : *last;
  draft_.skip_target = skip.PlaceOfValue(first ? "skip_to_first" : "skip_to_last");
}

void RuleReader::ReadLimits() {
  const Node* node = section_.Get("limits");
  if (node == nullptr) return;
  const SectionReader limits(Section::kLimits, source_, *node, &reporter_);
  struct Row {
    std::string_view key;
    uint32_t patterns::Limits::*limit;
  };
  constexpr Row kRows[] = {
      {"partial_matches_per_key", &patterns::Limits::partial_matches_per_key},
      {"events_per_match", &patterns::Limits::events_per_match},
      {"matches_per_event", &patterns::Limits::matches_per_event},
  };
  for (const Row& row : kRows) {
    if (const std::optional<int64_t> count = limits.Count(row.key)) {
      draft_.pattern.limits.*row.limit = static_cast<uint32_t>(*count);
    }
  }
}

AlertDraft RuleReader::ReadAlert(const Node& node) {
  AlertDraft alert;
  const SectionReader section(Section::kAlert, source_, node, &reporter_);
  alert.summary = section.Get("summary");
  alert.evidence = static_cast<alerts::Evidence>(section.Word("evidence").value_or(0));
  alert.outputs = section.Names("to");
  const Node* fields = section.Get("fields");
  for (size_t i = 0; fields != nullptr && i < fields->entries(); ++i) {
    const Node& key = fields->key(i);
    const Node& value = fields->entry(i);
    if (!key.is_scalar()) continue;  // reported
    if (!value.is_scalar() || value.is_null()) {
      reporter_.Report(Code::kWrongKind, section.PlaceOf(value.is_null() ? key : value),
                       "the field `" + std::string(key.value) +
                           "` takes a CEL expression, this is " + std::string(DescribeKind(value)));
      continue;
    }
    alert.fields.push_back({{std::string(key.value), section.PlaceOf(key)}, &value});
  }
  return alert;
}

RuleDraft RuleReader::Run() {
  ReadId();
  ReadInfo();
  ReadPattern();
  ReadAfterMatch();
  ReadLimits();
  if (const Node* alert = section_.Get("alert")) draft_.alert = ReadAlert(*alert);
  if (const Node* alert = section_.Get("on_timeout")) {
    draft_.on_timeout = ReadAlert(*alert);
    draft_.pattern.emit_timeouts = true;
  }
  return std::move(draft_);
}

void ReadDefines(const SectionReader& file, RuleSetDraft* draft) {
  const Node* defines = file.Get("define");
  for (size_t i = 0; defines != nullptr && i < defines->entries(); ++i) {
    const Node& key = defines->key(i);
    const Node& value = defines->entry(i);
    if (!key.is_scalar()) continue;  // reported
    DefineDraft define;
    define.name = {std::string(key.value), file.PlaceOf(key)};
    define.source = &file.source();
    define.value = &value;
    std::string why = WhyNoIdentifier(key.value);
    if (why.empty() && value.is_null()) why = "it stands for nothing";
    if (!why.empty()) {
      file.reporter().Report(Code::kBadDefine, define.name.place,
                             "`" + define.name.name + "` cannot be a define: " + why);
      continue;
    }
    if (!DefineText(file.source(), value, &file.reporter(), &define.text)) continue;
    draft->defines.push_back(std::move(define));
  }
}

// Reports the items whose name an earlier one has.
template <typename Item, typename NameOf>
void ReportDuplicates(Code code, std::string_view what, NameOf name_of,
                      const std::vector<Item>& items, Reporter* reporter) {
  std::map<std::string, Place> seen;
  for (const Item& item : items) {
    const auto [name, place] = name_of(item);
    const auto [it, is_new] = seen.emplace(name, place);
    if (is_new || name.empty()) continue;
    reporter->Report(code, place, "the " + std::string(what) + " `" + name + "` is given twice",
                     "first given in " + reporter->Describe(it->second, place));
  }
}

}  // namespace

Place StageDraft::PlaceOfKey(std::string_view key_name) const {
  for (size_t i = 0; i < node->entries(); ++i) {
    if (node->key(i).value == key_name) return {source, node->key(i).range};
  }
  return name_place;
}

Place RuleDraft::PlaceOfKey(std::string_view key_name) const {
  for (size_t i = 0; i < node->entries(); ++i) {
    if (node->key(i).value == key_name) return {source, node->key(i).range};
  }
  return id_place;
}

void ResolveFile(const Document& document, RuleSetDraft* draft, Reporter* reporter) {
  if (document.root == nullptr || document.root->is_null()) return;
  const SectionReader file(Section::kFile, document.source, *document.root, reporter);
  file.Count("version");
  ReadDefines(file, draft);
  const Node* rules = file.Get("rules");
  if (rules == nullptr) return;
  for (const Node& node : rules->children) {
    if (reporter->is_full()) return;
    RuleDraft rule = RuleReader(document.source, node, reporter).Run();
    if (node.is_mapping()) draft->rules.push_back(std::move(rule));
  }
}

void CheckNames(const RuleSetDraft& draft, Reporter* reporter) {
  using NameAndPlace = std::pair<std::string, Place>;
  ReportDuplicates(
      Code::kBadDefine, "define",
      [](const DefineDraft& d) { return NameAndPlace(d.name.name, d.name.place); }, draft.defines,
      reporter);
  ReportDuplicates(
      Code::kDuplicateRule, "rule",
      [](const RuleDraft& r) { return NameAndPlace(r.info.id, r.id_place); }, draft.rules,
      reporter);
}

}  // namespace vigil::rules
