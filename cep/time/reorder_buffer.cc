#include "cep/time/reorder_buffer.h"

#include <algorithm>

#include "cep/base/check.h"

namespace vigil::cep {
bool ReorderBuffer::InOrder(const WaitingRow& a, const WaitingRow& b) {
  if (a.ts != b.ts) return a.ts < b.ts;
  const Partition* pa = a.batch->partitions[a.row];
  const Partition* pb = b.batch->partitions[b.row];
  if (pa != pb && (*pa < *pb || *pb < *pa)) return *pa < *pb;
  return a.batch->offsets[a.row] < b.batch->offsets[b.row];
}

ReorderBuffer::ReorderBuffer(int64_t disorder_ms) : ring_(kBuckets) {
  while ((static_cast<int64_t>(kBuckets / 2) << width_bits_) < disorder_ms && width_bits_ < 40) {
    ++width_bits_;
  }
}

void ReorderBuffer::AddToBucket(uint64_t number, const WaitingRow& row) {
  Bucket& bucket = ring_[number & (kBuckets - 1)];
  if (bucket.is_sorted && !bucket.rows.empty() && !InOrder(bucket.rows.back(), row)) {
    bucket.is_sorted = false;
  }
  bucket.rows.push_back(row);
  Mark(number);
  ++in_ring_;
}

void ReorderBuffer::AddStraggler(const WaitingRow& row) {
  const uint64_t number = BucketNumber(row.ts);
  ++stragglers_;
  if (!has_first_ || (in_ring_ == 0 && ahead_.empty())) {
    has_first_ = true;
    first_ = number;
  }
  if (number < first_) {
    // Older than all that waits: turn the ring back; what no longer fits at its end waits aside.
    for (uint64_t i = 0; i < kBuckets && in_ring_ > 0; ++i) {
      const uint64_t n = first_ + i;
      if (n - number < kBuckets) continue;
      Bucket& bucket = ring_[n & (kBuckets - 1)];
      if (bucket.rows.empty()) continue;
      in_ring_ -= bucket.rows.size();
      std::vector<WaitingRow>& aside = ahead_[n];
      aside.insert(aside.end(), bucket.rows.begin(), bucket.rows.end());
      bucket.rows.clear();
      bucket.is_sorted = true;
      Unmark(n);
    }
    first_ = number;
  }
  if (number - first_ < kBuckets) {
    AddToBucket(number, row);
  } else {
    ahead_[number].push_back(row);
  }
}

// Moves rows into the ring that it has come to cover.
void ReorderBuffer::PullAhead() {
  while (!ahead_.empty() && ahead_.begin()->first - first_ < kBuckets) {
    for (const WaitingRow& row : ahead_.begin()->second) AddToBucket(ahead_.begin()->first, row);
    ahead_.erase(ahead_.begin());
  }
}

void ReorderBuffer::ReleaseBucket(Bucket* bucket, int64_t watermark) {
  std::vector<WaitingRow>& rows = bucket->rows;
  if (!bucket->is_sorted) std::sort(rows.begin(), rows.end(), InOrder);
  bucket->is_sorted = true;
  size_t n = rows.size();
  if (n > 0 && rows.back().ts > watermark) {
    n = static_cast<size_t>(
        std::partition_point(rows.begin(), rows.end(),
                             [=](const WaitingRow& r) { return r.ts <= watermark; }) -
        rows.begin());
  }
  due_.insert(due_.end(), rows.begin(), rows.begin() + static_cast<ptrdiff_t>(n));
  rows.erase(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(n));
  in_ring_ -= n;
  stragglers_ -= n;
}

uint64_t ReorderBuffer::NextOccupied() const {
  const uint64_t start = first_ & (kBuckets - 1);
  uint64_t word = start >> 6;
  uint64_t bits = occupied_[word] & (~uint64_t{0} << (start & 63));
  while (bits == 0) {
    word = (word + 1) % (kBuckets / 64);
    bits = occupied_[word];
  }
  const uint64_t place = word * 64 + static_cast<uint64_t>(__builtin_ctzll(bits));
  return first_ + ((place - start) & (kBuckets - 1));
}

// Moves the stragglers that are due to due_, in order.
void ReorderBuffer::ReleaseStragglers(int64_t watermark) {
  const uint64_t last = BucketNumber(watermark);
  while (stragglers_ > 0) {
    const uint64_t next = in_ring_ > 0 ? NextOccupied() : ahead_.begin()->first;
    if (next > last) return;
    first_ = next;
    PullAhead();
    Bucket& bucket = ring_[first_ & (kBuckets - 1)];
    ReleaseBucket(&bucket, watermark);
    if (!bucket.rows.empty()) return;
    Unmark(first_);
  }
}

// Forgets released rows once they are the larger part of the queue.
void ReorderBuffer::Compact() {
  if (queue_begin_ < 4096 || queue_begin_ * 2 < queue_.size()) return;
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(queue_begin_));
  queue_begin_ = 0;
}

void ReorderBuffer::Release(int64_t watermark, std::vector<WaitingRow>* out) {
  due_.clear();
  ReleaseStragglers(watermark);
  size_t next = 0;
  while (queue_begin_ < queue_.size() && queue_[queue_begin_].ts <= watermark) {
    const WaitingRow& row = queue_[queue_begin_];
    while (next < due_.size() && InOrder(due_[next], row)) out->push_back(due_[next++]);
    out->push_back(row);
    ++queue_begin_;
  }
  out->insert(out->end(), due_.begin() + static_cast<ptrdiff_t>(next), due_.end());
  if (queue_begin_ == queue_.size()) {
    queue_.clear();
    queue_begin_ = 0;
  }
  Compact();
}

}  // namespace vigil::cep
