// The keys of one key space whose state has left memory: where it is stored, and when something of
// it falls due.
//
// A key is known by its hash alone; its bytes come back with its state. Memory: about 70 bytes a
// key. Thread safety: none; one shard's thread owns it. Tests: tests/patterns/cold_keys_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cep/base/hash.h"
#include "cep/runtime/state_unit.h"
#include "patterns/due_calendar.h"
#include "patterns/key_table.h"

namespace vigil::patterns {

class ColdKeys {
 public:
  struct Unit {
    cep::UnitHandle handle;
    uint32_t rule = 0;  // its owner, by place (PatternOperator's)
  };

  // `span`: DueCalendar::Span()'s.
  explicit ColdKeys(int64_t span) : span_(span) { due_.Span(span); }

  bool empty() const { return first_.empty(); }
  size_t size() const { return first_.size(); }
  void Prefetch(uint64_t hash) const { first_.prefetch(hash); }
  bool Contains(uint64_t hash) const { return first_.contains(hash); }

  // A key with these units, at least one, of which nothing falls due before `due` (kNever: ever).
  // False, and nothing happens, if there is one with this hash.
  bool Add(uint64_t hash, int64_t due, std::span<const Unit> units);
  // Takes the key off, if it is there, and appends its units.
  void Take(uint64_t hash, std::vector<Unit>* units);
  // Takes up to `most` keys off of which something falls due at or before `now`, and appends their
  // units; false once there are none.
  bool TakeDue(int64_t now, size_t most, std::vector<Unit>* units);
  // Takes the keys off of which f(unit) holds for some unit, and appends their units.
  template <typename F>
  void TakeIf(F f, std::vector<Unit>* units) {
    std::vector<uint64_t> taken;
    for (const auto& [hash, first] : first_) {
      bool is_taken = false;
      for (uint32_t i = first; i != kNone; i = units_[i].next) is_taken |= f(units_[i].unit);
      if (is_taken) taken.push_back(hash);
    }
    for (const uint64_t hash : taken) Take(hash, units);
  }
  // Calls f(unit) for each unit.
  template <typename F>
  void ForEachUnit(F f) const {
    for (const auto& [hash, first] : first_) {
      for (uint32_t i = first; i != kNone; i = units_[i].next) f(units_[i].unit);
    }
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Kept {
    Unit unit;
    uint32_t next = kNone;  // of the key's
    int64_t due = kNever;   // of the key, with its first unit
  };
  struct AlreadyHashed {
    size_t operator()(uint64_t hash) const { return hash; }
  };

  // Forgets the due times of keys that have come back, once most are such.
  void TidyDue();

  const int64_t span_;
  absl::flat_hash_map<uint64_t, uint32_t, AlreadyHashed> first_;  // unit, by the key's hash
  std::vector<Kept> units_;
  std::vector<uint32_t> free_;
  DueCalendar<uint64_t> due_;
  size_t due_entries_ = 0;  // of due_
  std::vector<DueCalendar<uint64_t>::Due> taken_;
  size_t next_taken_ = 0;
};

}  // namespace vigil::patterns
