#include "patterns/equality_index.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "cep/base/hash.h"

namespace vigil::patterns {
namespace {

using cep::Value;
using cep::ValueTag;

// Below it every integer is a double.
constexpr double kExact = 9007199254740992.0;

template <typename Word>
uint64_t Load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

std::string_view TextOf(const Value& value) {
  return value.tag == ValueTag::kString ? value.text() : std::string_view();
}

}  // namespace

inline EqualityIndex::Key EqualityIndex::KeyOfText(std::string_view text) {
  const size_t size = text.size();
  const char* p = text.data();
  Key key;
  key.kind = static_cast<uint32_t>(size);
  if (size > kShortText) {
    key.bits[0] = Hash64(text);
  } else if (size >= 8) {
    key.bits[0] = Load<uint64_t>(p);
    key.bits[1] = Load<uint64_t>(p + size - 8);
  } else if (size >= 4) {
    key.bits[0] = Load<uint32_t>(p);
    key.bits[1] = Load<uint32_t>(p + size - 4);
  } else if (size >= 2) {
    key.bits[0] = Load<uint16_t>(p);
    key.bits[1] = Load<uint16_t>(p + size - 2);
  } else if (size == 1) {
    key.bits[0] = static_cast<uint8_t>(*p);
  }
  return key;
}

bool EqualityIndex::KeyOf(const Value& value, Key* key) {
  double number = 0;
  switch (value.tag) {
    case ValueTag::kString:
      *key = KeyOfText(value.text());
      return true;
    case ValueTag::kBool:
      *key = {kBool, {value.b, 0}};
      return true;
    case ValueTag::kInt:
      number = static_cast<double>(value.i);
      break;
    case ValueTag::kUint:
      number = static_cast<double>(value.u);
      break;
    case ValueTag::kDouble:
      number = value.d;
      break;
    default:
      return false;
  }
  if (!(std::abs(number) < kExact)) return false;
  *key = {kNumber, {std::bit_cast<uint64_t>(number + 0.0), 0}};  // -0 becomes 0
  return true;
}

bool EqualityIndex::CanHold(const Value& constant) {
  Key key;
  return KeyOf(constant, &key);
}

inline uint64_t EqualityIndex::HashOf(const Key& key) {
  return Mix64(key.bits[0] * 0x9e3779b97f4a7c15ULL + key.bits[1] + key.kind);
}

inline uint32_t EqualityIndex::FindKey(const Key& key, std::string_view text) const {
  const uint64_t hash = HashOf(key);
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.entry == kNone) return kNone;
    if (slot.tag != static_cast<uint32_t>(hash >> 32)) continue;
    const KeyedText& found = keys_[slot.entry];
    if (found.key == key && (text.size() <= kShortText || found.text == text)) return slot.entry;
  }
}

void EqualityIndex::Place(uint64_t hash, uint32_t entry) {
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].entry != kNone) i = (i + 1) & mask;
  slots_[i] = {static_cast<uint32_t>(hash >> 32), entry};
}

void EqualityIndex::Grow() {
  slots_.assign(slots_.size() * 2, Slot());
  for (uint32_t e = 0; e < keys_.size(); ++e) Place(HashOf(keys_[e].key), e);
}

void EqualityIndex::Add(const Value& constant, uint32_t member, uint32_t bit) {
  CountMember(member);
  Key key;
  if (!KeyOf(constant, &key)) return;
  const std::string_view text = TextOf(constant);
  uint32_t entry = FindKey(key, text);
  if (entry == kNone) {
    if ((keys_.size() + 1) * 2 > slots_.size()) Grow();
    entry = AddEntry();
    keys_.push_back({key, std::string(text.size() > kShortText ? text : "")});
    Place(HashOf(key), entry);
  }
  AddHit(entry, member, bit);
}

void EqualityIndex::Finish() {
  filter_ = Filter(keys_.size());
  for (const KeyedText& constant : keys_) filter_.Add(HashOf(constant.key));
}

std::string EqualityIndex::Describe() const {
  return "in one table of " + std::to_string(size()) + " constants";
}

bool EqualityIndex::Fails(const Value& value) const {
  return value.is_absent() || value.is_error();
}

uint32_t EqualityIndex::Find(const Value& value) const {
  Key key;
  return KeyOf(value, &key) ? FindKey(key, TextOf(value)) : kNone;
}

uint32_t EqualityIndex::FindText(std::string_view text) const {
  return FindKey(KeyOfText(text), text);
}

uint32_t EqualityIndex::FindTexts(const std::string_view* texts, uint32_t rows,
                                  const cep::RowBits& excluded, uint32_t* entries,
                                  uint32_t* found) const {
  const auto may_hold = [this](std::string_view text) {
    return filter_.MayHold(HashOf(KeyOfText(text)));
  };
  const auto find = [this](std::string_view text) { return FindKey(KeyOfText(text), text); };
  return Search(texts, rows, excluded, may_hold, find, entries, found);
}

}  // namespace vigil::patterns
