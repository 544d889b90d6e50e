#include "cep/time/reorder_buffer.h"

#include <algorithm>
#include <bit>

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

void ReorderBuffer::Add(const Batch& batch, const RowBits& rows) {
  const int64_t* ts = batch.ts.get();
  RowSpan last;  // the queue's last span; its size counts in queued_ when it is put back
  if (queue_begin_ < queue_.size()) {
    last = queue_.back();
    queue_.pop_back();
    queued_ -= last.size();
  }
  const auto put_back = [&] {
    if (last.size() == 0) return;
    queue_.push_back(last);
    queued_ += last.size();
  };
  int64_t newest = last.size() > 0 ? last.batch->ts[last.end - 1] : 0;
  for (uint32_t w = 0; w * 64 < batch.rows; ++w) {
    for (uint64_t word = rows.words[w]; word != 0; word &= word - 1) {
      const uint32_t row = w * 64 + static_cast<uint32_t>(std::countr_zero(word));
      if (last.size() > 0 && ts[row] <= newest &&
          (ts[row] < newest ||
           !InOrder({newest, last.batch, last.end - 1}, {newest, &batch, row}))) {
        AddStraggler({ts[row], &batch, row});
        continue;
      }
      newest = ts[row];
      if (last.batch == &batch && last.end == row) {
        ++last.end;
        continue;
      }
      put_back();
      last = {&batch, row, row + 1};
    }
  }
  put_back();
}

// Forgets released spans once they are the larger part of the queue.
void ReorderBuffer::Compact() {
  if (queue_begin_ < 1024 || queue_begin_ * 2 < queue_.size()) return;
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(queue_begin_));
  queue_begin_ = 0;
}

void ReorderBuffer::Release(int64_t watermark, std::vector<RowSpan>* out) {
  due_.clear();
  ReleaseStragglers(watermark);
  size_t next = 0;
  const auto release = [out](const WaitingRow& row) {
    out->push_back({row.batch, row.row, row.row + 1});
  };
  for (; queue_begin_ < queue_.size(); ++queue_begin_) {
    RowSpan& span = queue_[queue_begin_];
    const int64_t* ts = span.batch->ts.get();
    if (ts[span.begin] > watermark) break;
    uint32_t end = span.end;
    if (ts[end - 1] > watermark) {
      end = static_cast<uint32_t>(std::upper_bound(ts + span.begin, ts + end, watermark) - ts);
    }
    queued_ -= end - span.begin;
    // Stragglers that come before the span's end cut it.
    for (; next < due_.size() && due_[next].ts <= ts[end - 1]; ++next) {
      uint32_t cut = span.begin;
      while (cut < end &&
             (ts[cut] < due_[next].ts ||
              (ts[cut] == due_[next].ts && InOrder({ts[cut], span.batch, cut}, due_[next])))) {
        ++cut;
      }
      if (cut > span.begin) out->push_back({span.batch, span.begin, cut});
      span.begin = cut;
      if (cut == end) break;  // equal in time, but behind all of them
      release(due_[next]);
    }
    if (span.begin < end) out->push_back({span.batch, span.begin, end});
    span.begin = end;
    if (end < span.end) break;
  }
  for (; next < due_.size(); ++next) release(due_[next]);
  if (queue_begin_ == queue_.size()) {
    queue_.clear();
    queue_begin_ = 0;
  }
  Compact();
}

}  // namespace vigil::cep
