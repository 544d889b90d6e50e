#include "daemon/rule_record.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "cep/base/encoding.h"

namespace vigil::daemon {
namespace {

constexpr uint64_t kFormat = 2;

void PutHash(const Hash128& hash, std::string* out) {
  PutFixed64(hash.hi, out);
  PutFixed64(hash.lo, out);
}

Hash128 ReadHash(ByteReader& reader) {
  Hash128 hash;
  hash.hi = reader.Fixed64();
  hash.lo = reader.Fixed64();
  return hash;
}

std::vector<uint32_t> KeptSlots(const cep::Layout& layout) {
  std::vector<uint32_t> kept;
  for (uint32_t s = 0; s < layout.slots().size(); ++s) {
    if (layout.slots()[s].is_kept) kept.push_back(s);
  }
  return kept;
}

bool ShowsUsed(const rules::CompiledRule& rule) {
  return rule.info.on_match.evidence == alerts::Evidence::kUsed ||
         rule.info.on_timeout.evidence == alerts::Evidence::kUsed;
}

void PutKeys(const std::vector<uint32_t>& slots, const cep::Layout& layout, std::string* out) {
  PutVarint(slots.size(), out);
  for (const uint32_t slot : slots) PutBytes(layout.slots()[slot].name, out);
}

void PutStages(const std::vector<patterns::Stage>& stages, const cep::Layout& layout,
               std::string* out) {
  PutVarint(stages.size(), out);
  for (const patterns::Stage& stage : stages) {
    PutBytes(stage.name, out);
    for (const uint64_t n :
         {static_cast<uint64_t>(stage.contiguity), uint64_t{stage.has_times},
          uint64_t{stage.times_min}, uint64_t{stage.times_max}, uint64_t{stage.optional},
          uint64_t{stage.greedy}, static_cast<uint64_t>(stage.repeat),
          uint64_t{stage.until != nullptr}}) {
      PutVarint(n, out);
    }
    PutKeys(stage.key_slots, layout, out);
    PutStages(stage.group, layout, out);
  }
}

}  // namespace

Hash128 ShapeOf(const rules::CompiledRule& rule, const cep::Layout& layout) {
  std::string shape;
  PutKeys(rule.key_slots, layout, &shape);
  PutStages(rule.pattern.stages, layout, &shape);
  PutVarint(static_cast<uint64_t>(rule.pattern.after_match.kind), &shape);
  PutBytes(rule.pattern.after_match.stage, &shape);
  return HashBytes128(shape);
}

RuleRecord RecordOf(const RunningRules& running) {
  RuleRecord record;
  const rules::RuleSet& set = *running.rules;
  record.version = set.version;
  record.next_incarnation = running.next_incarnation;
  record.texts = set.texts;
  for (size_t i = 0; i < set.rules.size(); ++i) {
    RuleRecord::Rule& rule = record.rules[set.rules[i].info.id];
    rule = {running.incarnations[i], set.rules[i].content, ShapeOf(set.rules[i], *set.layout), {}};
    for (const uint32_t slot : running.captured[i]) {
      rule.captured.push_back(set.layout->slots()[slot].name);
    }
    std::sort(rule.captured.begin(), rule.captured.end());
  }
  return record;
}

StoredRules FitRules(const RuleRecord& record, const rules::RuleSet& rules,
                     std::vector<std::string>* dropped) {
  StoredRules stored;
  stored.next_incarnation = record.next_incarnation;
  std::set<std::string_view> going_on;
  for (const rules::CompiledRule& rule : rules.rules) {
    stored.incarnations.push_back(0);
    stored.captured.emplace_back();
    const auto old = record.rules.find(rule.info.id);
    if (old == record.rules.end() || old->second.shape != ShapeOf(rule, *rules.layout)) continue;
    const std::vector<std::string>& names = old->second.captured;
    const auto is_held = [&](uint32_t slot) {
      return std::binary_search(names.begin(), names.end(), rules.layout->slots()[slot].name);
    };
    const std::vector<uint32_t> kept = KeptSlots(*rules.layout);
    const std::vector<uint32_t>& needed = ShowsUsed(rule) ? kept : rule.kept_slots;
    if (!std::all_of(needed.begin(), needed.end(), is_held)) continue;
    std::copy_if(kept.begin(), kept.end(), std::back_inserter(stored.captured.back()), is_held);
    stored.incarnations.back() = old->second.incarnation;
    going_on.insert(old->first);
  }
  for (const auto& [id, rule] : record.rules) {
    if (going_on.count(id) == 0) dropped->push_back(id);
  }
  return stored;
}

std::string EncodeRuleRecord(const RuleRecord& record) {
  std::string out;
  PutVarint(kFormat, &out);
  PutBytes(record.version, &out);
  PutVarint(record.next_incarnation, &out);
  PutVarint(record.rules.size(), &out);
  for (const auto& [id, rule] : record.rules) {
    PutBytes(id, &out);
    PutVarint(rule.incarnation, &out);
    PutHash(rule.content, &out);
    PutHash(rule.shape, &out);
    PutVarint(rule.captured.size(), &out);
    for (const std::string& name : rule.captured) PutBytes(name, &out);
  }
  PutVarint(record.texts.size(), &out);
  for (const rules::NamedText& text : record.texts) {
    PutBytes(text.name, &out);
    PutBytes(text.text, &out);
  }
  return out;
}

StatusOr<RuleRecord> DecodeRuleRecord(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint64_t format = reader.Varint();
  if (reader.ok() && format > kFormat) {
    return absl::UnimplementedError("the rule set in the state has format " +
                                    std::to_string(format) + ", newer than this program's " +
                                    std::to_string(kFormat));
  }
  RuleRecord record;
  record.version = reader.Bytes();
  record.next_incarnation = reader.Varint();
  for (size_t left = reader.Count(35); left > 0 && reader.ok(); --left) {
    std::string id(reader.Bytes());
    RuleRecord::Rule rule;
    rule.incarnation = reader.Varint();
    rule.content = ReadHash(reader);
    rule.shape = ReadHash(reader);
    for (size_t names = reader.Count(); names > 0 && reader.ok(); --names) {
      rule.captured.emplace_back(reader.Bytes());
    }
    record.rules.emplace(std::move(id), std::move(rule));
  }
  const size_t texts = format >= 2 ? reader.Count(2) : 0;
  for (size_t left = texts; left > 0 && reader.ok(); --left) {
    std::string name(reader.Bytes());
    record.texts.push_back({std::move(name), std::string(reader.Bytes())});
  }
  if (!reader.AtEnd() || format == 0) {
    return absl::DataLossError("the rule set in the state is damaged");
  }
  return record;
}

}  // namespace vigil::daemon
