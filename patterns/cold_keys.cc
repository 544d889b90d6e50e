#include "patterns/cold_keys.h"

#include "cep/base/check.h"

namespace vigil::patterns {
namespace {

// Due times of keys that have come back may be so many beside those of all that are here.
constexpr size_t kLooseDue = 1024;

}  // namespace

bool ColdKeys::Add(uint64_t hash, int64_t due, std::span<const Unit> units) {
  CEP_DCHECK(!units.empty());
  const auto [place, is_new] = first_.try_emplace(hash, kNone);
  if (!is_new) return false;
  for (const Unit& unit : units) {
    uint32_t kept = static_cast<uint32_t>(units_.size());
    if (free_.empty()) {
      CEP_CHECK(kept != kNone);
      units_.emplace_back();
    } else {
      kept = free_.back();
      free_.pop_back();
    }
    units_[kept] = {unit, place->second, due};
    place->second = kept;
  }
  if (due == kNever) return true;
  due_.Add(due, hash);
  if (++due_entries_ > 2 * first_.size() + kLooseDue) TidyDue();
  return true;
}

void ColdKeys::Take(uint64_t hash, std::vector<Unit>* units) {
  const auto found = first_.find(hash);
  if (found == first_.end()) return;
  for (uint32_t i = found->second; i != kNone; i = units_[i].next) {
    units->push_back(units_[i].unit);
    free_.push_back(i);
  }
  first_.erase(found);
}

bool ColdKeys::TakeDue(int64_t now, size_t most, std::vector<Unit>* units) {
  if (next_taken_ == taken_.size()) {
    taken_.clear();
    next_taken_ = 0;
    due_.Take(now, &taken_);
    due_entries_ -= taken_.size();
  }
  bool is_any = false;
  for (; next_taken_ < taken_.size() && most > 0; ++next_taken_) {
    const auto [at, hash] = taken_[next_taken_];
    const auto found = first_.find(hash);
    // Others have come back, or are here once more with another time.
    if (found == first_.end() || units_[found->second].due != at) continue;
    Take(hash, units);
    is_any = true;
    --most;
  }
  return is_any;
}

void ColdKeys::TidyDue() {
  due_ = {};
  due_.Span(span_);
  due_entries_ = 0;
  for (const auto& [hash, first] : first_) {
    if (units_[first].due == kNever) continue;
    due_.Add(units_[first].due, hash);
    ++due_entries_;
  }
}

}  // namespace vigil::patterns
