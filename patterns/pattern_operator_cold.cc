// PatternOperator: keys that leave memory, and come back.
//
// What leaves is dropped: it is stored, and has not changed since. A key that comes back is taken
// as after a restart, so that nothing can be seen of where it was.
#include <algorithm>

#include "cep/base/check.h"
#include "patterns/pattern_operator.h"

namespace vigil::patterns {
namespace {

constexpr size_t kColdAhead = 8;  // rows
// Places of the key table that are looked at for keys that can leave: at a time, and in one call,
// which ends sooner once so few are found.
constexpr size_t kSweptAtOnce = 256;
constexpr size_t kSweptPlaces = 65536;
constexpr size_t kLeastSwept = 8192;
constexpr size_t kFoundPerPlaces = 16;
// So much more than it takes leaves, of the memory that is given.
constexpr size_t kSlack = 32;
// A key's place in the table, and what is known of its units.
constexpr size_t kSlotBytes = 20;

// When something of the key falls due.
int64_t DueOf(const KeyEntry& entry) {
  int64_t due = kNever;
  for (const BlockState& state : entry.blocks) due = std::min(due, state.min_due);
  return due;
}

}  // namespace

size_t PatternOperator::state_bytes() const {
  size_t bytes = store_.bytes();
  for (const Space& space : spaces_) {
    bytes += space.table.size() * (sizeof(KeyEntry) + kSlotBytes);
    bytes += (space.known.size() - space.free_known.size()) * sizeof(KnownUnits);
  }
  return bytes;
}

size_t PatternOperator::cold_keys() const {
  size_t keys = 0;
  for (const Space& space : spaces_) keys += space.cold == nullptr ? 0 : space.cold->size();
  return keys;
}

// Whether all of the key's state is stored as it is.
bool PatternOperator::CanLeave(const KeyEntry& entry, const Space& space,
                               uint64_t snapshots) const {
  return entry.changed_in == 0 && entry.saved_in <= snapshots && entry.stored != kNothingStored &&
         space.known[entry.stored].size() == entry.blocks.size() &&
         std::none_of(entry.blocks.begin(), entry.blocks.end(),
                      [](const BlockState& state) { return state.is_dirty || state.empty(); });
}

void PatternOperator::Leave(KeyEntry* entry, Space* space) {
  if (space->cold == nullptr) space->cold = std::make_unique<ColdKeys>(space->longest);
  KnownUnits& known = space->known[entry->stored];
  cold_units_.clear();
  for (const KnownUnit& unit : known) {
    cold_units_.push_back({reader_->HandleOf(NameOf(*entry, *space, unit.rule)), unit.rule});
  }
  // Where another key has this hash, this one stays.
  if (!space->cold->Add(entry->hash, DueOf(*entry), cold_units_)) return;
  for (BlockState& state : entry->blocks) matchers_[state.block]->LetGo(&state);
  known.clear();
  space->free_known.push_back(entry->stored);
  space->table.Erase(entry);
}

void PatternOperator::LeaveMemory(size_t bytes, size_t pending) {
  if (reader_ == nullptr || state_bytes() <= bytes) return;
  bytes -= bytes / kSlack;
  const uint64_t snapshots = snapshots_ - std::min<uint64_t>(snapshots_, pending);
  if (has_restored()) return LeaveRestored(bytes, snapshots);
  size_t places = 0;
  for (const Space& space : spaces_) places += space.table.places();
  // Twice round at most: a key that was used has another chance (the clock of virtual memory).
  const size_t most = std::min(kSweptPlaces, 2 * places);
  size_t swept = 0;
  size_t found = 0;
  while (swept < most && state_bytes() > bytes) {
    if (swept >= kLeastSwept && found * kFoundPerPlaces < swept) return;
    Space& space = spaces_[sweep_space_++ % spaces_.size()];
    const size_t count = std::min(kSweptAtOnce, space.table.places());
    swept += count;
    space.table.Sweep(count, [&](KeyEntry* entry) {
      if (entry->was_used) {
        entry->was_used = 0;
      } else if (CanLeave(*entry, space, snapshots)) {
        Leave(entry, &space);
        ++found;
      }
    });
  }
}

// Between two units of a restore: all keys but the last one are whole.
void PatternOperator::LeaveRestored(size_t bytes, uint64_t snapshots) {
  if (restored_.empty()) return;
  const std::pair<Space*, KeyEntry*> last = restored_.back();
  restored_.pop_back();
  SettleUnits();
  for (const auto& [space, entry] : restored_) {
    // What is overdue under rules that have changed waits for the first row.
    if (state_bytes() > bytes && CanLeave(*entry, *space, snapshots) &&
        DueOf(*entry) > resumed_at_) {
      Leave(entry, space);
    } else {
      settled_.emplace_back(space, entry);
    }
  }
  restored_.assign(1, last);
}

// Brings units back that ColdKeys has given up. If that fails, no snapshot succeeds any more: what
// happens from then on counts for nothing.
void PatternOperator::Fetch(const std::vector<ColdKeys::Unit>& units) {
  if (units.empty()) return;
  CEP_CHECK(restored_.empty());
  std::vector<cep::UnitHandle> handles;
  handles.reserve(units.size());
  for (const ColdKeys::Unit& unit : units) handles.push_back(unit.handle);
  const Status status =
      reader_->Read(handles, [this](const cep::RestoredUnit& unit) { return Restore(unit); });
  if (save_status_.ok()) save_status_ = status;
  SettleUnits();
  for (const auto& [space, entry] : std::exchange(restored_, {})) RemoveEmpty(entry, space);
}

// Brings back the keys that `touched` rows come to.
void PatternOperator::FetchRows(const cep::OrderedBlock& rows, const cep::RowBits& touched,
                                Space* space) {
  cold_units_.clear();
  for (const uint32_t variant : space->keys->variants) {
    const uint64_t* hashes = rows.key_hashes[variant].get();
    for (uint32_t row = 0; row < rows.rows; ++row) {
      if (row + kColdAhead < rows.rows) space->cold->Prefetch(hashes[row + kColdAhead]);
      if (touched.Test(row)) space->cold->Take(hashes[row], &cold_units_);
    }
  }
  Fetch(cold_units_);
}

// Brings back all keys that may have something for one of the rules, by index in the rule set.
void PatternOperator::FetchRules(const std::vector<uint32_t>& rules) {
  if (cold_keys() == 0) return;
  std::vector<uint64_t> wanted = MasksOf(rules);
  for (const Family& family : patterns_->families) {
    const auto begin = wanted.begin() + family.first;
    const auto end = begin + family.size;
    const bool is_any = std::any_of(begin, end, [](uint64_t mask) { return mask != 0; });
    if (is_any) std::fill(begin, end, ~uint64_t{0});
  }
  cold_units_.clear();
  for (Space& space : spaces_) {
    if (space.cold == nullptr) continue;
    space.cold->TakeIf(
        [&](const ColdKeys::Unit& unit) { return wanted[unit.rule / kRulesPerBlock] != 0; },
        &cold_units_);
  }
  if (cold_units_.empty()) return;
  if (!restored_.empty()) SettleRestored(nullptr);
  Fetch(cold_units_);
}

}  // namespace vigil::patterns
