#include "alerts/identity.h"

namespace vigil::alerts {
namespace {

void AppendBigEndian(uint64_t value, int bytes, std::string* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

void AppendText(std::string_view text, std::string* out) {
  AppendBigEndian(text.size(), 4, out);
  out->append(text);
}

void AppendPosition(std::string_view place, uint64_t offset, std::string* out) {
  AppendText(place, out);
  AppendBigEndian(offset, 8, out);
}

constexpr uint64_t kOwnId = 0xFFFFFFFF;  // in place of a position's text length

void AppendEventId(const EventId& id, std::string* out) {
  AppendBigEndian(kOwnId, 4, out);
  AppendText(id.source, out);
  const cep::Value& value = id.value;
  switch (value.tag) {
    case cep::ValueTag::kBool:
      out->push_back(1);
      return AppendText(value.b ? "true" : "false", out);
    case cep::ValueTag::kInt:
      out->push_back(2);
      return AppendText(std::to_string(value.i), out);
    case cep::ValueTag::kUint:
      out->push_back(2);
      return AppendText(std::to_string(value.u), out);
    default:
      out->push_back(value.tag == cep::ValueTag::kString ? 3 : 4);
      return AppendText(value.text(), out);
  }
}

}  // namespace

bool IsEventId(const cep::Value& value) {
  return value.tag == cep::ValueTag::kBool || value.tag == cep::ValueTag::kInt ||
         value.tag == cep::ValueTag::kUint || value.tag == cep::ValueTag::kString ||
         value.tag == cep::ValueTag::kBytes;
}

Hash128 AlertId(std::string_view rule, const cep::Match& match,
                const std::vector<cep::StageEvents>& stages, std::string* scratch,
                const std::vector<EventId>& event_ids) {
  size_t event = 0;
  const bool is_timeout = match.kind == cep::MatchKind::kTimeout;
  scratch->clear();
  AppendBigEndian(is_timeout ? 2 : 1, 1, scratch);
  AppendText(rule, scratch);
  AppendText(match.key, scratch);
  AppendBigEndian(stages.size(), 4, scratch);
  for (const cep::StageEvents& stage : stages) {
    AppendBigEndian(stage.count, 4, scratch);
    for (uint32_t i = 0; i < stage.count; ++i) {
      if (!event_ids.empty() && IsEventId(event_ids[event++].value)) {
        AppendEventId(event_ids[event - 1], scratch);
      } else {
        AppendPosition(stage.events[i]->partition()->place, stage.events[i]->offset, scratch);
      }
    }
  }
  if (is_timeout) AppendBigEndian(static_cast<uint64_t>(match.at), 8, scratch);
  return HashBytes128(*scratch);
}

Hash128 RuleErrorId(std::string_view rule, const cep::RuleError& error, std::string* scratch) {
  scratch->clear();
  AppendBigEndian(3, 1, scratch);
  AppendText(rule, scratch);
  AppendPosition(error.partition->place, error.offset, scratch);
  AppendText(error.expression, scratch);
  return HashBytes128(*scratch);
}

Hash128 TurnedAwayId(TurnedAway kind, std::string_view place, uint64_t offset) {
  std::string bytes;
  AppendBigEndian(static_cast<uint64_t>(kind), 1, &bytes);
  AppendPosition(place, offset, &bytes);
  return HashBytes128(bytes);
}

}  // namespace vigil::alerts
