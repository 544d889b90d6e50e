// A live source whose own thread splits records and queues them, partition by partition: what
// files that grow, connections and requests have in common.
//
// Memory: a partition's queue takes blocks up to kPartitionBytes, all together up to kTotalBytes;
// but one that is empty takes a block in any case, so that no partition waits for another one.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cep/base/clock.h"
#include "ingest/record_source.h"
#include "ingest/record_splitter.h"

namespace vigil::ingest {

struct QueuedSourceOptions {
  std::string name;  // of the source
  SourceCodec codec;
  // What makes the codec of a stream with a header (SplitOptions): its cells, or its schema.
  enum class Header : uint8_t { kNone, kCsv, kAvro };
  Header header = Header::kNone;
  bool is_wall_time = false;     // an event's time is when it is read
  const Clock* clock = nullptr;  // borrowed
};

// Thread safety: what LiveSource and RecordSource declare belongs to the thread that drives the
// source; the protected functions may be called by any thread.
class QueuedSource : public RecordSource {
 public:
  static constexpr size_t kPartitionBytes = 4 << 20;
  static constexpr size_t kTotalBytes = 64 << 20;
  // Streams may have so many different headers.
  static constexpr size_t kMaxHeaders = 256;

  Status Start(Wakeup* wakeup) override;
  Status Serve() override;
  bool has_started() const override { return has_started_; }
  bool has_ended() const override { return has_ended_; }
  const std::vector<cep::LivePartition>& partitions() const override { return live_; }
  // Records of one block only.
  size_t Read(size_t partition, size_t max, cep::Batch* batch) override;
  const std::vector<int64_t>& append_times() const override { return append_times_; }
  void DecodeAgain(const cep::Batch& from, const uint32_t* rows, size_t count,
                   cep::Batch* to) override;
  void Publish(const std::vector<uint64_t>&) override {}
  std::vector<std::unique_ptr<Codec>> SetCodec(SourceCodec codec) override;

 protected:
  QueuedSource(QueuedSourceOptions options, RecordSourceLog* log);

  // Begins to produce.
  virtual Status StartProducing() = 0;
  // A queue that had no room has some; on the driving thread.
  virtual void OnRoom() = 0;

  const std::string& name() const { return options_.name; }
  const Clock& clock() const { return *options_.clock; }
  void Say(int level, const std::string& text, std::string_view place = "") const;

  // A further partition; its number, from 0 on.
  //   is_replaced   LivePartition::is_replaced
  size_t AddPartition(cep::Partition id, bool at_start, uint64_t next_offset,
                      bool is_replaced = false);
  // The partitions of the start are all there.
  void SetStarted();
  // False: what is pushed now would be over the limit, and OnRoom() is called once it is not.
  bool HasRoom(size_t partition);
  void Push(size_t partition, RecordBlock block);
  // How far whoever writes to the partition is, and when that was looked at.
  //   end_offset   -1: not known
  void SetEnd(size_t partition, bool is_at_end, bool is_connected, int64_t end_offset);
  // Nothing more is pushed to the partition.
  void EndPartition(size_t partition);
  // No partition is added any more, and those that are there end.
  void EndAll();
  // What no retry can mend.
  void Fail(Status status);
  // Of the stream that a row came in, by the renderer that its codec has given it; null where
  // streams have none. On the driving thread.
  const std::string* HeaderOf(const cep::RecordRenderer* renderer) const;

 private:
  // Between the threads.
  struct Queue {
    std::deque<RecordBlock> blocks;
    size_t bytes = 0;
    bool is_refused = false;  // HasRoom() said so
    bool is_at_end = false;
    bool is_connected = false;
    bool has_ended = false;
    int64_t looked_ms = -1;
    int64_t end_offset = -1;
  };
  // The driving thread's.
  struct State {
    cep::Partition id;
    RecordBlock block;
    size_t next = 0;  // in block.records
    std::shared_ptr<const Pending> pending;
  };
  struct Added {
    cep::Partition id;
    bool at_start;
    uint64_t next_offset;
    bool is_replaced;
  };
  // Records of streams with one header.
  struct HeaderCodec {
    std::unique_ptr<Codec> codec;  // null where there is none, and `why` says so
    std::string why;
  };

  bool Pop(size_t partition);
  void Update(size_t partition);
  HeaderCodec* CodecOf(const StreamHeader& header);
  HeaderCodec MakeHeaderCodec(const std::string& header) const;
  size_t Decode(Codec* codec, size_t count, bool sets_renderers, cep::Batch* batch);
  void SetTimes(const State& state, uint32_t first_row, cep::Batch* batch) const;

  QueuedSourceOptions options_;
  RecordSourceLog* log_;
  Wakeup* wakeup_ = nullptr;
  std::deque<State> states_;
  std::vector<cep::LivePartition> live_;  // by index in states_
  bool has_started_ = false;
  bool has_ended_ = false;
  std::vector<RawRecord> records_;
  std::vector<int64_t> append_times_;
  std::map<std::string, HeaderCodec> header_codecs_;  // by header
  // Before the last SetCodec(): whose rows are whose.
  std::map<const cep::RecordRenderer*, std::string> former_headers_;

  std::mutex mutex_;
  std::deque<Queue> queues_;  // guarded by mutex_
  std::vector<Added> added_;  // guarded by mutex_
  size_t bytes_ = 0;          // guarded by mutex_
  bool is_set_up_ = false;    // guarded by mutex_
  bool is_over_ = false;      // guarded by mutex_
  Status failure_;            // guarded by mutex_
};

}  // namespace vigil::ingest
