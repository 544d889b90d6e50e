// The prefixes by which many rules test one text, `field.startsWith("...")`, in order.
//
// Of the prefixes with which a text begins, each begins with the next shorter one; so the longest
// one stands for all of them, and says which the next shorter one is. It is found by a binary
// search for the last prefix that does not come after the text: that one begins with it.
// Tests: tests/patterns/prefix_index_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
  // The entry of the longest prefix with which the text begins, or kNone. O(log prefixes), and the
  // number of prefixes that begin with each other.
  uint32_t Find(const cep::Value& value) const override;
  void FindTexts(const std::string_view* texts, uint32_t rows, const cep::RowBits& excluded,
                 uint32_t* entries) const override;

 private:
  struct Added {
    std::string text;
    uint32_t member;
    uint32_t bit;
  };

  // The first 8 bytes as a number that is ordered as they are; zeros for those that are not there.
  static uint64_t HeadOf(std::string_view text);
  std::string_view RestOf(uint32_t entry) const {
    return std::string_view(texts_).substr(begins_[entry], sizes_[entry]);
  }
  uint32_t Longest(std::string_view text) const;
  uint32_t LastNotAfter(std::string_view rest, uint64_t head) const;
  size_t CommonSize(uint32_t entry, std::string_view rest, uint64_t head) const;

  std::vector<Added> added_;  // until Finish()
  std::string stem_;          // all prefixes begin with it; by entry, what is behind it:
  std::vector<uint64_t> heads_;
  std::vector<uint32_t> sizes_;
  std::vector<size_t> begins_;  // in texts_
  std::string texts_;
};

}  // namespace vigil::patterns
