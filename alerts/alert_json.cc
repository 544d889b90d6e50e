#include "alerts/alert_json.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "alerts/value_json.h"
#include "cep/base/check.h"

namespace vigil::alerts {
namespace {

using cep::CapturedEvent;
using cep::StageEvents;
using cep::Value;

std::string Label(std::string_view name) {
  std::string label;
  AppendJsonString(name, &label);
  label.push_back(':');
  return label;
}

std::vector<std::string> Labels(const std::vector<std::string>& names) {
  std::vector<std::string> labels;
  for (const std::string& name : names) labels.push_back(Label(name));
  return labels;
}

std::string AfterId(const RuleInfo& rule, std::string_view rule_set) {
  std::string text = "\",\"rule\":";
  AppendJsonString(rule.id, &text);
  text.append(",\"rule_set\":");
  AppendJsonString(rule_set, &text);
  text.append(",\"severity\":\"").append(SeverityName(SeverityOf(rule)));
  text.append("\",\"output\":\"");
  return text;
}

std::string Tags(const std::vector<std::string>& tags) {
  if (tags.empty()) return "";
  std::string text = ",\"tags\":[";
  for (const std::string& tag : tags) {
    AppendJsonString(tag, &text);
    text.push_back(',');
  }
  text.back() = ']';
  return text;
}

// Puts a comma before every element but the first.
void AppendComma(bool* is_first, std::string* out) {
  if (!*is_first) out->push_back(',');
  *is_first = false;
}

// `{"login":[...],"payment":[...]}` of the stages that have events.
template <typename AppendEvent>
void AppendByStage(const std::vector<StageEvents>& stages, const std::vector<std::string>& labels,
                   AppendEvent append_event, std::string* out) {
  out->push_back('{');
  bool is_first_stage = true;
  for (size_t s = 0; s < stages.size(); ++s) {
    if (stages[s].count == 0) continue;
    AppendComma(&is_first_stage, out);
    out->append(labels[s]).push_back('[');
    for (uint32_t i = 0; i < stages[s].count; ++i) {
      if (i > 0) out->push_back(',');
      append_event(*stages[s].events[i]);
    }
    out->push_back(']');
  }
  out->push_back('}');
}

void AppendPositions(const Alert& alert, const std::vector<std::string>& labels, std::string* out) {
  const auto append = [out](const CapturedEvent& event) {
    out->push_back('"');
    AppendJsonEscaped(event.partition()->place, out);
    out->push_back('/');
    AppendUint(event.offset, out);
    out->push_back('"');
  };
  out->append(",\"positions\":");
  AppendByStage(alert.stages, labels, append, out);
}

void AppendEventIds(const Alert& alert, const std::vector<std::string>& labels, std::string* out) {
  size_t event = 0;
  const auto append = [&](const CapturedEvent&) {
    const Value& id = alert.event_ids[event++].value;
    if (id.is_absent()) {
      out->append("null");
    } else {
      AppendValueJson(id, out);
    }
  };
  out->append(",\"ids\":");
  AppendByStage(alert.stages, labels, append, out);
}

void AppendFields(const Alert& alert, std::string* out) {
  out->append(",\"fields\":{");
  for (size_t f = 0; f < alert.fields.size(); ++f) {
    if (f > 0) out->push_back(',');
    AppendJsonString(alert.spec.fields[f].name, out);
    out->push_back(':');
    AppendValueJson(alert.fields[f], out);
  }
  out->push_back('}');
}

void AppendInstant(const Alert& alert, std::string* out) {
  const bool is_timeout = alert.match.kind == cep::MatchKind::kTimeout;
  out->append(is_timeout ? "\",\"kind\":\"timeout\",\"at\":" : "\",\"kind\":\"match\",\"at\":");
  AppendInt(alert.match.at, out);
  out->append(",\"time\":\"");
  AppendTimeMs(alert.match.at, out);
  out->push_back('"');
}

// An upper bound for most alerts, so that `tail` is allocated once.
size_t LikelySize(const Alert& alert) {
  size_t size = 512 + alert.summary.size();
  for (uint32_t i = 0; i < alert.match.event_count; ++i) {
    const CapturedEvent& event = *alert.match.events[i].event;
    size += event.json_size() + event.partition()->place.size() + 32;
  }
  return size;
}

}  // namespace

AlertJson::AlertJson(std::shared_ptr<const AlertContext> context) : context_(std::move(context)) {
  for (const RuleInfo& rule : context_->rules) {
    rules_.push_back({AfterId(rule, rule.rule_set.empty() ? context_->rule_set : rule.rule_set),
                      Labels(rule.key_names), Labels(rule.stage_names), Tags(rule.tags)});
  }
  if (context_->layout == nullptr) return;
  for (const cep::Slot& slot : context_->layout->slots()) slots_.push_back(Label(slot.name));
}

void AlertJson::Write(const Alert& alert, cep::Record* record) const {
  const RuleText& text = rules_[alert.match.rule];
  std::string& head = record->head;
  head.assign("{\"id\":\"").append(ToHex(alert.id)).append(text.after_id);

  std::string& tail = record->tail;
  tail.clear();
  tail.reserve(LikelySize(alert));
  AppendInstant(alert, &tail);
  tail.append(",\"key\":{");
  for (size_t k = 0; k < alert.key.size(); ++k) {
    if (k > 0) tail.push_back(',');
    tail.append(text.keys[k]);
    AppendValueJson(alert.key[k], &tail);
  }
  tail.push_back('}');
  if (alert.spec.evidence != Evidence::kRefs) AppendEvents(alert, text, &tail);
  AppendPositions(alert, text.stages, &tail);
  if (!alert.event_ids.empty()) AppendEventIds(alert, text.stages, &tail);
  if (!alert.spec.fields.empty()) AppendFields(alert, &tail);
  if (!alert.spec.summary.empty()) {
    tail.append(",\"summary\":");
    AppendJsonString(alert.summary, &tail);
  }
  tail.append(text.tags).push_back('}');
}

void AlertJson::AppendEvents(const Alert& alert, const RuleText& text, std::string* out) const {
  const bool is_full = alert.spec.evidence == Evidence::kFull;
  const auto append = [this, is_full, out](const CapturedEvent& event) {
    if (is_full) {
      event.AppendJson(out);  // valid JSON in one line: checked when it was captured
    } else {
      AppendUsedFields(event, out);
    }
  };
  out->append(",\"events\":");
  AppendByStage(alert.stages, text.stages, append, out);
}

void AlertJson::AppendUsedFields(const CapturedEvent& event, std::string* out) const {
  out->push_back('{');
  bool is_first = true;
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    const Value value = event.Get(slot);
    if (value.is_absent()) continue;
    AppendComma(&is_first, out);
    out->append(slots_[slot]);
    AppendValueJson(value, out);
  }
  out->push_back('}');
}

}  // namespace vigil::alerts
