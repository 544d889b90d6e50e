// Where records come from that go on coming: the partitions of Kafka topics, a file that grows, a
// socket.
//
// A source keeps a queue of undecoded records per partition. The job decides from which partition
// it takes the next ones; what it does not take stays where it is, and a source stops fetching for
// a queue that has reached its limit in bytes. Nothing here waits: a source notifies the job's
// Wakeup when there is something to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "cep/base/wakeup.h"
#include "cep/event/batch.h"

namespace vigil::cep {

// A record that was read, so that a later run can tell whether it is still the same one.
struct RecordMark {
  bool is_known = false;
  uint64_t offset = 0;
  Hash128 fingerprint;
};

// A row of a source that cannot be read again, as LiveSource::Keep() wrote it.
struct KeptRow {
  uint64_t offset = 0;
  std::string bytes;
};

// Where a former run stood in a partition.
struct ResumeFrom {
  std::string topic;
  uint32_t number = 0;
  uint64_t from = 0;          // R: the first record to read again
  uint64_t next_offset = 0;   // U: the first that was never read
  RecordMark last;            // the last one that was read
  std::vector<KeptRow> kept;  // to be given again, of a source that keeps rows; ascending
};

// How it stands with a partition.
struct LivePartition {
  const Partition* partition = nullptr;
  bool at_start = false;      // it was there when the job began
  bool has_rows = false;      // Read() has something to give
  bool is_at_end = false;     // read up to the end that the last fetch reported
  bool is_connected = false;  // whatever comes next would be heard of
  // When whoever holds the partition last answered, on the job's steady clock: silence after that
  // is not known to be one. -1: never.
  int64_t answered_ms = -1;
  // Offsets that reading went past because whoever holds the partition had deleted them: records
  // that were lost, at most so many, since some offsets may never have been records.
  uint64_t lost = 0;
  bool has_ended = false;    // read up to where it is to stop
  uint64_t next_offset = 0;  // of the next record that Read() gives
  int64_t end_offset = -1;   // as the last fetch or statistics reported it; -1: not known
  RecordMark last;           // of the last record that Read() gave; known if the source can seek
  bool is_replaced = false;  // it is not the one that a former run read, which was accepted
};

// How records that were read were judged.
struct Verdicts {
  uint64_t read = 0;
  uint64_t late = 0;
  uint64_t quarantined = 0;
};

// Thread safety: one thread drives a source. Batches that it filled may be used and freed by any
// thread, but not after the source itself is gone: they point to its partitions and renderer.
class LiveSource {
 public:
  virtual ~LiveSource() = default;

  // What was read can be read again, from any offset on.
  virtual bool can_seek() const { return false; }
  // It cannot: so a job that is to go on from a commit keeps the rows that wait there, and Resume()
  // gets them back.
  virtual bool keeps_rows() const { return false; }
  // Appends to `out` what gives a row of `from`, which this source filled, again. The codec with
  // which it did must be the current one.
  virtual void Keep(const Batch& /*from*/, uint32_t /*row*/, std::string* /*out*/) const {}
  // To be called before Start(): partitions named here begin at `from`, whatever else is said of
  // the start; all others are new. Serve() fails, naming what is gone, if a partition is not there,
  // no longer holds `from`, or holds another record where `last` was; with `accepts_loss` those
  // begin with the oldest record instead.
  virtual void Resume(std::vector<ResumeFrom> /*partitions*/, bool /*accepts_loss*/) {}
  // Begins to connect. `wakeup` is borrowed, and notified until the source is gone.
  virtual Status Start(Wakeup* wakeup) = 0;
  // Serves the connection. Errors: what no retry can mend.
  virtual Status Serve() = 0;
  // The partitions that are there at the start are known. From then on they are only added to.
  virtual bool has_started() const = 0;
  // All partitions have ended, and no more will be added: a bounded source.
  virtual bool has_ended() const = 0;
  virtual const std::vector<LivePartition>& partitions() const = 0;

  // Appends the next records of a partition to `batch`, at most `max` of them, as rows or as
  // rejected records. Returns how many; 0 if nothing was there after all.
  virtual size_t Read(size_t partition, size_t max, Batch* batch) = 0;
  // Of the rows that the last Read() appended: when the broker appended them, ms since the Unix
  // epoch; empty if that is not known.
  virtual const std::vector<int64_t>& append_times() const = 0;
  // How the records of the last Read() were judged: for those who answer whoever sent them.
  virtual void NoteVerdicts(size_t /*partition*/, const Verdicts& /*verdicts*/) {}

  // Appends rows of `from`, which this source gave, to `to` again, decoded for the layout of `to`:
  // as rows, or as rejected records where they do not decode any more. Times stay as they were.
  // `to` has room, and may point into `from`, which the caller keeps as long. All rows are of one
  // partition, in order.
  virtual void DecodeAgain(const Batch& from, const uint32_t* rows, size_t count, Batch* to) = 0;

  // Everything before these offsets is done with: one for each partition, in their order. For those
  // who watch; the job does not depend on it.
  virtual void Publish(const std::vector<uint64_t>& next_offsets) = 0;
};

}  // namespace vigil::cep
