#include "alerts/builder.h"

#include <utility>

#include "alerts/alert.h"
#include "alerts/identity.h"
#include "alerts/rejects.h"
#include "alerts/text.h"
#include "alerts/value_json.h"
#include "cep/base/check.h"
#include "cep/event/key.h"

namespace vigil::alerts {

using cep::EvalContext;
using cep::Match;
using cep::Record;
using cep::RecordKind;
using cep::RuleError;
using cep::StageEvents;
using cep::Value;

AlertBuilder::AlertBuilder(std::shared_ptr<const AlertContext> context)
    : context_(std::move(context)),
      json_(context_),
      evaluation_errors_(context_->rules.size()),
      samples_(context_->rules.size()) {}

void AlertBuilder::OnMatch(const Match& match) {
  CEP_DCHECK(match.rule < context_->rules.size());
  const RuleInfo& rule = context_->rules[match.rule];
  const bool is_timeout = match.kind == cep::MatchKind::kTimeout;
  const AlertSpec& spec = is_timeout ? rule.on_timeout : rule.on_match;

  const std::vector<StageEvents>& stages = stages_.Group(match, rule.stage_names.size());
  std::vector<Value> key = cep::DecodeKey(match.key);
  CEP_DCHECK(key.size() == rule.key_names.size());
  key.resize(rule.key_names.size());
  Evaluate(match, stages, spec);

  Record& record = records_.emplace_back();
  record.kind = RecordKind::kAlert;
  record.instant = match.instant;
  record.rule = match.rule;
  record.has_rule = true;
  record.is_timeout = is_timeout;
  record.key.assign(match.key);
  FindEventIds(stages);
  record.id = AlertId(rule.id, match, stages, &scratch_, event_ids_);
  const Alert alert{rule, spec, match, stages, key, fields_, summary_, record.id, event_ids_};
  if (context_->format == Format::kJson) {
    json_.Write(alert, &record);
  } else {
    AppendAlertText(alert, *context_, &record.head);
  }
}

// Fills `summary_` and `fields_`; what fails is the empty text or null.
void AlertBuilder::Evaluate(const Match& match, const std::vector<StageEvents>& stages,
                            const AlertSpec& spec) {
  static const cep::CapturedEvent kNoEvent;
  arena_.Reset();
  EvalContext context;
  context.event = match.event_count == 0 ? &kNoEvent : match.events[match.event_count - 1].event;
  context.stages = stages.data();
  context.arena = &arena_;
  const auto evaluate = [&](const cep::Expression& expression) {
    const Value value = expression.Eval(context);
    if (!value.is_error() && !value.is_absent()) return value;
    ++evaluation_errors_[match.rule];
    return Value();
  };

  fields_.clear();
  for (const AlertField& field : spec.fields) fields_.push_back(evaluate(*field.expression));
  summary_.clear();
  for (const TemplatePart& part : spec.summary) {
    if (part.expression == nullptr) {
      summary_.append(part.literal);
    } else if (const Value value = evaluate(*part.expression); !value.is_absent()) {
      AppendValueText(value, &summary_);
    }
  }
}

// Where a source's events have ids of their own. What fails has none: its position stands for it.
void AlertBuilder::FindEventIds(const std::vector<StageEvents>& stages) {
  event_ids_.clear();
  if (context_->source_ids.empty()) return;
  bool is_any = false;
  EvalContext context;
  context.arena = &arena_;
  for (const StageEvents& stage : stages) {
    for (uint32_t i = 0; i < stage.count; ++i) {
      EventId& id = event_ids_.emplace_back();
      const auto source = context_->source_ids.find(stage.events[i]->partition()->source);
      if (source == context_->source_ids.end()) continue;
      context.event = stage.events[i];
      const Value value = source->second.expression->Eval(context);
      if (!IsEventId(value)) continue;
      id = {source->second.source, value};
      is_any = true;
    }
  }
  if (!is_any) event_ids_.clear();
}

bool AlertBuilder::IsSampled(uint32_t rule, std::string_view expression) const {
  if (expression.starts_with(cep::kLimitPrefix)) return true;
  return !expression.empty() && !context_->rules[rule].quarantines_errors;
}

bool AlertBuilder::WantsRuleError(uint32_t rule, std::string_view expression) {
  if (!IsSampled(rule, expression)) return true;
  const auto known = samples_[rule].find(expression);
  return known == samples_[rule].end() || known->second < kErrorSamples;
}

void AlertBuilder::OnRuleError(const RuleError& error) {
  const RuleInfo& rule = context_->rules[error.rule];
  Record& record = records_.emplace_back();
  record.kind = RecordKind::kError;
  record.instant = error.instant;
  record.rule = error.rule;
  record.has_rule = true;
  record.id = RuleErrorId(rule.id, error, &scratch_);
  RenderRuleError(rule.id, error, *context_, &record);
  if (!IsSampled(error.rule, error.expression)) return;
  record.sample_group.assign(rule.id).append(1, '\n').append(error.expression);
  ++samples_[error.rule].try_emplace(std::string(error.expression)).first->second;
}

std::vector<Record> AlertBuilder::Take() { return std::exchange(records_, {}); }

}  // namespace vigil::alerts
