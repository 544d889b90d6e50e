// When keys have something due, in any order of adding.
//
// Times lie in buckets of equal width, which are sorted only as far as it takes to tell what is due
// from what is not: a calendar queue (Brown, "Calendar queues", CACM 1988) whose current bucket is
// a heap. Nothing is removed before its time: whoever takes a due time asks whether it still
// counts. Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

namespace vigil::patterns {

template <typename T>
class DueCalendar {
 public:
  struct Due {
    int64_t at;
    T what;
  };

  // `span`: how far ahead of the current time most due times are, ms. Before the first Add().
  void Span(int64_t span) { width_ = std::max<int64_t>(1, span / kBuckets); }

  // O(1) for most; O(log n) among those of the current bucket, or far beyond the span.
  void Add(int64_t at, T what) {
    const int64_t index = IndexOf(at);
    if (!has_any_) {
      has_any_ = true;
      first_ = index - kBuckets;
    }
    if (index < first_) {
      near_.push_back({at, what});
      std::push_heap(near_.begin(), near_.end(), ComesLater);
    } else if (index - first_ < kRing) {
      Bucket(index).push_back({at, what});
    } else {
      beyond_[index].push_back({at, what});
    }
  }

  // Moves what is due at or before `now` behind `due`, in no order.
  void Take(int64_t now, std::vector<Due>* due) {
    while (!near_.empty() && near_.front().at <= now) {
      due->push_back(near_.front());
      std::pop_heap(near_.begin(), near_.end(), ComesLater);
      near_.pop_back();
    }
    const int64_t current = IndexOf(now);
    if (!has_any_ || current < first_) return;
    const size_t before = near_.size();
    for (int64_t i = 0; i < kRing && first_ + i <= current; ++i) {
      Split(&Bucket(first_ + i), now, due);
    }
    while (!beyond_.empty() && beyond_.begin()->first <= current) {
      Split(&beyond_.begin()->second, now, due);
      beyond_.erase(beyond_.begin());
    }
    if (near_.size() > before) std::make_heap(near_.begin(), near_.end(), ComesLater);
    first_ = current + 1;
  }

 private:
  static constexpr int64_t kBuckets = 256;  // within the span
  static constexpr int64_t kRing = 2 * kBuckets;

  static bool ComesLater(const Due& a, const Due& b) { return a.at > b.at; }
  int64_t IndexOf(int64_t at) const {
    at = std::clamp(at, kEarliest, kLatest);  // so that counting on from it does not overflow
    return at / width_ - (at % width_ < 0 ? 1 : 0);
  }
  std::vector<Due>& Bucket(int64_t index) {
    return ring_[static_cast<uint64_t>(index) % kRing];  // a power of two: also of negative ones
  }
  void Split(std::vector<Due>* bucket, int64_t now, std::vector<Due>* due) {
    for (const Due& next : *bucket) (next.at <= now ? due : &near_)->push_back(next);
    bucket->clear();
  }

  static constexpr int64_t kEarliest = std::numeric_limits<int64_t>::min() / 2;
  static constexpr int64_t kLatest = std::numeric_limits<int64_t>::max() / 2;

  int64_t width_ = 1;
  bool has_any_ = false;
  int64_t first_ = 0;      // index of the first bucket that is one
  std::vector<Due> near_;  // a heap, the next one on top: what comes before all buckets
  std::array<std::vector<Due>, kRing> ring_;
  std::map<int64_t, std::vector<Due>> beyond_;  // buckets behind the ring, by index
};

}  // namespace vigil::patterns
