// PatternOperator: which units there are, and writing those that have changed.
#include <algorithm>
#include <bit>

#include "cep/base/check.h"
#include "patterns/pattern_operator.h"

namespace vigil::patterns {
namespace {

// Keys ahead at which, while a snapshot is written, a key's entry, its partial matches and what is
// known of its units, the node of the first one and that one's event are fetched into the cache.
constexpr size_t kSaveEntryAhead = 16;
constexpr size_t kSaveRunsAhead = 12;
constexpr size_t kSaveNodeAhead = 8;
constexpr size_t kSaveEventAhead = 4;

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

std::vector<uint64_t> PatternOperator::MasksOf(const std::vector<uint32_t>& rules) const {
  std::vector<uint64_t> masks(patterns_->blocks.size());
  for (size_t b = 0; b < masks.size(); ++b) {
    const std::vector<uint32_t>& of_block = patterns_->blocks[b].rules;
    for (size_t bit = 0; bit < of_block.size(); ++bit) {
      if (std::find(rules.begin(), rules.end(), of_block[bit]) == rules.end()) continue;
      masks[b] |= uint64_t{1} << bit;
    }
  }
  return masks;
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

// The key has no state any more: its units are to be removed, unless it comes back before the next
// snapshot.
void PatternOperator::ForgetKey(KeyEntry* entry, Space* space) {
  uint32_t& last = space->gone_by_hash.try_emplace(entry->hash, kNoGone).first->second;
  space->gone.push_back(
      {entry->hash, std::string(entry->key()), std::move(space->known[entry->stored]), last});
  last = static_cast<uint32_t>(space->gone.size() - 1);
  space->known[entry->stored].clear();
  space->free_known.push_back(entry->stored);
  entry->stored = kNothingStored;
}

// The key has got an entry: what is stored of it is its again, if it went since the last snapshot.
void PatternOperator::ComeBack(KeyEntry* entry, Space* space) {
  const auto found = space->gone_by_hash.find(entry->hash);
  if (found == space->gone_by_hash.end()) return;
  for (uint32_t i = found->second; i != kNoGone; i = space->gone[i].next) {
    GoneKey& gone = space->gone[i];
    if (gone.units.empty() || gone.bytes != entry->key()) continue;
    KnownOf(entry, space) = std::move(gone.units);
    gone.units.clear();
    return;
  }
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

StatusOr<bool> RemoveStrays(size_t units, std::vector<StrayUnit>* strays, cep::UnitWriter* out) {
  for (; units > 0 && !strays->empty(); --units) {
    RETURN_IF_ERROR(out->Remove(strays->back().name(), &strays->back().stored));
    strays->pop_back();
  }
  return strays->empty();
}

Status PatternOperator::BeginSnapshot(cep::UnitWriter* out) {
  if (!keeps_changes_) return absl::OkStatus();
  CEP_CHECK(writer_ == nullptr);
  if (has_restored()) SettleRestored(nullptr);
  writer_ = out;
  ++snapshots_;
  saving_ = changing_;
  changing_ = changing_ == 1 ? 2 : 1;
  removing_strays_.swap(strays_);
  for (Space& space : spaces_) {
    space.saving.swap(space.dirty);
    space.removing.swap(space.gone);
    space.gone_by_hash = {};
  }
  return absl::OkStatus();
}

StatusOr<bool> PatternOperator::ContinueSnapshot(size_t units) {
  if (writer_ == nullptr) return true;
  RETURN_IF_ERROR(save_status_);
  const size_t end = units > SIZE_MAX - written_ ? SIZE_MAX : written_ + units;
  ASSIGN_OR_RETURN(const bool is_rid_of_strays, RemoveStrays(units, &removing_strays_, writer_));
  if (!is_rid_of_strays) return false;
  for (Space& space : spaces_) {
    ASSIGN_OR_RETURN(const bool is_complete, ContinueSpace(end, &space));
    if (!is_complete) return false;
  }
  writer_ = nullptr;
  saving_ = kNoSnapshot;
  return true;
}

StatusOr<bool> PatternOperator::ContinueSpace(size_t end, Space* space) {
  for (; space->removed < space->removing.size(); ++space->removed) {
    if (written_ >= end) return false;
    RETURN_IF_ERROR(RemoveGone(*space, &space->removing[space->removed]));
  }
  for (; space->saved < space->saving.size(); ++space->saved) {
    if (written_ >= end) return false;
    PrefetchSaving(*space);
    // Those that are not, any more, have been written in time.
    KeyEntry* const entry = space->saving[space->saved];
    if (entry->changed_in == saving_) RETURN_IF_ERROR(SaveKey(entry, space));
  }
  space->removing.clear();
  space->removed = 0;
  space->saving.clear();
  space->saved = 0;
  return true;
}

// What writing a key a little later will read.
void PatternOperator::PrefetchSaving(const Space& space) const {
  const auto ahead = [&](size_t keys) -> const KeyEntry* {
    const size_t at = space.saved + keys;
    return at < space.saving.size() ? space.saving[at] : nullptr;
  };
  if (const KeyEntry* entry = ahead(kSaveEntryAhead)) KeyTable::PrefetchEntry(entry);
  if (const KeyEntry* entry = ahead(kSaveRunsAhead)) {
    if (entry->stored != kNothingStored) __builtin_prefetch(&space.known[entry->stored]);
    if (!entry->blocks.empty()) __builtin_prefetch(entry->blocks[0].runs.begin());
  }
  const auto has_runs = [](const KeyEntry* entry) {
    return entry != nullptr && !entry->blocks.empty() && !entry->blocks[0].runs.empty();
  };
  if (const KeyEntry* entry = ahead(kSaveNodeAhead); has_runs(entry)) {
    store_.PrefetchNode(entry->blocks[0].runs.front().node);
  }
  if (const KeyEntry* entry = ahead(kSaveEventAhead); has_runs(entry)) {
    store_.PrefetchEvent(entry->blocks[0].runs.front().node);
  }
}

// A snapshot's turn has not come to the key, and it is about to change.
void PatternOperator::SaveInTime(KeyEntry* entry, Space* space) {
  const Status status = SaveKey(entry, space);
  if (save_status_.ok()) save_status_ = status;
}

Status PatternOperator::SaveKey(KeyEntry* entry, Space* space) {
  entry->changed_in = 0;
  entry->saved_in = snapshots_;
  ++written_;
  RETURN_IF_ERROR(RemoveUnowned(entry, space));
  return PutKey(entry, space);
}

Status PatternOperator::RemoveGone(const Space& space, GoneKey* gone) {
  ++written_;
  for (KnownUnit& unit : gone->units) {
    const cep::UnitName name = {cep::KeyGroupOf(gone->hash), space.key_name, gone->bytes,
                                NameOf(unit.rule).name};
    RETURN_IF_ERROR(writer_->Remove(name, &unit.stored));
  }
  *gone = GoneKey();
  return absl::OkStatus();
}

// Removes the key's units that nothing is left for, or whose rule is not the first one any more.
Status PatternOperator::RemoveUnowned(KeyEntry* entry, Space* space) {
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
      RETURN_IF_ERROR(writer_->Remove(NameOf(*entry, *space, units[i].rule), &units[i].stored));
    }
  }
  units.resize(kept);
  return absl::OkStatus();
}

Status PatternOperator::PutKey(KeyEntry* entry, Space* space) {
  for (BlockState& state : entry->blocks) {
    if (!state.is_dirty) continue;
    KnownUnits& units = KnownOf(entry, space);
    const uint32_t owner = OwnerOf(state, *space);
    auto unit = std::find_if(units.begin(), units.end(),
                             [owner](const KnownUnit& known) { return known.rule == owner; });
    if (unit == units.end()) {
      unit = &units.emplace_back();
      unit->rule = owner;
    }
    RETURN_IF_ERROR(PutUnit(*entry, *space, state, WholeOf(state, *space), &unit->stored, writer_));
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
  const std::span<const std::string_view> segments =
      encoder_.Encode(state, patterns_->blocks[share.first], mask, RulesOf(state, share));
  written_ += segments.size() - 1;
  return out->Put(NameOf(entry, space, owner), kind, segments, stored);
}

Status PatternOperator::ExportUnits(const std::vector<uint32_t>& rules, cep::UnitWriter* out) {
  CEP_CHECK(layout_ != nullptr);
  if (has_restored()) SettleRestored(nullptr);
  FetchRules(rules);
  ExpireWaiting();
  std::vector<uint64_t> wanted = MasksOf(rules);
  for (size_t b = 0; b < wanted.size(); ++b) wanted[b] &= matchers_[b]->live();
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

Status PatternOperator::AbandonUnits(std::vector<StrayUnit>* out) {
  CEP_CHECK(writer_ == nullptr);
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
    space.gone_by_hash.clear();
    space.table.ForEach([&](KeyEntry* entry) {
      if (entry->stored != kNothingStored) {
        abandon(entry->hash, entry->key(), &space.known[entry->stored]);
      }
    });
    std::vector<cep::UnitHandle> cold;
    if (space.cold != nullptr) {
      space.cold->ForEachUnit([&](const ColdKeys::Unit& unit) { cold.push_back(unit.handle); });
    }
    if (cold.empty()) continue;
    RETURN_IF_ERROR(reader_->Read(cold, [&](const cep::RestoredUnit& unit) {
      out->emplace_back(unit);
      return absl::OkStatus();
    }));
  }
  std::move(strays_.begin(), strays_.end(), std::back_inserter(*out));
  strays_.clear();
  return save_status_;
}

}  // namespace vigil::patterns
