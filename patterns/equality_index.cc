#include "patterns/equality_index.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "cep/base/hash.h"

namespace vigil::patterns {
namespace {

using cep::Value;
using cep::ValueTag;

// Below it every integer is a double.
constexpr double kExact = 9007199254740992.0;

}  // namespace

bool EqualityIndex::KeyOf(const Value& value, Key* key) {
  double number = 0;
  switch (value.tag) {
    case ValueTag::kString:
      key->tag = ValueTag::kString;
      key->text = value.text();
      return true;
    case ValueTag::kBool:
      key->tag = ValueTag::kBool;
      key->bits = value.b;
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
  key->tag = ValueTag::kDouble;
  key->bits = std::bit_cast<uint64_t>(number + 0.0);  // -0 becomes 0
  return true;
}

bool EqualityIndex::CanHold(const Value& constant) {
  Key key;
  return KeyOf(constant, &key);
}

uint64_t EqualityIndex::HashOf(const Key& key) {
  return key.tag == ValueTag::kString ? Hash64(key.text)
                                      : Mix64(key.bits + static_cast<uint64_t>(key.tag));
}

uint32_t EqualityIndex::FindKey(const Key& key, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.entry == kNone) return kNone;
    if (slot.tag != static_cast<uint32_t>(hash >> 32)) continue;
    const Entry& entry = entries_[slot.entry];
    if (entry.tag == key.tag && entry.bits == key.bits && entry.text == key.text) return slot.entry;
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
  for (uint32_t e = 0; e < entries_.size(); ++e) {
    Place(HashOf({entries_[e].tag, entries_[e].bits, entries_[e].text}), e);
  }
}

void EqualityIndex::Add(const Value& constant, uint32_t member, uint32_t bit) {
  members_ = std::max(members_, member + 1);
  Key key;
  if (!KeyOf(constant, &key)) return;
  const uint64_t hash = HashOf(key);
  uint32_t entry = FindKey(key, hash);
  if (entry == kNone) {
    if ((entries_.size() + 1) * 2 > slots_.size()) Grow();
    entry = static_cast<uint32_t>(entries_.size());
    entries_.push_back({key.tag, key.bits, std::string(key.text), {}});
    Place(hash, entry);
  }
  std::vector<Hit>& hits = entries_[entry].hits;
  if (hits.empty() || hits.back().member != member) hits.push_back({member, 0});
  hits.back().rules |= uint64_t{1} << bit;
}

uint32_t EqualityIndex::Find(const Value& value) const {
  Key key;
  return KeyOf(value, &key) ? FindKey(key, HashOf(key)) : kNone;
}

uint32_t EqualityIndex::FindText(std::string_view text) const {
  return FindKey({ValueTag::kString, 0, text}, Hash64(text));
}

uint64_t EqualityIndex::RulesOf(uint32_t entry, uint32_t member) const {
  const std::vector<Hit>& hits = entries_[entry].hits;
  const auto hit =
      std::lower_bound(hits.begin(), hits.end(), member,
                       [](const Hit& h, uint32_t wanted) { return h.member < wanted; });
  return hit != hits.end() && hit->member == member ? hit->rules : 0;
}

}  // namespace vigil::patterns
