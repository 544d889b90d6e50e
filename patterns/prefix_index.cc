#include "patterns/prefix_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

namespace vigil::patterns {
namespace {

constexpr size_t kHead = sizeof(uint64_t);

size_t CommonPrefix(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + size, b.begin()).first -
                             a.begin());
}

}  // namespace

inline uint64_t PrefixIndex::HeadOf(std::string_view text) {
  const size_t size = text.size();
  const char* p = text.data();
  if (size >= 8) {
    uint64_t head;
    std::memcpy(&head, p, sizeof head);
    return __builtin_bswap64(head);
  }
  if (size >= 4) {
    uint32_t first;
    uint32_t last;  // overlaps the first; what both hold is shifted out
    std::memcpy(&first, p, sizeof first);
    std::memcpy(&last, p + size - 4, sizeof last);
    const uint64_t behind = uint64_t{__builtin_bswap32(last)} << (8 * (8 - size));
    return uint64_t{__builtin_bswap32(first)} << 32 | (behind & UINT32_MAX);
  }
  uint64_t head = 0;
  for (size_t i = 0; i < size; ++i) head |= uint64_t{static_cast<uint8_t>(p[i])} << (56 - 8 * i);
  return head;
}

void PrefixIndex::Add(const cep::Value& constant, uint32_t member, uint32_t bit) {
  CountMember(member);
  added_.push_back({std::string(constant.text()), member, bit});
}

void PrefixIndex::Finish() {
  std::sort(added_.begin(), added_.end(), [](const Added& a, const Added& b) {
    return std::tie(a.text, a.member) < std::tie(b.text, b.member);
  });
  if (!added_.empty()) {
    stem_ = added_.front().text.substr(0, CommonPrefix(added_.front().text, added_.back().text));
  }
  std::vector<uint32_t> around;  // those that the last entry begins with, and itself
  for (const Added& added : added_) {
    const std::string_view rest = std::string_view(added.text).substr(stem_.size());
    const auto last = static_cast<uint32_t>(entry_count());
    if (last == 0 || RestOf(last - 1) != rest) {
      const uint32_t entry = AddEntry();
      heads_.push_back(HeadOf(rest));
      sizes_.push_back(static_cast<uint32_t>(rest.size()));
      begins_.push_back(texts_.size());
      texts_ += rest;
      while (!around.empty() && !rest.starts_with(RestOf(around.back()))) around.pop_back();
      if (!around.empty()) SetAlso(entry, around.back());
      around.push_back(entry);
    }
    AddHit(static_cast<uint32_t>(entry_count() - 1), added.member, added.bit);
  }
  added_.clear();
  added_.shrink_to_fit();
  if (!heads_.empty()) MakeRanges();
}

void PrefixIndex::MakeRanges() {
  kept_ = std::min<size_t>(*std::min_element(sizes_.begin(), sizes_.end()), kHead);
  filter_ = Filter(heads_.size());
  ranges_.resize(std::bit_ceil(heads_.size() * 2));
  const size_t mask = ranges_.size() - 1;
  const auto count = static_cast<uint32_t>(heads_.size());
  for (uint32_t first = 0; first < count;) {
    const uint64_t key = KeyOf(heads_[first]);
    uint32_t end = first + 1;
    while (end < count && KeyOf(heads_[end]) == key) ++end;
    const uint64_t hash = HashOf(key);
    filter_.Add(hash);
    size_t i = hash & mask;
    while (ranges_[i].end != 0) i = (i + 1) & mask;
    ranges_[i] = {key, first, end};
    first = end;
  }
}

inline const PrefixIndex::Range* PrefixIndex::FindRange(uint64_t key) const {
  const size_t mask = ranges_.size() - 1;
  for (size_t i = HashOf(key) & mask; ranges_[i].end != 0; i = (i + 1) & mask) {
    if (ranges_[i].key == key) return &ranges_[i];
  }
  return nullptr;
}

std::string PrefixIndex::Describe() const {
  return "among " + std::to_string(size()) + " sorted prefixes";
}

bool PrefixIndex::Fails(const cep::Value& value) const {
  return value.tag != cep::ValueTag::kString;
}

// Of the entries of a range, the last one that does not come after `rest`, whose head is `head`; or
// kNone.
inline uint32_t PrefixIndex::LastNotAfter(const Range& range, std::string_view rest,
                                          uint64_t head) const {
  const uint64_t* at = heads_.data() + range.first;
  for (size_t n = range.end - range.first; n > 1;) {
    const size_t half = n / 2;
    at = at[half] <= head ? at + half : at;  // a conditional move
    n -= half;
  }
  if (*at > head) return kNone;
  auto entry = static_cast<uint32_t>(at - heads_.data());
  if (*at < head || sizes_[entry] <= std::min(rest.size(), kHead) || RestOf(entry) <= rest) {
    return entry;
  }
  // Several entries have this head, and the last of them comes after the text.
  uint32_t from = range.first;
  while (from < entry) {
    const uint32_t middle = from + (entry - from) / 2;
    if (RestOf(middle) <= rest) {
      from = middle + 1;
    } else {
      entry = middle;
    }
  }
  return entry == range.first ? kNone : entry - 1;
}

inline size_t PrefixIndex::CommonSize(uint32_t entry, std::string_view rest, uint64_t head) const {
  const size_t size = std::min<size_t>(sizes_[entry], rest.size());
  const auto same = static_cast<size_t>(std::countl_zero(heads_[entry] ^ head)) / 8;
  if (same < kHead || size <= kHead) return std::min(same, size);
  return CommonPrefix(RestOf(entry), rest);
}

inline uint32_t PrefixIndex::Longest(std::string_view text) const {
  const size_t stem = stem_.size();
  if (heads_.empty() || text.size() < stem + kept_) return kNone;
  const std::string_view rest(text.data() + stem, text.size() - stem);
  const uint64_t head = HeadOf(rest);
  const Range* range = FindRange(KeyOf(head));
  if (range == nullptr) return kNone;
  uint32_t entry = LastNotAfter(*range, rest, head);
  if (entry == kNone) return kNone;
  const size_t common = CommonSize(entry, rest, head);
  while (entry != kNone && sizes_[entry] > common) entry = AlsoOf(entry);
  return text.starts_with(stem_) ? entry : kNone;
}

uint32_t PrefixIndex::Find(const cep::Value& value) const { return Longest(value.text()); }

uint32_t PrefixIndex::FindTexts(const std::string_view* texts, uint32_t rows,
                                const cep::RowBits& excluded, uint32_t* entries,
                                uint32_t* found) const {
  if (heads_.empty()) return 0;
  const size_t stem = stem_.size();
  const size_t least = stem + kept_;
  const auto may_hold = [&](std::string_view text) {
    if (text.size() < least) return false;
    return filter_.MayHold(HashOf(KeyOf(HeadOf({text.data() + stem, text.size() - stem}))));
  };
  const auto find = [this](std::string_view text) { return Longest(text); };
  return Search(texts, rows, excluded, may_hold, find, entries, found);
}

}  // namespace vigil::patterns
