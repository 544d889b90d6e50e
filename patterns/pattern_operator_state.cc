// PatternOperator: which units there are, and writing those that have changed.
#include <algorithm>
#include <bit>

#include "cep/base/check.h"
#include "patterns/pattern_operator.h"

namespace vigil::patterns {
namespace {

// A field's name in a key expression, where `,` and `|` mean something.
void AppendEscaped(std::string_view name, std::string* out) {
  for (const char c : name) {
    if (c == ',' || c == '|' || c == '\\') out->push_back('\\');
    out->push_back(c);
  }
}

}  // namespace

void PatternOperator::UseLayout(std::shared_ptr<const cep::Layout> layout) {
  layout_ = std::move(layout);
  encoder_.UseLayout(*layout_);
  NameSpaces(*layout_);
}

// The canonical key expression: the fields of a key joined by commas; where stages have keys of
// their own, all of these, in order, joined by `|`.
void PatternOperator::NameSpaces(const cep::Layout& layout) {
  for (Space& space : spaces_) {
    std::vector<std::string> keys;
    for (const uint32_t variant : space.keys->variants) {
      std::string& key = keys.emplace_back();
      for (const uint32_t slot : patterns_->key_exprs[variant]) {
        if (!key.empty()) key.push_back(',');
        AppendEscaped(layout.slots()[slot].name, &key);
      }
    }
    std::sort(keys.begin(), keys.end());
    space.key_name.clear();
    for (const std::string& key : keys) {
      if (!space.key_name.empty()) space.key_name.push_back('|');
      space.key_name += key;
    }
  }
}

const PatternOperator::SpaceFamily* PatternOperator::FamilyOf(uint32_t block,
                                                              const Space& space) const {
  for (const SpaceFamily& family : space.families) {
    if (family.Has(block) || family.matcher == block) return &family;
  }
  return nullptr;
}

BlockState* PatternOperator::StateOf(uint32_t rule, KeyEntry* entry, const Space& space) {
  const uint32_t block = rule / kRulesPerBlock;
  if (BlockState* state = entry->Find(block)) return state;
  const SpaceFamily* family = FamilyOf(block, space);
  return family == nullptr ? nullptr : entry->Find(family->matcher);
}

uint64_t PatternOperator::RulesIn(const BlockState& state) const {
  uint64_t rules = 0;
  for (const Run& run : state.runs) rules |= run.rules;
  if (state.rare == nullptr) return rules;
  for (const Run& run : state.rare->held) rules |= run.rules;
  if (const GroupedRuns* grouped = state.grouped()) {
    for (const Run& group : grouped->groups()) rules |= group.rules;
  }
  return rules;
}

uint32_t PatternOperator::OwnerOf(const BlockState& state, const Space& space) const {
  if (state.block < patterns_->blocks.size()) {
    return RuleRef(state.block, static_cast<uint32_t>(std::countr_zero(RulesIn(state))));
  }
  const SpaceFamily* family = FamilyOf(state.block, space);
  for (uint32_t block = family->first;; ++block) {
    const uint64_t live = matchers_[block]->live();
    if (live != 0) return RuleRef(block, static_cast<uint32_t>(std::countr_zero(live)));
  }
}

cep::UnitName PatternOperator::NameOf(const KeyEntry& entry, const Space& space,
                                      uint32_t rule) const {
  return {cep::KeyGroupOf(entry.hash), space.key_name, entry.key(), NameOf(rule).name};
}

// The key has no state any more: its units are to be removed, unless it comes back before.
void PatternOperator::ForgetKey(KeyEntry* entry, Space* space) {
  space->gone.push_back(
      {entry->hash, std::string(entry->key()), std::move(space->known[entry->stored])});
  space->known[entry->stored].clear();
  space->free_known.push_back(entry->stored);
  entry->stored = kNothingStored;
}

PatternOperator::KnownUnits& PatternOperator::KnownOf(KeyEntry* entry, Space* space) {
  if (entry->stored == kNothingStored) {
    if (space->free_known.empty()) {
      entry->stored = static_cast<uint32_t>(space->known.size());
      space->known.emplace_back();
    } else {
      entry->stored = space->free_known.back();
      space->free_known.pop_back();
    }
  }
  return space->known[entry->stored];
}

Status PatternOperator::Snapshot(cep::UnitWriter* out) {
  RETURN_IF_ERROR(RemoveUnits(out));
  return PutUnits(out);
}

Status PatternOperator::RemoveUnits(cep::UnitWriter* out) {
  if (!keeps_changes_) return absl::OkStatus();
  if (!restored_.empty()) SettleRestored(nullptr);
  for (StrayUnit& stray : strays_) RETURN_IF_ERROR(out->Remove(stray.name(), &stray.stored));
  strays_.clear();
  for (Space& space : spaces_) {
    RETURN_IF_ERROR(RemoveGone(&space, out));
    for (KeyEntry* entry : space.dirty) RETURN_IF_ERROR(RemoveUnowned(entry, &space, out));
  }
  return absl::OkStatus();
}

Status PatternOperator::RemoveGone(Space* space, cep::UnitWriter* out) {
  for (GoneKey& gone : space->gone) {
    KeyEntry* entry =
        space->table.Find(gone.hash, [&](std::string_view key) { return key == gone.bytes; });
    if (entry != nullptr) {  // it has come back
      KnownOf(entry, space) = std::move(gone.units);
      continue;
    }
    for (KnownUnit& unit : gone.units) {
      const cep::UnitName name = {cep::KeyGroupOf(gone.hash), space->key_name, gone.bytes,
                                  NameOf(unit.rule).name};
      RETURN_IF_ERROR(out->Remove(name, &unit.stored));
    }
  }
  space->gone.clear();
  return absl::OkStatus();
}

// Removes the key's units that nothing is left for, or whose rule is not the first one any more.
Status PatternOperator::RemoveUnowned(KeyEntry* entry, Space* space, cep::UnitWriter* out) {
  if (entry->stored == kNothingStored) return absl::OkStatus();
  KnownUnits& units = space->known[entry->stored];
  size_t kept = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    const BlockState* state = StateOf(units[i].rule, entry, *space);
    const bool is_owner =
        state != nullptr && (!state->is_dirty || OwnerOf(*state, *space) == units[i].rule);
    if (is_owner) {
      if (kept != i) units[kept] = std::move(units[i]);
      ++kept;
    } else {
      RETURN_IF_ERROR(out->Remove(NameOf(*entry, *space, units[i].rule), &units[i].stored));
    }
  }
  units.resize(kept);
  return absl::OkStatus();
}

Status PatternOperator::PutUnits(cep::UnitWriter* out) {
  for (Space& space : spaces_) {
    for (KeyEntry* entry : space.dirty) {
      RETURN_IF_ERROR(PutKey(entry, &space, out));
      entry->is_dirty = false;
    }
    space.dirty.clear();
  }
  return absl::OkStatus();
}

Status PatternOperator::PutKey(KeyEntry* entry, Space* space, cep::UnitWriter* out) {
  for (BlockState& state : entry->blocks) {
    if (!state.is_dirty) continue;
    KnownUnits& units = KnownOf(entry, space);
    const uint32_t owner = OwnerOf(state, *space);
    auto unit = std::find_if(units.begin(), units.end(),
                             [owner](const KnownUnit& known) { return known.rule == owner; });
    if (unit == units.end()) {
      units.push_back({owner, {}});
      unit = std::prev(units.end());
    }
    RETURN_IF_ERROR(PutUnit(*entry, *space, state, WholeOf(state, *space), &unit->stored, out));
    state.is_dirty = false;
  }
  return absl::OkStatus();
}

PatternOperator::Share PatternOperator::WholeOf(const BlockState& state, const Space& space) const {
  if (state.block < patterns_->blocks.size()) return {state.block, {RulesIn(state)}};
  const SpaceFamily* family = FamilyOf(state.block, space);
  Share share{family->first, {}};
  for (uint32_t i = 0; i < family->size; ++i) {
    share.masks.push_back(matchers_[family->first + i]->live());
  }
  return share;
}

const ListedRules& PatternOperator::RulesOf(const BlockState& state, const Share& share) {
  if (listed_.empty()) listed_.resize(matchers_.size());
  auto& [masks, rules] = listed_[state.block];
  if (masks == share.masks) return rules;
  std::vector<const RuleBlock*> blocks;
  for (size_t i = 0; i < share.masks.size(); ++i) {
    blocks.push_back(&patterns_->blocks[share.first + i]);
  }
  masks = share.masks;
  rules = ListRules(blocks, masks);
  if (state.block >= patterns_->blocks.size()) rules.places.clear();
  return rules;
}

Status PatternOperator::PutUnit(const KeyEntry& entry, const Space& space, const BlockState& state,
                                const Share& share, cep::StoredParts* stored,
                                cep::UnitWriter* out) {
  uint32_t block = share.first;
  while (share.masks[block - share.first] == 0) ++block;
  const auto bit = static_cast<uint32_t>(std::countr_zero(share.masks[block - share.first]));
  const uint32_t owner = RuleRef(block, bit);
  const uint64_t mask = state.block == share.first ? share.masks[0] : ~uint64_t{0};
  const cep::UnitKind kind = {NameOf(owner).incarnation, encoder_.capture_layout()};
  return out->Put(
      NameOf(entry, space, owner), kind,
      encoder_.Encode(state, patterns_->blocks[share.first], mask, RulesOf(state, share)), stored);
}

Status PatternOperator::ExportUnits(const std::vector<uint32_t>& rules, cep::UnitWriter* out) {
  CEP_CHECK(layout_ != nullptr);
  if (!restored_.empty()) SettleRestored(nullptr);
  ExpireWaiting();
  std::vector<uint64_t> wanted(patterns_->blocks.size());
  for (size_t b = 0; b < wanted.size(); ++b) {
    const std::vector<uint32_t>& of_block = patterns_->blocks[b].rules;
    for (size_t bit = 0; bit < of_block.size(); ++bit) {
      if (std::find(rules.begin(), rules.end(), of_block[bit]) == rules.end()) continue;
      wanted[b] |= uint64_t{1} << bit;
    }
    wanted[b] &= matchers_[b]->live();
  }
  Status status;
  for (Space& space : spaces_) {
    space.table.ForEach([&](KeyEntry* entry) {
      for (const BlockState& state : entry->blocks) {
        Share share = WholeOf(state, space);
        bool is_any = false;
        for (size_t i = 0; i < share.masks.size(); ++i) {
          share.masks[i] &= wanted[share.first + i];
          is_any |= share.masks[i] != 0;
        }
        cep::StoredParts unused;
        if (is_any && status.ok()) status = PutUnit(*entry, space, state, share, &unused, out);
      }
    });
  }
  return status;
}

void PatternOperator::AbandonUnits(std::vector<StrayUnit>* out) {
  for (Space& space : spaces_) {
    const auto abandon = [&](uint64_t hash, std::string_view key, KnownUnits* units) {
      for (KnownUnit& unit : *units) {
        StrayUnit& stray = out->emplace_back();
        stray.key_group = cep::KeyGroupOf(hash);
        stray.key_expression = space.key_name;
        stray.key_values = std::string(key);
        stray.owner = NameOf(unit.rule).name;
        stray.stored = std::move(unit.stored);
      }
      units->clear();
    };
    for (GoneKey& gone : space.gone) abandon(gone.hash, gone.bytes, &gone.units);
    space.gone.clear();
    space.table.ForEach([&](KeyEntry* entry) {
      if (entry->stored != kNothingStored) {
        abandon(entry->hash, entry->key(), &space.known[entry->stored]);
      }
    });
  }
  std::move(strays_.begin(), strays_.end(), std::back_inserter(*out));
  strays_.clear();
}

}  // namespace vigil::patterns
