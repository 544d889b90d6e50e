// The prefixes by which many rules test one text, `field.startsWith("...")`, in order.
//
// Of the prefixes with which a text begins, each begins with the next shorter one; so the longest
// one stands for all of them, and says which the next shorter one is. The bytes that every prefix
// has at least are looked up in a hash table; among the prefixes that have the same there, a binary
// search finds the last one that does not come after the text: that one begins with the longest.
// Tests: tests/patterns/prefix_index_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "patterns/constant_index.h"

namespace vigil::patterns {

class PrefixIndex final : public ConstantIndex {
 public:
  using ConstantIndex::ConstantIndex;

  // `constant` is a text.
  void Add(const cep::Value& constant, uint32_t member, uint32_t bit) override;
  void Finish() override;

  std::string Describe() const override;
  // Number of distinct prefixes.
  size_t size() const { return entry_count(); }

  // Of anything but a text.
  bool Fails(const cep::Value& value) const override;
  // The entry of the longest prefix with which the text begins, or kNone. O(log prefixes + their
  // length), and the number of prefixes that begin with each other.
  uint32_t Find(const cep::Value& value) const override;
  uint32_t FindTexts(const std::string_view* texts, uint32_t rows, const cep::RowBits& excluded,
                     uint32_t* entries, uint32_t* found) const override;

 private:
  struct Added {
    std::string text;
    uint32_t member;
    uint32_t bit;
  };

  // Entries that have the same first bytes, as many as every prefix has.
  struct Range {
    uint64_t key = 0;
    uint32_t first = 0;
    uint32_t end = 0;  // 0: an empty place of the table
  };

  uint64_t KeyOf(uint64_t head) const { return kept_ == 0 ? 0 : head >> (64 - 8 * kept_); }
  static uint64_t HashOf(uint64_t key) { return Mix64(key); }
  // The first 8 bytes as a number that is ordered as they are; zeros for those that are not there.
  static uint64_t HeadOf(std::string_view text);
  std::string_view RestOf(uint32_t entry) const {
    return std::string_view(texts_).substr(begins_[entry], sizes_[entry]);
  }
  uint32_t Longest(std::string_view text) const;
  void MakeRanges();
  const Range* FindRange(uint64_t key) const;
  uint32_t LastNotAfter(const Range& range, std::string_view rest, uint64_t head) const;
  size_t CommonSize(uint32_t entry, std::string_view rest, uint64_t head) const;

  std::vector<Added> added_;  // until Finish()
  std::string stem_;          // all prefixes begin with it; by entry, what is behind it:
  std::vector<uint64_t> heads_;
  std::vector<uint32_t> sizes_;
  std::vector<size_t> begins_;  // in texts_
  std::string texts_;
  size_t kept_ = 0;  // bytes behind the stem that every prefix has, at most 8
  Filter filter_{0};
  std::vector<Range> ranges_;  // a hash table, at most half full
};

}  // namespace vigil::patterns
