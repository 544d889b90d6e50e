// The constants by which many rules test one field, looked up for all rules at once.
//
// A value is looked up once; what it finds is an entry, which says for which rules of which block
// the test holds. EqualityIndex and PrefixIndex differ in how an entry is found. Immutable once
// Finish() has been called; any number of threads may read it.
#pragma once

#include <algorithm>
#include <bit>
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
  // The same for texts by row, but for excluded ones: sets the entries of the rows for which there
  // is one, lists these in `found`, ascending, and returns their number. Both have room for all
  // rows.
  virtual uint32_t FindTexts(const std::string_view* texts, uint32_t rows,
                             const cep::RowBits& excluded, uint32_t* entries,
                             uint32_t* found) const = 0;

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

  // A set of hashes that may say yes of one that is not in it.
  class Filter {
   public:
    // For `size` hashes, of which one in 16 others passes.
    explicit Filter(size_t size) : bits_(std::bit_ceil(std::max<size_t>(size * 16, 64))) {}

    void Add(uint64_t hash) { words_[Bit(hash) / 64] |= uint64_t{1} << (Bit(hash) % 64); }
    bool MayHold(uint64_t hash) const { return (words_[Bit(hash) / 64] >> (Bit(hash) % 64)) & 1; }

   private:
    size_t Bit(uint64_t hash) const { return (hash >> 20) & (bits_ - 1); }

    size_t bits_;
    std::vector<uint64_t> words_ = std::vector<uint64_t>(bits_ / 64);
  };

  // FindTexts() by `may_hold`, cheap and without branches, for each text, and `find` for those of
  // which it says yes: whether a text is found is hard to foresee for the processor.
  template <typename MayHold, typename Find>
  static uint32_t Search(const std::string_view* texts, uint32_t rows, const cep::RowBits& excluded,
                         MayHold may_hold, Find find, uint32_t* entries, uint32_t* found) {
    uint32_t candidates = 0;
    for (uint32_t base = 0; base < rows; base += 64) {
      uint64_t pending = ~excluded.words[base / 64];
      if (rows - base < 64) pending &= (uint64_t{1} << (rows - base)) - 1;
      for (; pending != 0; pending &= pending - 1) {
        const uint32_t row = base + static_cast<uint32_t>(std::countr_zero(pending));
        __builtin_prefetch(texts[std::min(row + kTextAhead, rows - 1)].data());
        found[candidates] = row;
        candidates += may_hold(texts[row]) ? 1 : 0;
      }
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < candidates; ++i) {
      const uint32_t row = found[i];
      const uint32_t entry = find(texts[row]);
      if (entry == kNone) continue;
      entries[row] = entry;
      found[count++] = row;
    }
    return count;
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
