// Watermarks: how far event time has come, per partition and for the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace vigil::cep {

inline constexpr int64_t kMinTime = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kMaxTime = std::numeric_limits<int64_t>::max();

// The watermark of one partition whose rows are at most `bound` ms out of order: newest ts - bound
// - 1. A row is late if and only if its ts is not above the watermark just before it. Source:
// Flink's BoundedOutOfOrdernessWatermarks.
class BoundedWatermark {
 public:
  explicit BoundedWatermark(int64_t bound_ms) : bound_(bound_ms) {}

  // Judges the row, and only then lets it move the watermark. Returns false if it is late.
  bool Observe(int64_t ts) {
    const bool in_time = ts > watermark_;
    if (ts > newest_) {
      newest_ = ts;
      // At the very bottom of time there is nothing before the row.
      watermark_ = std::max(watermark_, ts < kMinTime + bound_ + 1 ? kMinTime : ts - bound_ - 1);
    }
    return in_time;
  }

  // Judges a row that does not move the watermark.
  bool IsInTime(int64_t ts) const { return ts > watermark_; }

  // A partition that joins late starts where the engine stands.
  void Join(int64_t engine_watermark) { watermark_ = std::max(watermark_, engine_watermark); }

  int64_t watermark() const { return watermark_; }

 private:
  int64_t bound_;
  int64_t newest_ = kMinTime;
  int64_t watermark_ = kMinTime;
};

}  // namespace vigil::cep
