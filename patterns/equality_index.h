// The equality constants of many rules on one field, in one hash table.
//
// A value is looked up once for all rules; what it finds is the constant's entry, which says for
// which rules of which block it holds. Immutable once filled; any number of threads may read it.
// Tests: tests/patterns/equality_index_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cep/event/expression.h"

namespace vigil::patterns {

class EqualityIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `common`: a condition without which no rule's holds; where it is false nothing is looked up.
  EqualityIndex(uint32_t slot, uint32_t common) : slot_(slot), common_(common) {}

  // Texts, bools and numbers that a double holds exactly; not null.
  static bool CanHold(const cep::Value& constant);

  // Rule `bit` of block `member` holds for values equal to `constant`. Members come in ascending
  // order.
  void Add(const cep::Value& constant, uint32_t member, uint32_t bit);

  uint32_t slot() const { return slot_; }
  uint32_t common() const { return common_; }
  uint32_t members() const { return members_; }
  // Number of distinct constants.
  size_t size() const { return entries_.size(); }

  // The entry of the constant that equals the value by CEL's rules, or kNone.
  uint32_t Find(const cep::Value& value) const;
  uint32_t FindText(std::string_view text) const;

  // The rules of the block for which an entry holds. O(log blocks).
  uint64_t RulesOf(uint32_t entry, uint32_t member) const;
  // Calls f(member) for each block of which some rule holds.
  template <typename F>
  void ForEachMember(uint32_t entry, F f) const {
    for (const Hit& hit : entries_[entry].hits) f(hit.member);
  }

 private:
  struct Hit {
    uint32_t member;
    uint64_t rules;
  };
  // A constant as it is compared: numbers by their value as a double; texts of up to 16 bytes by
  // their first and last bytes, which are all of them; longer ones by their hash and then byte by
  // byte.
  struct Key {
    uint32_t kind = 0;  // a text's size; or beyond all sizes, for others
    uint64_t bits[2] = {};

    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    std::string text;  // of a long text
    std::vector<Hit> hits;
  };
  struct Slot {
    uint32_t tag = 0;
    uint32_t entry = kNone;
  };

  static constexpr uint32_t kShortText = 16;
  static constexpr uint32_t kBool = UINT32_MAX;
  static constexpr uint32_t kNumber = UINT32_MAX - 1;

  static Key KeyOfText(std::string_view text);
  // False if no constant can equal the value.
  static bool KeyOf(const cep::Value& value, Key* key);
  static uint64_t HashOf(const Key& key);
  // `text`: of a long text.
  uint32_t FindKey(const Key& key, std::string_view text) const;
  void Place(uint64_t hash, uint32_t entry);
  void Grow();

  uint32_t slot_;
  uint32_t common_;
  uint32_t members_ = 0;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_ = std::vector<Slot>(16);  // at most half full
};

}  // namespace vigil::patterns
