#include "cep/time/live_time.h"

#include <algorithm>

namespace vigil::cep {
namespace {

constexpr uint64_t kLongestMs = uint64_t{1} << 62;  // with room for what elapses

}  // namespace

uint32_t LiveTime::Add(const PartitionTimeOptions& options, bool at_start) {
  partitions_.push_back({options, BoundedWatermark(options.bound_ms)});
  const auto partition = static_cast<uint32_t>(partitions_.size() - 1);
  if (at_start) return partition;
  partitions_.back().watermark.Join(engine_);
  Tell(TimeEvent::Kind::kJoined, partition);
  return partition;
}

uint32_t LiveTime::AddResumed(const PartitionTimeOptions& options, int64_t watermark, bool is_idle,
                              bool is_behind) {
  State& state = partitions_.emplace_back(State{options, BoundedWatermark(options.bound_ms)});
  state.watermark.Join(watermark);
  state.is_active = !is_idle;
  state.is_behind = is_behind;
  behind_ += is_behind ? 1 : 0;
  return static_cast<uint32_t>(partitions_.size() - 1);
}

void LiveTime::CatchUp(uint32_t partition) {
  if (!std::exchange(partitions_[partition].is_behind, false)) return;
  --behind_;
}

void LiveTime::Join(uint32_t partition) {
  State& state = partitions_[partition];
  state.silent_ms = 0;
  state.is_silent = false;
  all_idle_ms_ = 0;
  if (state.is_active) return;
  state.watermark.Join(engine_);
  state.is_active = true;
  Tell(TimeEvent::Kind::kReturned, partition);
}

void LiveTime::End(uint32_t partition, bool leaves_minimum) {
  partitions_[partition].has_ended = true;
  if (leaves_minimum) partitions_[partition].is_active = false;
}

void LiveTime::ForceIdle(uint32_t partition) {
  if (partitions_[partition].is_active) MakeIdle(partition);
}

void LiveTime::MakeIdle(uint32_t partition) {
  partitions_[partition].is_active = false;
  Tell(TimeEvent::Kind::kIdle, partition);
}

void LiveTime::Tell(TimeEvent::Kind kind, uint32_t partition) {
  events_.push_back({kind, partition, watermark(partition), engine_});
}

void LiveTime::Listen(uint32_t partition, int64_t elapsed_ms, bool is_silent) {
  State& state = partitions_[partition];
  if (state.is_behind) is_silent = false;
  state.is_silent = is_silent;
  state.silent_ms = is_silent ? state.silent_ms + elapsed_ms : 0;
  if (state.is_active && !state.has_ended && state.silent_ms >= state.options.idle_after_ms) {
    MakeIdle(partition);
  }
}

void LiveTime::AdvanceIdle(int64_t elapsed_ms) {
  if (!idle_advance_ || partitions_.empty() || behind_ > 0) return;
  int64_t newest = kMinTime;
  for (const State& state : partitions_) {
    if (state.is_active) all_idle_ms_ = 0;
    if (state.is_active || (!state.is_silent && !state.has_ended)) return;
    newest = std::max(newest, state.watermark.watermark());
  }
  if (newest == kMinTime) return;  // there is no event to count from
  // Only the clock moves E past every W: a former run's has come so far.
  if (engine_ > newest) {
    const uint64_t passed = static_cast<uint64_t>(engine_) - static_cast<uint64_t>(newest);
    all_idle_ms_ = std::max(all_idle_ms_, static_cast<int64_t>(std::min(passed, kLongestMs)));
  }
  all_idle_ms_ += elapsed_ms;
  engine_ = std::max(engine_, newest + all_idle_ms_);
}

void LiveTime::UpdateEngine() {
  if (behind_ > 0) return;
  int64_t minimum = kMaxTime;
  for (const State& state : partitions_) {
    if (state.is_active) minimum = std::min(minimum, state.watermark.watermark());
  }
  // Without an active partition time stands.
  if (minimum != kMaxTime) engine_ = std::max(engine_, minimum);
}

int64_t LiveTime::slowest() const {
  int64_t slowest = kMaxTime;
  for (const State& state : partitions_) {
    if (state.is_active && !state.has_ended) {
      slowest = std::min(slowest, state.watermark.watermark());
    }
  }
  return slowest;
}

int LiveTime::holder() const {
  int holder = -1;
  int64_t lowest = kMaxTime;
  for (size_t i = 0; i < partitions_.size(); ++i) {
    const State& state = partitions_[i];
    if (!state.is_active || (holder >= 0 && state.watermark.watermark() >= lowest)) continue;
    holder = static_cast<int>(i);
    lowest = state.watermark.watermark();
  }
  return holder;
}

bool LiveTime::IsAhead(uint32_t partition, int64_t slowest) const {
  const State& state = partitions_[partition];
  // One that is idle would join at E.
  const int64_t own = std::max(state.watermark.watermark(), engine_);
  if (own <= slowest) return false;
  // The difference of two int64 always fits an uint64.
  const uint64_t ahead = static_cast<uint64_t>(own) - static_cast<uint64_t>(slowest);
  return ahead > static_cast<uint64_t>(state.options.max_ahead_ms);
}

}  // namespace vigil::cep
