#include "alerts/router.h"

#include <utility>

#include "alerts/json_writer.h"
#include "cep/base/check.h"

namespace vigil::alerts {

using cep::Record;
using cep::RecordKind;

Router::Router(std::shared_ptr<const AlertContext> context, LineSink* sink)
    : Router(std::move(context), sink, nullptr) {}

Router::Router(std::shared_ptr<const AlertContext> context, RecordWriter* writer)
    : Router(std::move(context), nullptr, writer) {}

Router::Router(std::shared_ptr<const AlertContext> context, LineSink* sink, RecordWriter* writer)
    : context_(std::move(context)),
      sink_(sink),
      writer_(writer),
      late_(AddOutput("late")),
      errors_(AddOutput("errors")),
      alerts_by_rule_(context_->rules.size()) {
  for (const RuleInfo& rule : context_->rules) {
    routes_.push_back({AddOutputs(rule.on_match.outputs), AddOutputs(rule.on_timeout.outputs)});
  }
}

uint32_t Router::AddOutput(const std::string& name) {
  for (uint32_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].name == name) return i;
  }
  Output& output = outputs_.emplace_back();
  output.name = name;
  AppendJsonEscaped(name, &output.escaped);
  return static_cast<uint32_t>(outputs_.size() - 1);
}

std::vector<uint32_t> Router::AddOutputs(const std::vector<std::string>& names) {
  std::vector<uint32_t> outputs;
  for (const std::string& name : names) outputs.push_back(AddOutput(name));
  return outputs;
}

Status Router::Write(const std::vector<Record>& records) {
  lines_.clear();
  for (const Record& record : records) {
    switch (record.kind) {
      case RecordKind::kAlert:
        AppendAlert(record);
        break;
      case RecordKind::kLate:
        AppendLine(record, late_);
        break;
      case RecordKind::kError:
        if (IsWanted(record)) AppendLine(record, errors_);
        break;
    }
  }
  return lines_.empty() || writer_ != nullptr ? absl::OkStatus() : sink_->Write(lines_);
}

bool Router::IsWanted(const Record& record) {
  if (record.sample_group.empty()) return true;
  uint32_t& kept = samples_[record.sample_group];
  if (kept == kErrorSamples) {
    ++samples_dropped_;
    return false;
  }
  ++kept;
  return true;
}

void Router::AppendAlert(const Record& record) {
  CEP_CHECK(record.rule < routes_.size());
  ++alerts_by_rule_[record.rule];
  const Routes& routes = routes_[record.rule];
  const std::vector<uint32_t>& outputs = record.is_timeout ? routes.on_timeout : routes.on_match;
  if (context_->format == Format::kJson) {
    for (uint32_t output : outputs) AppendLine(record, output);
    return;
  }
  if (outputs.empty()) return;
  AppendLine(record, outputs[0]);
  for (size_t i = 1; i < outputs.size(); ++i) ++outputs_[outputs[i]].records;
}

void Router::AppendLine(const Record& record, uint32_t output) {
  ++outputs_[output].records;
  if (writer_ != nullptr) lines_.clear();
  lines_.append(record.head);
  if (context_->format == Format::kJson) lines_.append(outputs_[output].escaped);
  lines_.append(record.tail);
  if (writer_ != nullptr) {
    writer_->Write(outputs_[output].name, record, lines_);
  } else {
    lines_.push_back('\n');
  }
}

std::map<std::string, uint64_t> Router::records_by_output() const {
  std::map<std::string, uint64_t> counts;
  for (const Output& output : outputs_) counts[output.name] = output.records;
  return counts;
}

}  // namespace vigil::alerts
