// A sink: where an output's records finally go. It may be slow, fail and recover.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cep/base/status.h"

namespace vigil::alerts {

// A record on its way to one sink.
struct Outgoing {
  std::string line;  // JSON, without a line end
  std::string id;    // 32 hexadecimal digits; empty for records that have none
  std::string key;   // of a Kafka message; counts only with has_key
  bool has_key = false;
  bool is_delivered = false;  // set by the sink
  uint64_t sequence = 0;      // in the stream of all records of this run, or of the outbox
  std::string boot;           // of the outbox: names the start that gave `sequence`
  std::string refusal;        // set by a TransactionalSink: why the target will never take it
};

// Thread safety: one thread drives it, SinkQueue's or OutboxSink's.
class Sink {
 public:
  virtual ~Sink() = default;

  // Delivers the records that are not delivered yet, in order, and marks those that are; waits as
  // long as that takes, or until `is_giving_up`.
  // Errors: what stands in the way; the call may be repeated with the same records.
  virtual Status Write(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up) = 0;
  // Before the first Write(): an earlier run may have delivered records with up to `bytes` of lines
  // that will come again. A sink that can tell delivers none of them twice.
  virtual Status ExpectRepeats(uint64_t /*bytes*/) { return absl::OkStatus(); }
  // Those have all come.
  virtual void ForgetRepeats() {}
  // Nothing came for a while.
  virtual Status Idle() { return absl::OkStatus(); }
  // Records that the target refused for good, and which are lost to it.
  virtual uint64_t refused() const { return 0; }
};

// A place in the outbox, as the target keeps it.
struct TargetCursor {
  uint64_t boot = 0;      // the random id of the start that gave `sequence`
  uint64_t sequence = 0;  // of the first record that is not delivered
  // The target holds records of a past that was given up; what of it is raised again is not to be
  // delivered again.
  bool skips = false;

  bool operator==(const TargetCursor&) const = default;
};

// A sink whose target keeps the cursor in one transaction with the records, so that each record
// is there exactly once.
class TransactionalSink {
 public:
  virtual ~TransactionalSink() = default;

  // Takes over from whoever wrote before under the same name, and ends what that one left open;
  // returns the target's cursor, if it has one. To be repeated after an error of any call, which
  // leaves unknown what happened.
  virtual StatusOr<std::optional<TargetCursor>> Open(const std::atomic<bool>& is_giving_up) = 0;
  // The records that are not refused become visible together with the cursor, or neither does; at
  // most kMaxRecords of them, null: none.
  // Errors: ABORTED if another instance has taken over: nothing may be repeated then.
  // INVALID_ARGUMENT if the target refuses records for good, which it has marked; nothing was
  // delivered, and the call may be repeated at once. All else: Open() tells what happened.
  virtual Status Deliver(std::vector<Outgoing>* records, const TargetCursor& after,
                         const std::atomic<bool>& is_giving_up) = 0;
  // Cursor of the last records that the target holds, by what is written with them; none if it
  // holds none that tell. For targets that have lost their cursor.
  virtual StatusOr<std::optional<TargetCursor>> FindLast(const std::atomic<bool>& is_giving_up) = 0;

  // Ids of the records that the target holds whose place in the outbox is `wanted`; reads all of
  // it.
  virtual StatusOr<std::set<std::string>> FindIds(
      const std::function<bool(const TargetCursor& at)>& wanted,
      const std::atomic<bool>& is_giving_up) = 0;

  static constexpr size_t kMaxRecords = 10'000;
};

}  // namespace vigil::alerts
