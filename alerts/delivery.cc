#include "alerts/delivery.h"

#include <algorithm>
#include <utility>

#include "alerts/value_json.h"
#include "cep/event/key.h"

namespace vigil::alerts {

Delivery::Delivery(std::shared_ptr<const AlertContext> context, std::function<void()> on_room,
                   std::function<void(const std::string& sink, const Status&)> on_failure)
    : context_(std::move(context)),
      on_room_(std::move(on_room)),
      on_failure_(std::move(on_failure)) {}

void Delivery::AddSink(const std::string& output, SinkQueueOptions options, std::string key_field,
                       std::unique_ptr<Sink> sink) {
  targets_[output].push_back(
      {std::move(key_field),
       std::make_unique<SinkQueue>(std::move(options), std::move(sink), on_room_, on_failure_)});
}

std::vector<std::pair<std::string, std::string>> Delivery::KeyFieldsOf(
    const cep::Record& record) const {
  std::vector<std::pair<std::string, std::string>> fields;
  if (record.kind != cep::RecordKind::kAlert || record.rule >= context_->rules.size()) {
    return fields;
  }
  const std::vector<std::string>& names = context_->rules[record.rule].key_names;
  const std::vector<cep::Value> values = cep::DecodeKey(record.key);
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    AppendValueText(values[i], &fields.emplace_back(names[i], "").second);
  }
  return fields;
}

bool Delivery::KeyOf(const cep::Record& record, const std::string& field, std::string* key) const {
  if (field.empty()) return false;
  for (auto& [name, text] : KeyFieldsOf(record)) {
    if (name != field) continue;
    *key = std::move(text);
    return true;
  }
  return false;
}

void Delivery::Push(const std::string& output, Outgoing record, const cep::Record* alert) {
  ++records_[output];
  const auto targets = targets_.find(output);
  if (targets == targets_.end()) return;
  record.sequence = next_sequence_++;
  for (Target& target : targets->second) {
    Outgoing copy = record;
    copy.has_key = alert != nullptr && KeyOf(*alert, target.key_field, &copy.key);
    target.queue->Push(std::move(copy));
  }
}

void Delivery::Write(const std::string& output, const cep::Record& record, std::string_view line) {
  Outgoing outgoing;
  outgoing.line = line;
  outgoing.id = ToHex(record.id);
  Push(output, std::move(outgoing), &record);
}

void Delivery::WriteLine(const std::string& output, std::string line) {
  Outgoing outgoing;
  outgoing.line = std::move(line);
  Push(output, std::move(outgoing), nullptr);
}

bool Delivery::HasRoom() const {
  for (const auto& [output, targets] : targets_) {
    for (const Target& target : targets) {
      if (!target.queue->HasRoom()) return false;
    }
  }
  return true;
}

uint64_t Delivery::DoneBefore() const {
  uint64_t done = next_sequence_;
  for (const auto& [output, targets] : targets_) {
    for (const Target& target : targets) {
      done = std::min(done, target.queue->DoneBefore(next_sequence_));
    }
  }
  return done;
}

bool Delivery::Drain(std::chrono::steady_clock::time_point deadline) {
  bool is_drained = true;
  for (const auto& [output, targets] : targets_) {
    for (const Target& target : targets) is_drained &= target.queue->Drain(deadline);
  }
  return is_drained;
}

std::map<std::string, SinkCounters> Delivery::counters() const {
  std::map<std::string, SinkCounters> counters;
  for (const auto& [output, targets] : targets_) {
    for (const Target& target : targets) counters[target.queue->name()] = target.queue->counters();
  }
  return counters;
}

}  // namespace vigil::alerts
