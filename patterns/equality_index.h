// The equality constants of many rules on one field, in one hash table.
//
// Tests: tests/patterns/equality_index_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "patterns/constant_index.h"

namespace vigil::patterns {

class EqualityIndex final : public ConstantIndex {
 public:
  using ConstantIndex::ConstantIndex;

  // Texts, bools and numbers that a double holds exactly; not null.
  static bool CanHold(const cep::Value& constant);

  // The rule holds for values equal to `constant`.
  void Add(const cep::Value& constant, uint32_t member, uint32_t bit) override;
  void Finish() override;

  std::string Describe() const override;
  // Number of distinct constants.
  size_t size() const { return keys_.size(); }

  // Of an absent field, or one of another type.
  bool Fails(const cep::Value& value) const override;
  // The entry of the constant that equals the value by CEL's rules, or kNone.
  uint32_t Find(const cep::Value& value) const override;
  uint32_t FindText(std::string_view text) const;
  uint32_t FindTexts(const std::string_view* texts, uint32_t rows, const cep::RowBits& excluded,
                     uint32_t* entries, uint32_t* found) const override;

 private:
  // A constant as it is compared: numbers by their value as a double; texts of up to 16 bytes by
  // their first and last bytes, which are all of them; longer ones by their hash and then byte by
  // byte.
  struct Key {
    uint32_t kind = 0;  // a text's size; or beyond all sizes, for others
    uint64_t bits[2] = {};

    bool operator==(const Key&) const = default;
  };
  struct KeyedText {
    Key key;
    std::string text;  // of a long text
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

  std::vector<KeyedText> keys_;  // by entry
  Filter filter_{0};
  std::vector<Slot> slots_ = std::vector<Slot>(16);  // at most half full
};

}  // namespace vigil::patterns
