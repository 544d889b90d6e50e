// Event time of a live job: watermarks of partitions that appear, fall silent, come back and run
// ahead, and the engine's watermark made of them.
//
// The letters are those of the rules it keeps (docs/ARCHITECTURE.md, "Time of a live job"): W is a
// partition's watermark, E the engine's. Invariants:
//   (1) E never goes back, and E <= W of every partition that is active.
//   (2) A partition that is not active joins with W := max(W, E) before its rows are judged, so a
//       row that is in time is never behind E.
//   (3) No clock inside: what elapsed is handed in, and only time in which a partition could have
//       been heard counts as silence.
// Thread safety: none; the thread that drives the job owns it. It is the one coordinator, so
// joining and moving E are one step each.
// Tests: tests/cep/live_time_test.cc.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "cep/time/watermark.h"

namespace vigil::cep {

struct PartitionTimeOptions {
  int64_t bound_ms = 0;
  int64_t idle_after_ms = 30'000;
  int64_t max_ahead_ms = 10'000;  // of the slowest partition
};

// What the input does not determine, for logs and the journal of a commit.
struct TimeEvent {
  enum class Kind : uint8_t {
    kJoined,   // found after the start
    kIdle,     // silent for too long, holds time back no longer
    kReturned  // not idle any more
  };
  Kind kind = Kind::kIdle;
  uint32_t partition = 0;
  int64_t watermark = kMinTime;  // W after the event
  int64_t engine = kMinTime;     // E
  uint64_t next_offset = 0;      // the first that was read after it; LiveTime leaves it to the job
};

class LiveTime {
 public:
  // idle_advance: E goes on with the clock while every partition is idle.
  explicit LiveTime(bool idle_advance) : idle_advance_(idle_advance) {}

  void set_idle_advance(bool idle_advance) { idle_advance_ = idle_advance; }

  // A further partition; returns its number, from 0 on. One that is there at the start holds time
  // back until its first row; one that is found later stands where E does.
  uint32_t Add(const PartitionTimeOptions& options, bool at_start);

  // E as a former run left it.
  void Resume(int64_t engine) { engine_ = engine; }
  // A partition as a former run left it, with its W. `is_behind`: rows that waited then are to be
  // read again, and E stands still until CatchUp() of all such partitions.
  uint32_t AddResumed(const PartitionTimeOptions& options, int64_t watermark, bool is_idle,
                      bool is_behind);
  void CatchUp(uint32_t partition);
  bool is_behind(uint32_t partition) const { return partitions_[partition].is_behind; }
  bool is_any_behind() const { return behind_ > 0; }

  // Rows of the partition are about to be judged: it is active from here on.
  void Join(uint32_t partition);
  // Judges a row of an active partition: false if it is late. Its effect on W comes after; only a
  // row that is a mark has one.
  bool Observe(uint32_t partition, int64_t ts, bool is_mark = true) {
    BoundedWatermark& watermark = partitions_[partition].watermark;
    return is_mark ? watermark.Observe(ts) : watermark.IsInTime(ts);
  }
  // The partition has been read up to where it is to stop. If it leaves the minimum, it holds
  // nobody back; else E waits for what never comes.
  void End(uint32_t partition, bool leaves_minimum);
  // What its bound cannot release is given up: the partition leaves the minimum as an idle one.
  void ForceIdle(uint32_t partition);

  // `elapsed_ms` have passed in which the partition could have been heard. `is_silent`: it was
  // connected, had been read up to its end, and nobody held it.
  void Listen(uint32_t partition, int64_t elapsed_ms, bool is_silent);
  // To be called after each round of Listen(): moves E by the clock where that is asked for.
  // `elapsed_ms` have passed in which every partition could have been heard.
  void AdvanceIdle(int64_t elapsed_ms);

  // Brings E up to date with the partitions' watermarks.
  void UpdateEngine();
  // Nothing will follow: time is at its end.
  void Finish() { engine_ = kMaxTime; }

  int64_t engine() const { return engine_; }
  int64_t watermark(uint32_t partition) const {
    return partitions_[partition].watermark.watermark();
  }
  bool is_idle(uint32_t partition) const { return !partitions_[partition].is_active; }
  bool has_ended(uint32_t partition) const { return partitions_[partition].has_ended; }
  // The lowest W of those that hold others back; kMaxTime if there are none.
  int64_t slowest() const;
  // The partition that E waits for, or -1.
  int holder() const;
  // Its rows are to stay where they are: it is further ahead of `slowest` than it may be.
  bool IsAhead(uint32_t partition, int64_t slowest) const;

  std::vector<TimeEvent> TakeEvents() { return std::exchange(events_, {}); }

 private:
  struct State {
    PartitionTimeOptions options;
    BoundedWatermark watermark;
    bool is_active = true;   // takes part in the minimum
    bool is_behind = false;  // takes part in it with E
    bool has_ended = false;  // holds nobody back by IsAhead()
    bool is_silent = false;  // when last listened to
    int64_t silent_ms = 0;   // heard nothing for so long
  };

  void MakeIdle(uint32_t partition);
  void Tell(TimeEvent::Kind kind, uint32_t partition);

  bool idle_advance_;
  std::vector<State> partitions_;
  size_t behind_ = 0;  // partitions that are
  std::vector<TimeEvent> events_;
  int64_t engine_ = kMinTime;
  int64_t all_idle_ms_ = 0;  // every partition has been idle and silent for so long
};

}  // namespace vigil::cep
