#include "daemon/rule_record.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "cep/base/encoding.h"
#include "rules/load.h"

namespace vigil::daemon {
namespace {

constexpr uint64_t kFormat = 2;

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
    const rules::CompiledRule& rule = set.rules[i];
    std::vector<std::string> captured;
    for (const uint32_t slot : running.captured[i]) {
      captured.push_back(set.layout->slots()[slot].name);
    }
    std::sort(captured.begin(), captured.end());
    if (IsDraining(rule)) {
      record.draining.push_back({rule.info.id, running.incarnations[i], rule.info.rule_set,
                                 std::move(captured), rule.text});
    } else {
      record.rules[rule.info.id] = {running.incarnations[i], rule.content,
                                    ShapeOf(rule, *set.layout), std::move(captured), rule.text};
    }
  }
  return record;
}

namespace {

// Compiles former versions again, behind the fields of the set that is to run.
class DrainingReader {
 public:
  DrainingReader(const rules::RuleSet& rules, StoredRules* stored)
      : rules_(rules), stored_(*stored) {
    stored_.layout = rules.layout;
  }

  // False if it cannot be compiled as things are now. `must_drain`: its own text says so.
  bool Add(const RuleRecord::Draining& former, bool must_drain) {
    if (former.text.empty() || stored_.draining.size() >= kMaxDraining) return false;
    rules::LoadOptions options;
    options.layout = stored_.layout;
    options.sources = rules_.source_texts;
    const rules::LoadResult loaded =
        rules::LoadRuleTexts({{former.id, former.text}}, rules_.schema, options);
    if (loaded.rules == nullptr || loaded.rules->rules.size() != 1) return false;
    const rules::CompiledRule& rule = loaded.rules->rules[0];
    if (rule.info.id != former.id || rule.pattern.within_ms == 0) return false;
    if (must_drain && rule.on_change != rules::OnChange::kDrain) return false;
    std::vector<uint32_t> captured;
    for (const std::string& name : former.captured) {
      const int slot = loaded.rules->layout->Find(name);
      if (slot >= 0) captured.push_back(static_cast<uint32_t>(slot));
    }
    std::sort(captured.begin(), captured.end());
    if (!std::includes(captured.begin(), captured.end(), rule.kept_slots.begin(),
                       rule.kept_slots.end())) {
      return false;
    }
    stored_.layout = JoinUses(*loaded.rules->layout, *stored_.layout);
    stored_.draining.push_back({rule, former.incarnation, std::move(captured)});
    stored_.draining.back().rule.info.rule_set = former.rule_set;
    return true;
  }

 private:
  const rules::RuleSet& rules_;
  StoredRules& stored_;
};

}  // namespace

StoredRules FitRules(const RuleRecord& record, const rules::RuleSet& rules,
                     std::vector<std::string>* dropped) {
  StoredRules stored;
  stored.next_incarnation = record.next_incarnation;
  std::set<std::string_view> going_on;
  std::map<std::string_view, const rules::CompiledRule*> by_id;
  for (const rules::CompiledRule& rule : rules.rules) {
    by_id.emplace(rule.info.id, &rule);
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
  DrainingReader draining(rules, &stored);
  for (const RuleRecord::Draining& former : record.draining) {
    if (!draining.Add(former, false)) dropped->push_back(former.id);
  }
  for (const auto& [id, rule] : record.rules) {
    if (going_on.count(id) != 0) continue;
    const auto now = by_id.find(id);
    const bool may_drain = now == by_id.end() || now->second->on_change == rules::OnChange::kDrain;
    if (!may_drain ||
        !draining.Add({id, rule.incarnation, record.version, rule.captured, rule.text},
                      now == by_id.end())) {
      dropped->push_back(id);
    }
  }
  return stored;
}

namespace {

void PutNames(const std::vector<std::string>& names, std::string* out) {
  PutVarint(names.size(), out);
  for (const std::string& name : names) PutBytes(name, out);
}

std::vector<std::string> ReadNames(ByteReader& reader) {
  std::vector<std::string> names;
  for (size_t left = reader.Count(); left > 0 && reader.ok(); --left) {
    names.emplace_back(reader.Bytes());
  }
  return names;
}

}  // namespace

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
    PutNames(rule.captured, &out);
    PutBytes(rule.text, &out);
  }
  PutVarint(record.draining.size(), &out);
  for (const RuleRecord::Draining& former : record.draining) {
    PutBytes(former.id, &out);
    PutVarint(former.incarnation, &out);
    PutBytes(former.rule_set, &out);
    PutNames(former.captured, &out);
    PutBytes(former.text, &out);
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
    rule.content = reader.Hash();
    rule.shape = reader.Hash();
    rule.captured = ReadNames(reader);
    if (format > 1) rule.text = reader.Bytes();
    record.rules.emplace(std::move(id), std::move(rule));
  }
  for (size_t left = format > 1 ? reader.Count(5) : 0; left > 0 && reader.ok(); --left) {
    RuleRecord::Draining& former = record.draining.emplace_back();
    former.id = reader.Bytes();
    former.incarnation = reader.Varint();
    former.rule_set = reader.Bytes();
    former.captured = ReadNames(reader);
    former.text = reader.Bytes();
    // Without it, it would count as a rule that runs.
    if (former.rule_set.empty()) reader.Fail();
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
