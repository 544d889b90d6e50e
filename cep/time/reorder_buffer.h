// Puts rows into event-time order: a calendar of time buckets over row handles.
//
// Rows go into the bucket of their time; when the watermark passes, buckets are emptied in order. A
// bucket that holds rows of one partition in arrival order needs no sorting when it spans 1 ms;
// otherwise it is sorted by (ts, partition, offset) when it is emptied, so the order never depends
// on arrival. Buckets cover a ring; rows beyond it (a partition far ahead) wait aside and move in
// as the ring turns. Cost: O(1) per row on time; memory O(rows waiting + kBuckets). Thread safety:
// none; one shard owns it. Source: calendar queue (R. Brown, CACM 1988).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cep/event/batch.h"

namespace vigil::cep {

// A waiting row: where it is, and what orders it.
struct WaitingRow {
  int64_t ts = 0;
  const Batch* batch = nullptr;
  uint32_t row = 0;
};

class ReorderBuffer {
 public:
  // `disorder_ms`: the expected distance between newest and oldest waiting row; chooses the
  // buckets' width.
  explicit ReorderBuffer(int64_t disorder_ms);

  // Adds a row; its ts must be above the last watermark given to Release().
  void Add(const WaitingRow& row);

  // Appends all rows with ts <= watermark to `out`, in order (ts, source, topic, partition,
  // offset).
  void Release(int64_t watermark, std::vector<WaitingRow>* out);

  size_t size() const { return size_; }

 private:
  static constexpr uint64_t kBuckets = 4096;

  struct Bucket {
    std::vector<WaitingRow> rows;
    bool is_sorted = true;  // in final order as it stands
  };

  uint64_t BucketNumber(int64_t ts) const {
    return (static_cast<uint64_t>(ts) ^ (uint64_t{1} << 63)) >> width_bits_;
  }
  void AddToBucket(uint64_t number, const WaitingRow& row);
  void ReleaseBucket(Bucket* bucket, int64_t watermark, std::vector<WaitingRow>* out);
  void PullAhead();
  // Number of the first bucket at or after first_ that holds rows; in_ring_ > 0.
  uint64_t NextOccupied() const;
  void Mark(uint64_t number) {
    occupied_[(number & (kBuckets - 1)) >> 6] |= uint64_t{1} << (number & 63);
  }
  void Unmark(uint64_t number) {
    occupied_[(number & (kBuckets - 1)) >> 6] &= ~(uint64_t{1} << (number & 63));
  }

  uint32_t width_bits_ = 0;  // a bucket spans 2^width_bits_ ms
  uint64_t first_ = 0;       // number of the oldest bucket in the ring
  bool has_first_ = false;
  std::vector<Bucket> ring_;
  uint64_t occupied_[kBuckets / 64] = {};  // a bit for each place in the ring that holds rows
  size_t in_ring_ = 0;
  std::map<uint64_t, std::vector<WaitingRow>> ahead_;  // beyond the ring, by bucket number
  size_t size_ = 0;
};

}  // namespace vigil::cep
