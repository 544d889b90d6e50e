#include "rules/load.h"

#include <algorithm>
#include <utility>

#include "rules/cel/compile.h"
#include "rules/cel/suggest.h"
#include "rules/compile.h"
#include "rules/own_text.h"
#include "rules/resolver.h"
#include "rules/rule_files.h"
#include "rules/version.h"
#include "rules/yaml_reader.h"

namespace vigil::rules {
namespace {

using Documents = std::vector<std::unique_ptr<Document>>;

// `evidence: used` shows all fields in use of a match's events.
void KeepEvidence(const RuleSet& set, cep::Layout* layout) {
  for (const CompiledRule& rule : set.rules) {
    if (rule.info.on_match.evidence != alerts::Evidence::kUsed &&
        rule.info.on_timeout.evidence != alerts::Evidence::kUsed) {
      continue;
    }
    for (uint32_t slot = 0; slot < layout->slots().size(); ++slot) {
      if (layout->slots()[slot].is_read) layout->Keep(slot);
    }
  }
}

// Finds out which fields each rule reads, and leaves in the layout what all of them do.
class LayoutUses {
 public:
  explicit LayoutUses(cep::Layout* layout) : layout_(layout) {}

  void Begin() { layout_->ForgetUses(); }
  // The slots that were kept since Begin().
  std::vector<uint32_t> End() {
    std::vector<uint32_t> kept;
    const std::vector<cep::Slot>& slots = layout_->slots();
    read_.resize(slots.size());
    kept_.resize(slots.size());
    for (uint32_t s = 0; s < slots.size(); ++s) {
      if (slots[s].is_kept) kept.push_back(s);
      read_[s] = read_[s] || slots[s].is_read;
      kept_[s] = kept_[s] || slots[s].is_kept;
    }
    return kept;
  }
  void Finish() {
    layout_->ForgetUses();
    for (uint32_t s = 0; s < read_.size(); ++s) {
      const cep::Slot& slot = layout_->slots()[s];
      if (read_[s]) layout_->Add(std::string(slot.name), slot.type);
      if (kept_[s]) layout_->Keep(s);
    }
  }

 private:
  cep::Layout* layout_;
  std::vector<bool> read_;
  std::vector<bool> kept_;
};

// Fields that sources read are decoded, whatever the rules read; those of an id are kept, too.
void CompileSources(const std::vector<SourceTexts>& texts, const cep::Schema& schema,
                    cep::Layout* layout, RuleSet* set) {
  cel::Environment environment;
  environment.schema = &schema;
  environment.layout = layout;
  const auto compile = [&environment](const std::string& text, bool is_kept) {
    environment.reads_matches = is_kept;
    return text.empty() ? nullptr : cel::CompileValue(text, environment).value;
  };
  for (const SourceTexts& source : texts) {
    set->sources[source.source] = {compile(source.event_time, false),
                                   compile(source.punctuated, false), compile(source.id, true)};
  }
  set->source_texts = texts;
}

std::shared_ptr<RuleSet> CompileAll(const RuleSetDraft& draft,
                                    std::shared_ptr<const cep::Schema> schema,
                                    const LoadOptions& options, Reporter* reporter) {
  const cep::Layout* const running = options.layout.get();
  auto layout = std::make_shared<cep::Layout>();
  if (running != nullptr) *layout = *running;
  LayoutUses uses(layout.get());
  cep::Layout unused;  // of rules that are off
  CompileScope scope;
  scope.schema = schema.get();
  scope.defines = &draft.defines;
  for (const DefineDraft& define : draft.defines) {
    scope.define_texts.emplace(define.name.name, define.text);
  }
  auto set = std::make_shared<RuleSet>();
  for (const RuleDraft& rule : draft.rules) {
    if (reporter->is_full()) break;
    scope.layout = rule.mode == Mode::kOff ? &unused : layout.get();
    uses.Begin();
    std::optional<CompiledRule> compiled = CompileRule(rule, scope, reporter);
    std::vector<uint32_t> kept = uses.End();
    if (!compiled || rule.mode == Mode::kOff) continue;
    compiled->kept_slots = std::move(kept);
    SetHashes(rule, draft.defines, &*compiled);
    compiled->text = OwnText(rule, draft.defines);
    set->rules.push_back(*std::move(compiled));
  }
  uses.Finish();
  CheckDefines(scope, reporter);
  std::sort(set->rules.begin(), set->rules.end(),
            [](const CompiledRule& a, const CompiledRule& b) { return a.info.id < b.info.id; });
  KeepEvidence(*set, layout.get());
  CompileSources(options.sources, *schema, layout.get(), set.get());
  set->schema = std::move(schema);
  set->layout = std::move(layout);
  set->version = VersionOf(draft);
  return set;
}

// Reports outputs that are not among `known`.
void CheckOutputs(const RuleSetDraft& draft, const std::vector<std::string>& known,
                  Reporter* reporter) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const auto check = [&](const AlertDraft& alert) {
    for (const PlacedName& output : alert.outputs) {
      if (std::find(names.begin(), names.end(), output.name) != names.end()) continue;
      reporter->Report(Code::kUnknownOutput, output.place,
                       "the configuration defines no output `" + output.name + "`",
                       cel::DidYouMean(output.name, names));
    }
  };
  for (const RuleDraft& rule : draft.rules) {
    check(rule.alert);
    if (rule.on_timeout) check(*rule.on_timeout);
  }
}

LoadResult LoadDocuments(const Documents& documents, std::shared_ptr<const cep::Schema> schema,
                         const LoadOptions& options, Reporter* reporter) {
  RuleSetDraft draft;
  for (const auto& document : documents) ResolveFile(*document, &draft, reporter);
  CheckNames(draft, reporter);
  if (options.outputs) CheckOutputs(draft, *options.outputs, reporter);
  LoadResult result;
  result.rule_count = draft.rules.size();
  std::shared_ptr<RuleSet> rules = CompileAll(draft, std::move(schema), options, reporter);
  for (const auto& document : documents) {
    rules->texts.push_back({document->source.name(), document->source.text()});
  }
  result.rules = std::move(rules);
  if (reporter->errors() > 0) result.rules.reset();
  result.diagnostics = reporter->Take();
  return result;
}

}  // namespace

LoadResult LoadRules(const std::vector<std::string>& paths,
                     std::shared_ptr<const cep::Schema> schema, const LoadOptions& options) {
  Reporter reporter;
  Documents documents;
  for (const std::string& file : FindRuleFiles(paths, &reporter)) {
    documents.push_back(ReadYamlFile(file, &reporter));
  }
  return LoadDocuments(documents, std::move(schema), options, &reporter);
}

LoadResult LoadRuleTexts(const std::vector<NamedText>& texts,
                         std::shared_ptr<const cep::Schema> schema, const LoadOptions& options) {
  Reporter reporter;
  Documents documents;
  for (const NamedText& text : texts) {
    documents.push_back(ReadYaml(text.name, text.text, &reporter));
  }
  return LoadDocuments(documents, std::move(schema), options, &reporter);
}

RuleTexts ReadRuleTexts(const std::vector<std::string>& paths) {
  Reporter reporter;
  RuleTexts read;
  for (const std::string& file : FindRuleFiles(paths, &reporter)) {
    if (std::optional<std::string> text = ReadFileText(file, &reporter)) {
      read.texts.push_back({file, *std::move(text)});
    }
  }
  read.diagnostics = reporter.Take();
  return read;
}

}  // namespace vigil::rules
