#include "rules/compile.h"

#include <algorithm>
#include <memory>
#include <set>

#include "patterns/compile.h"
#include "rules/cel/compile.h"
#include "rules/cel/issues.h"
#include "rules/cel/suggest.h"
#include "rules/issue_places.h"
#include "rules/pattern_checks.h"
#include "rules/stage_scope.h"
#include "rules/template_text.h"

namespace vigil::rules {
namespace {

std::string Quote(std::string_view name) { return "`" + std::string(name) + "`"; }

class RuleCompiler {
 public:
  RuleCompiler(const RuleDraft& draft, const CompileScope& scope, Reporter* reporter)
      : draft_(draft),
        scope_(scope),
        reporter_(*reporter),
        issues_(*scope.defines, reporter),
        names_(draft.stages, scope.define_texts) {}

  std::optional<CompiledRule> Run();

 private:
  std::vector<uint32_t> CompileKey(const std::vector<PlacedName>& fields);
  patterns::Stage CompileStage(const StageDraft& draft);
  void CheckStageKey(const StageDraft& draft);
  patterns::StageCondition CompileCondition(const StageDraft& stage, const Node& scalar,
                                            const NamedStage& named);
  alerts::AlertSpec CompileAlert(const AlertDraft& draft);
  std::shared_ptr<const cep::Expression> CompileValue(const ExpressionText& expression);
  void CompileSummary(const Node& scalar, alerts::AlertSpec* spec);
  void CheckStates(const patterns::Pattern& pattern);

  // For a condition of `current`, or for an alert if it is null.
  cel::Environment EnvironmentFor(const NamedStage* current, std::string_view text) const;

  const RuleDraft& draft_;
  const CompileScope& scope_;
  Reporter& reporter_;
  IssueReporter issues_;
  StageScope names_;
  size_t next_stage_ = 0;  // in names_.stages(): CompileStage goes through them in their order
};

cel::Environment RuleCompiler::EnvironmentFor(const NamedStage* current,
                                              std::string_view text) const {
  cel::Environment environment;
  environment.schema = scope_.schema;
  environment.layout = scope_.layout;
  environment.reads_matches = current == nullptr;
  environment.stages = names_.NamesFor(current, text);
  environment.defines = &scope_.define_texts;
  return environment;
}

patterns::StageCondition RuleCompiler::CompileCondition(const StageDraft& stage, const Node& scalar,
                                                        const NamedStage& named) {
  cel::Compiled compiled =
      cel::CompileCondition(scalar.value, EnvironmentFor(&named, scalar.value));
  issues_.Report(compiled.issues, {stage.source, &scalar, scalar.value, 0});
  return {std::move(compiled.unary), std::move(compiled.correlated)};
}

std::shared_ptr<const cep::Expression> RuleCompiler::CompileValue(
    const ExpressionText& expression) {
  cel::Compiled compiled =
      cel::CompileValue(expression.text, EnvironmentFor(nullptr, expression.text));
  issues_.Report(compiled.issues, expression);
  return std::move(compiled.value);
}

// A key's fields as slots of the layout. Unknown ones, and those that hold no single value, are
// reported.
std::vector<uint32_t> RuleCompiler::CompileKey(const std::vector<PlacedName>& fields) {
  using Undeclared = cep::Schema::Undeclared;
  std::vector<uint32_t> slots;
  std::vector<std::string_view> known;
  for (const cep::Field& field : scope_.schema->fields()) known.push_back(field.name);
  for (const PlacedName& name : fields) {
    const cep::Field* field = scope_.schema->Find(name.name);
    if (field == nullptr && scope_.schema->undeclared() != Undeclared::kDyn) {
      const bool is_error = scope_.schema->undeclared() == Undeclared::kError;
      reporter_.Report(is_error ? Code::kUnknownField : Code::kUnseenField, name.place,
                       is_error ? "unknown field " + Quote(name.name)
                                : "field " + Quote(name.name) + " is not in the inferred schema",
                       cel::DidYouMean(name.name, known));
    }
    const cep::Type type = field == nullptr ? cep::Type() : field->type;
    const bool is_many = type.kind == cep::TypeKind::kList || type.kind == cep::TypeKind::kMap ||
                         type.kind == cep::TypeKind::kObject;
    if (is_many) {
      reporter_.Report(Code::kBadKey, name.place,
                       "the field " + Quote(name.name) + " is of type " + type.ToString() +
                           " and cannot be a key",
                       "a key's field holds a single value");
    }
    slots.push_back(scope_.layout->Add(name.name, type));
  }
  return slots;
}

void RuleCompiler::CheckStageKey(const StageDraft& draft) {
  if (draft.key.empty() || draft_.key.empty() || draft.is_group) return;
  if (draft.key.size() == draft_.key.size()) return;
  reporter_.Report(
      Code::kBadKey, draft.PlaceOfKey("key"),
      "a stage's `key` has as many fields as the rule's: " + std::to_string(draft_.key.size()) +
          ", not " + std::to_string(draft.key.size()));
}

// Recursion is bounded by the nesting that YAML files may have.
patterns::Stage RuleCompiler::CompileStage(const StageDraft& draft) {
  const NamedStage& named = names_.stages()[next_stage_++];
  patterns::Stage stage = draft.stage;
  stage.index = named.index;
  if (draft.where != nullptr && !draft.is_group) {
    stage.where = CompileCondition(draft, *draft.where, named);
  }
  if (draft.until != nullptr) {
    // A group's `until` applies to each of its stages, so it sees what the first of them sees.
    const NamedStage& as = draft.members.empty() ? named : names_.stages()[next_stage_];
    stage.until =
        std::make_shared<const patterns::StageCondition>(CompileCondition(draft, *draft.until, as));
  }
  CheckStageKey(draft);
  stage.key_slots = CompileKey(draft.key);
  for (const StageDraft& member : draft.members) stage.group.push_back(CompileStage(member));
  return stage;
}

void RuleCompiler::CompileSummary(const Node& scalar, alerts::AlertSpec* spec) {
  if (scalar.value.size() > kMaxTemplateBytes) {
    reporter_.Report(Code::kBadTemplate, {draft_.source, scalar.range},
                     "a template has at most " + std::to_string(kMaxTemplateBytes) + " bytes");
    return;
  }
  const TemplateSplit split = SplitTemplate(scalar.value);
  if (!split.problem.empty()) {
    const Range range =
        ScalarMap(*draft_.source, scalar).At(split.problem_at, split.problem_at + 2);
    reporter_.Report(Code::kBadTemplate, {draft_.source, range}, split.problem,
                     "`$${` stands for `${` itself");
  }
  for (const TemplatePiece& piece : split.pieces) {
    if (reporter_.is_full()) return;
    alerts::TemplatePart part;
    if (piece.is_expression) {
      part.expression = CompileValue({draft_.source, &scalar, piece.text, piece.offset});
    } else {
      part.literal = piece.literal;
    }
    spec->summary.push_back(std::move(part));
  }
}

alerts::AlertSpec RuleCompiler::CompileAlert(const AlertDraft& draft) {
  alerts::AlertSpec spec;
  spec.evidence = draft.evidence;
  for (const PlacedName& output : draft.outputs) spec.outputs.push_back(output.name);
  if (spec.outputs.empty()) spec.outputs.emplace_back("alerts");
  if (draft.summary != nullptr) CompileSummary(*draft.summary, &spec);
  for (const AlertDraft::Field& field : draft.fields) {
    spec.fields.push_back({field.name.name, CompileValue({draft_.source, field.expression,
                                                          field.expression->value, 0})});
  }
  return spec;
}

// The exact count, where CheckPattern's estimate let the pattern pass.
void RuleCompiler::CheckStates(const patterns::Pattern& pattern) {
  const StatusOr<patterns::Program> program = patterns::CompilePattern(pattern);
  if (program.ok()) return;
  reporter_.Report(Code::kTooManyStates, draft_.PlaceOfKey("pattern"),
                   std::string(program.status().message()),
                   "each repetition is a state, and groups multiply");
}

std::optional<CompiledRule> RuleCompiler::Run() {
  const size_t errors_before = reporter_.errors();
  if (!CheckPattern(draft_, *scope_.schema, &reporter_)) return std::nullopt;
  CompiledRule rule;
  rule.info = draft_.info;
  rule.mode = draft_.mode;
  rule.on_change = draft_.on_change;
  rule.key_slots = CompileKey(draft_.key);
  rule.pattern = draft_.pattern;
  for (const StageDraft& stage : draft_.stages) {
    rule.pattern.stages.push_back(CompileStage(stage));
  }
  for (const NamedStage& stage : names_.stages()) {
    if (!stage.draft->is_group) rule.info.stage_names.push_back(stage.draft->stage.name);
  }
  rule.info.on_match = CompileAlert(draft_.alert);
  if (draft_.on_timeout) rule.info.on_timeout = CompileAlert(*draft_.on_timeout);
  // Only a pattern without any error, also when it was read, may go to the pattern compiler.
  if (reporter_.errors() == 0) CheckStates(rule.pattern);
  if (reporter_.errors() != errors_before) return std::nullopt;
  return rule;
}

}  // namespace

std::optional<CompiledRule> CompileRule(const RuleDraft& rule, const CompileScope& scope,
                                        Reporter* reporter) {
  return RuleCompiler(rule, scope, reporter).Run();
}

void CheckDefines(const CompileScope& scope, Reporter* reporter) {
  // Names and types cannot be judged here: a define may mean a stage of the rule that uses it.
  using cel::IssueCode;
  constexpr IssueCode kOfTextAlone[] = {IssueCode::kSyntax,      IssueCode::kLiteral,
                                        IssueCode::kLimit,       IssueCode::kReservedWord,
                                        IssueCode::kDefineCycle, IssueCode::kUnsupported};
  std::set<std::string_view> codes;
  for (const cel::IssueRow& row : cel::IssueTable()) {
    const bool is_one = std::find(std::begin(kOfTextAlone), std::end(kOfTextAlone), row.code) !=
                        std::end(kOfTextAlone);
    if (is_one) codes.insert(row.text);
  }
  cep::Layout unused;
  IssueReporter reported(*scope.defines, reporter);
  for (const DefineDraft& define : *scope.defines) {
    cel::Environment environment;
    environment.schema = scope.schema;
    environment.layout = &unused;
    environment.defines = &scope.define_texts;
    std::vector<cel::Issue> issues = cel::CompileValue(define.name.name, environment).issues;
    std::erase_if(issues, [&](const cel::Issue& i) { return codes.count(i.code) == 0; });
    reported.Report(issues, {define.source, define.value, define.text, 0});
  }
}

}  // namespace vigil::rules
