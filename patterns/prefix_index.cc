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
}

std::string PrefixIndex::Describe() const {
  return "among " + std::to_string(size()) + " sorted prefixes";
}

bool PrefixIndex::Fails(const cep::Value& value) const {
  return value.tag != cep::ValueTag::kString;
}

// Among entries, the last one that does not come after `rest`, whose head is `head`; or kNone.
inline uint32_t PrefixIndex::LastNotAfter(std::string_view rest, uint64_t head) const {
  const uint64_t* at = heads_.data();
  for (size_t n = heads_.size(); n > 1;) {
    const size_t half = n / 2;
    at = at[half] <= head ? at + half : at;  // a conditional move
    n -= half;
  }
  if (*at > head) return kNone;
  auto entry = static_cast<uint32_t>(at - heads_.data());
  if (*at < head || RestOf(entry) <= rest) return entry;
  // Several entries have this head, and the last of them comes after the text.
  uint32_t from = 0;
  while (from < entry) {
    const uint32_t middle = from + (entry - from) / 2;
    if (RestOf(middle) <= rest) {
      from = middle + 1;
    } else {
      entry = middle;
    }
  }
  return entry == 0 ? kNone : entry - 1;
}

inline size_t PrefixIndex::CommonSize(uint32_t entry, std::string_view rest, uint64_t head) const {
  const size_t size = std::min<size_t>(sizes_[entry], rest.size());
  const auto same = static_cast<size_t>(std::countl_zero(heads_[entry] ^ head)) / 8;
  if (same < kHead || size <= kHead) return std::min(same, size);
  return CommonPrefix(RestOf(entry), rest);
}

inline uint32_t PrefixIndex::Longest(std::string_view text) const {
  if (heads_.empty() || !text.starts_with(stem_)) return kNone;
  const std::string_view rest = text.substr(stem_.size());
  const uint64_t head = HeadOf(rest);
  uint32_t entry = LastNotAfter(rest, head);
  if (entry == kNone) return kNone;
  const size_t common = CommonSize(entry, rest, head);
  while (entry != kNone && sizes_[entry] > common) entry = AlsoOf(entry);
  return entry;
}

uint32_t PrefixIndex::Find(const cep::Value& value) const { return Longest(value.text()); }

void PrefixIndex::FindTexts(const std::string_view* texts, uint32_t rows,
                            const cep::RowBits& excluded, uint32_t* entries) const {
  ForEachText(texts, rows, excluded, entries,
              [this](std::string_view text) { return Longest(text); });
}

}  // namespace vigil::patterns
