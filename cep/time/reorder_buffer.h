// Puts rows into event-time order: a queue for rows that arrive in order, a calendar of time
// buckets for those that do not.
//
// A row that comes after all others in the queue is appended to it; neighbours in a batch stay
// together as a span, so that what is done by span costs little per row. A straggler goes into the
// bucket of its time; when the watermark passes, the stragglers that are due are put in order and
// merged with the queue. The order is (ts, source, topic, partition, offset), so it never depends
// on arrival. Buckets cover a ring; rows beyond it wait aside and move in as the ring turns. Cost:
// O(1) per row, a few instructions for one in order; memory O(rows waiting + kBuckets). Thread
// safety: none; one shard owns it. Source: calendar queue (R. Brown, CACM 1988).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cep/event/batch.h"
#include "cep/event/expression.h"

namespace vigil::cep {

// A waiting row: where it is, and what orders it.
struct WaitingRow {
  int64_t ts = 0;
  const Batch* batch = nullptr;
  uint32_t row = 0;
};

// Neighbouring rows of a batch, in order; never empty where one is handed out.
struct RowSpan {
  const Batch* batch = nullptr;
  uint32_t begin = 0;
  uint32_t end = 0;

  uint32_t size() const { return end - begin; }
};

class ReorderBuffer {
 public:
  // `disorder_ms`: the expected distance between newest and oldest waiting row; chooses the
  // buckets' width.
  explicit ReorderBuffer(int64_t disorder_ms);

  // Adds the batch's rows that are set in `rows`; their ts must be above the last watermark given
  // to Release().
  void Add(const Batch& batch, const RowBits& rows);

  // Appends all rows with ts <= watermark to `out`, in order.
  void Release(int64_t watermark, std::vector<RowSpan>* out);

  // Rows that wait.
  size_t size() const { return queued_ + stragglers_; }

  // Calls `use` with each waiting row, in no particular order.
  template <typename Use>
  void ForEach(const Use& use) const {
    for (size_t i = queue_begin_; i < queue_.size(); ++i) {
      const RowSpan& span = queue_[i];
      for (uint32_t row = span.begin; row < span.end; ++row) {
        use(WaitingRow{span.batch->ts[row], span.batch, row});
      }
    }
    for (const Bucket& bucket : ring_) {
      for (const WaitingRow& row : bucket.rows) use(row);
    }
    for (const auto& [number, rows] : ahead_) {
      for (const WaitingRow& row : rows) use(row);
    }
  }

 private:
  static constexpr uint64_t kBuckets = 4096;

  static bool InOrder(const WaitingRow& a, const WaitingRow& b);
  void AddStraggler(const WaitingRow& row);
  void ReleaseStragglers(int64_t watermark);
  void Compact();

  struct Bucket {
    std::vector<WaitingRow> rows;
    bool is_sorted = true;  // in final order as it stands
  };

  uint64_t BucketNumber(int64_t ts) const {
    return (static_cast<uint64_t>(ts) ^ (uint64_t{1} << 63)) >> width_bits_;
  }
  void AddToBucket(uint64_t number, const WaitingRow& row);
  void ReleaseBucket(Bucket* bucket, int64_t watermark);
  void PullAhead();
  // Number of the first bucket at or after first_ that holds rows; in_ring_ > 0.
  uint64_t NextOccupied() const;
  void Mark(uint64_t number) {
    occupied_[(number & (kBuckets - 1)) >> 6] |= uint64_t{1} << (number & 63);
  }
  void Unmark(uint64_t number) {
    occupied_[(number & (kBuckets - 1)) >> 6] &= ~(uint64_t{1} << (number & 63));
  }

  // Rows in order; the spans before queue_begin_ have been released.
  std::vector<RowSpan> queue_;
  size_t queue_begin_ = 0;
  size_t queued_ = 0;            // rows in the queue
  std::vector<WaitingRow> due_;  // scratch of Release(): stragglers in order
  uint32_t width_bits_ = 0;      // a bucket spans 2^width_bits_ ms
  uint64_t first_ = 0;           // number of the oldest bucket in the ring
  bool has_first_ = false;
  std::vector<Bucket> ring_;
  uint64_t occupied_[kBuckets / 64] = {};  // a bit for each place in the ring that holds rows
  size_t in_ring_ = 0;
  std::map<uint64_t, std::vector<WaitingRow>> ahead_;  // beyond the ring, by bucket number
  size_t stragglers_ = 0;
};

}  // namespace vigil::cep
