// Topics of Kafka as a live source.
//
// Partitions are assigned, never subscribed: state of keys cannot follow a rebalance. The consumer
// group only publishes offsets. Each partition keeps librdkafka's own queue, taken off the common
// one, so that what is not read stays there undecoded, and librdkafka stops fetching for a
// partition whose queue has reached `queued.max.messages.kbytes`; pausing would throw the queue
// away and fetch it again. A record's bytes are copied once into a chunk when it is decoded:
// librdkafka's buffers hold whole fetches, which waiting rows would pin, and have no padding.
//
// One thread of its own looks for partitions, at the start and every
// `topic.metadata.refresh.interval.ms` (10 s): those calls wait for brokers. A lost broker is
// retried for ever (librdkafka's back-off) and never an error here.
// Tests: tests/integration/run_test.cc, against a real broker.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cep/base/clock.h"
#include "ingest/chunk_pool.h"
#include "ingest/record_source.h"
#include "io/kafka_client.h"

namespace vigil::ingest {

// Where a partition begins that is there at the start. One that is found later is read from its
// beginning.
struct KafkaStart {
  enum class Kind : uint8_t { kEarliest, kLatest, kCommitted, kTimestamp };
  Kind kind = Kind::kEarliest;
  int64_t timestamp_ms = 0;  // kTimestamp: the first record at or after it
};

enum class KafkaEventTime : uint8_t {
  kRecord,    // the codec reads it from the record
  kKafka,     // the Kafka record's timestamp
  kWallClock  // when it is read
};

// The field under which conditions read what Kafka knows of a record: `kafka.key`,
// `kafka.headers`, `kafka.timestamp`, `kafka.topic`, `kafka.partition`, `kafka.offset`.
inline constexpr std::string_view kKafkaField = "kafka";

struct KafkaSourceOptions {
  std::string name;  // of the source
  std::string brokers;
  std::string group;                // publishes offsets
  std::vector<std::string> topics;  // one that begins with `^` is a pattern (RE2)
  KafkaStart start;
  bool stop_at_end = false;
  io::KafkaProperties properties;
  KafkaEventTime event_time = KafkaEventTime::kRecord;
  std::shared_ptr<const cep::Layout> layout;
  // Made by the caller for the source's formats. A record that must wait for a schema keeps its
  // partition waiting, no other.
  std::unique_ptr<Codec> codec;
  const Clock* clock = nullptr;  // borrowed
};

// Thread safety: as LiveSource; its threads are its own.
class KafkaSource : public RecordSource, private io::KafkaEvents {
 public:
  // Errors: INVALID_ARGUMENT for a property or a pattern that is not valid.
  static StatusOr<std::unique_ptr<KafkaSource>> Create(KafkaSourceOptions options,
                                                       RecordSourceLog* log);
  ~KafkaSource() override;

  bool can_seek() const override { return true; }
  void Resume(std::vector<cep::ResumeFrom> partitions, bool accepts_loss) override;
  Status Start(Wakeup* wakeup) override;
  Status Serve() override;
  bool has_started() const override { return has_started_; }
  bool has_ended() const override;
  const std::vector<cep::LivePartition>& partitions() const override { return live_; }
  size_t Read(size_t partition, size_t max, cep::Batch* batch) override;
  const std::vector<int64_t>& append_times() const override { return append_times_; }
  void DecodeAgain(const cep::Batch& from, const uint32_t* rows, size_t count,
                   cep::Batch* to) override;
  void Publish(const std::vector<uint64_t>& next_offsets) override;
  std::vector<std::unique_ptr<Codec>> SetCodec(SourceCodec codec) override;

 private:
  static constexpr size_t kFetch = 512;  // messages taken from a queue at once

  struct PartitionState {
    cep::Partition id;
    KafkaSource* source = nullptr;
    io::KafkaPtr<rd_kafka_queue_t> queue;
    std::atomic<bool> has_news = false;  // the queue may hold something; set by librdkafka's thread
    std::vector<rd_kafka_message_t*> messages;  // taken from the queue, not read yet
    size_t next = 0;                            // in `messages`
    int64_t start = 0;                          // an offset or one of librdkafka's logical ones
    int64_t stop = -1;                          // -1: none
    int64_t next_offset = 0;
    int64_t published = -1;
    std::shared_ptr<const Pending> pending;  // what its next record waits for
    bool is_deleted = false;                 // its next record was, and that is being looked up
  };
  // A partition that the discovering thread has found.
  struct Found {
    std::string topic;
    int32_t number = 0;
    bool at_start = false;
    int64_t start = 0;
    int64_t stop = -1;
    bool is_replaced = false;
  };
  // A partition whose next record was deleted, and what its broker holds, once that is known.
  struct Deleted {
    size_t partition = 0;
    std::string topic;
    int32_t number = 0;
    int64_t oldest = 0;
    int64_t end = 0;
  };
  struct TopicPattern;

  KafkaSource(KafkaSourceOptions options, RecordSourceLog* log);

  // io::KafkaEvents
  void OnLog(int level, std::string_view text) override;
  void OnError(rd_kafka_resp_err_t error, std::string_view text) override;
  void OnStatistics(std::string_view json) override;

  // On the discovering thread.
  void Discover();
  bool Look(bool at_start);
  StatusOr<std::vector<Found>> FindNew();
  StatusOr<std::vector<std::pair<std::string, int>>> ListTopics();
  Status Resolve(std::vector<Found>* found, bool at_start);
  Status ResolveResumed(std::vector<Found>* found);
  Status ResolveStart(Found* found);
  bool Sleep(int64_t ms);
  bool FindOldest();

  void AddFound();
  Status GoOnWithOldest();
  void Assign(PartitionState* state, int64_t offset);
  static void DropMessages(PartitionState* state);
  void Refill(PartitionState* state, cep::LivePartition* live);
  void NoteError(const rd_kafka_message_t& message, PartitionState* state,
                 cep::LivePartition* live);
  size_t Decode(const rd_kafka_message_t* const* messages, size_t count, PartitionState* state,
                cep::Batch* batch);
  void NotePending(PartitionState* state);
  void Say(int level, const std::string& text, const PartitionState* about = nullptr);
  std::string_view Copy(const rd_kafka_message_t& message, cep::Batch* batch);
  void SetKafkaField(const rd_kafka_message_t& message, uint32_t row, cep::Batch* batch);
  void MarkEnd(PartitionState* state, cep::LivePartition* live);
  void UpdateRows(PartitionState* state, cep::LivePartition* live);
  static void OnQueueNews(rd_kafka_t* client, void* opaque);

  KafkaSourceOptions options_;
  RecordSourceLog* log_;
  std::vector<std::unique_ptr<TopicPattern>> patterns_;
  int64_t discovery_ms_ = 10'000;
  int kafka_slot_ = -1;
  io::KafkaPtr<rd_kafka_t> client_;
  Wakeup* wakeup_ = nullptr;
  std::deque<PartitionState> states_;
  std::vector<cep::LivePartition> live_;  // by index in states_
  bool has_started_ = false;
  ChunkPool chunks_;
  std::shared_ptr<cep::Chunk> chunk_;
  std::vector<RawRecord> records_;
  std::vector<int64_t> append_times_;
  int64_t last_poll_all_ms_ = 0;

  bool is_resumed_ = false;  // set before the discovering thread starts, as the following
  bool accepts_loss_ = false;
  std::vector<cep::ResumeFrom> resumed_;

  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable stop_condition_;
  bool is_stopping_ = false;                            // guarded by mutex_
  std::vector<Found> found_;                            // guarded by mutex_
  std::vector<Deleted> deleted_;                        // guarded by mutex_; to be looked up
  std::vector<Deleted> looked_up_;                      // guarded by mutex_
  bool is_first_look_done_ = false;                     // guarded by mutex_
  Status failure_;                                      // guarded by mutex_
  std::vector<std::pair<std::string, int32_t>> known_;  // the discovering thread's, in order
};

}  // namespace vigil::ingest
