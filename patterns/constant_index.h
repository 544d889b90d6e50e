// The constants by which many rules test one field, looked up for all rules at once.
//
// A value is looked up once; what it finds is an entry, which says for which rules of which block
// the test holds. EqualityIndex and PrefixIndex differ in how an entry is found. Immutable once
// Finish() has been called; any number of threads may read it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/expression.h"

namespace vigil::patterns {

class ConstantIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit ConstantIndex(uint32_t slot) : slot_(slot) {}
  virtual ~ConstantIndex() = default;

  // Rule `bit` of block `member` tests the field by `constant`, among others. Members come in
  // ascending order.
  virtual void Add(const cep::Value& constant, uint32_t member, uint32_t bit) = 0;
  // Ends the adding.
  virtual void Finish() {}

  // Where the constants are: `in one table of 3 constants`.
  virtual std::string Describe() const = 0;

  uint32_t slot() const { return slot_; }
  uint32_t members() const { return members_; }

  // Whether the test is an error for the value, whatever the constant.
  virtual bool Fails(const cep::Value& value) const = 0;
  // The entry for a value for which the test does not fail, or kNone.
  virtual uint32_t Find(const cep::Value& value) const = 0;
  // The same for texts: sets `entries` by row; kNone for excluded rows.
  virtual void FindTexts(const std::string_view* texts, uint32_t rows, const cep::RowBits& excluded,
                         uint32_t* entries) const = 0;

  // The rules of the block for which an entry holds. O(log blocks), for each entry that holds, too.
  uint64_t RulesOf(uint32_t entry, uint32_t member) const {
    uint64_t rules = 0;
    for (; entry != kNone; entry = entries_[entry].also) {
      const std::vector<Hit>& hits = entries_[entry].hits;
      const auto hit =
          std::lower_bound(hits.begin(), hits.end(), member,
                           [](const Hit& h, uint32_t wanted) { return h.member < wanted; });
      if (hit != hits.end() && hit->member == member) rules |= hit->rules;
    }
    return rules;
  }
  // Calls f(member) for each block of which some rule holds; perhaps more than once.
  template <typename F>
  void ForEachMember(uint32_t entry, F f) const {
    for (; entry != kNone; entry = entries_[entry].also) {
      for (const Hit& hit : entries_[entry].hits) f(hit.member);
    }
  }

 protected:
  // Rows ahead at which a text to be looked up is fetched into the cache.
  static constexpr uint32_t kTextAhead = 24;

  // The entry must exist. Members come in ascending order for each entry.
  void AddHit(uint32_t entry, uint32_t member, uint32_t bit) {
    std::vector<Hit>& hits = entries_[entry].hits;
    if (hits.empty() || hits.back().member != member) hits.push_back({member, 0});
    hits.back().rules |= uint64_t{1} << bit;
  }
  uint32_t AddEntry() {
    entries_.emplace_back();
    return static_cast<uint32_t>(entries_.size() - 1);
  }
  void CountMember(uint32_t member) { members_ = std::max(members_, member + 1); }
  // Wherever `entry` holds, `also` holds, too.
  void SetAlso(uint32_t entry, uint32_t also) { entries_[entry].also = also; }
  uint32_t AlsoOf(uint32_t entry) const { return entries_[entry].also; }
  size_t entry_count() const { return entries_.size(); }

  // Calls find(text) for each row that is not excluded; what it returns is the row's entry.
  template <typename F>
  static void ForEachText(const std::string_view* texts, uint32_t rows,
                          const cep::RowBits& excluded, uint32_t* entries, F find) {
    for (uint32_t row = 0; row < rows; ++row) {
      if (row + kTextAhead < rows) __builtin_prefetch(texts[row + kTextAhead].data());
      entries[row] = excluded.Test(row) ? kNone : find(texts[row]);
    }
  }

 private:
  struct Hit {
    uint32_t member;
    uint64_t rules;
  };
  struct Entry {
    std::vector<Hit> hits;
    uint32_t also = kNone;
  };

  uint32_t slot_;
  uint32_t members_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace vigil::patterns
