#include "alerts/sink_kafka_exact.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

#include <absl/strings/str_cat.h>

#include "alerts/kafka_record.h"

namespace vigil::alerts {
namespace {

constexpr int kPollMs = 50;
constexpr int kCallMs = 2'000;   // of one attempt
constexpr int kPurgeMs = 1'000;  // to report what is taken back
constexpr int kRequestMs = 5'000;
constexpr std::string_view kSkipMark = " skip";
constexpr int64_t kLastRecords = 200;  // of each partition that are looked at for a lost cursor

const io::KafkaProperties& Defaults() {
  static const io::KafkaProperties kDefaults = {
      {"client.id", "vigil"},
      {"linger.ms", "5"},
      {"compression.codec", "lz4"},
      {"partitioner", "murmur2_random"},  // as Java's producers: equal keys meet
      {"transaction.timeout.ms", "60000"},
      {"retry.backoff.ms", "10"},  // an offset that waits for a transaction costs a whole one
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "2000"},
      {"allow.auto.create.topics", "false"},
      {"socket.keepalive.enable", "true"},
  };
  return kDefaults;
}

// How to get to the brokers; all else is a producer's.
io::KafkaProperties AccessOf(const io::KafkaProperties& properties) {
  io::KafkaProperties access;
  for (const auto& [name, value] : properties) {
    if (io::IsKafkaAccess(name)) access.emplace(name, value);
  }
  return access;
}

bool IsFencing(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

std::string HexOf(uint64_t number) { return absl::StrCat(absl::Hex(number, absl::kZeroPad16)); }

template <typename T>
bool ParseNumber(std::string_view text, int base, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Empty where it has none of this name.
std::string_view HeaderOf(const rd_kafka_message_t& message, const char* name) {
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {};
  }
  return {static_cast<const char*>(value), size};
}

// The cursor behind the record, by its headers.
std::optional<TargetCursor> CursorBehind(const rd_kafka_message_t& message) {
  TargetCursor cursor;
  if (!ParseNumber(HeaderOf(message, "vigil-boot"), 16, &cursor.boot) ||
      !ParseNumber(HeaderOf(message, "vigil-seq"), 10, &cursor.sequence)) {
    return {};
  }
  ++cursor.sequence;
  return cursor;
}

}  // namespace

StatusOr<std::unique_ptr<ExactKafkaSink>> ExactKafkaSink::Create(ExactKafkaSinkOptions options) {
  std::unique_ptr<ExactKafkaSink> sink(new ExactKafkaSink(std::move(options)));
  RETURN_IF_ERROR(sink->OpenClients());
  return sink;
}

ExactKafkaSink::~ExactKafkaSink() { Close(absl::OkStatus()).IgnoreError(); }

Status ExactKafkaSink::OpenClients() {
  const io::KafkaProperties forced = {{"bootstrap.servers", options_.brokers},
                                      {"transactional.id", options_.name}};
  ASSIGN_OR_RETURN(producer_, io::MakeKafkaClient(RD_KAFKA_PRODUCER, Defaults(),
                                                  options_.properties, forced, this));
  const io::KafkaProperties group = {{"bootstrap.servers", options_.brokers},
                                     {"group.id", options_.name},
                                     {"enable.auto.commit", "false"},
                                     {"enable.partition.eof", "true"},
                                     {"allow.auto.create.topics", "false"}};
  ASSIGN_OR_RETURN(consumer_, io::MakeKafkaClient(RD_KAFKA_CONSUMER, {{"client.id", "vigil"}},
                                                  AccessOf(options_.properties), group, this));
  under_way_ = 0;
  failure_ = absl::OkStatus();
  return absl::OkStatus();
}

// Without a producer the next call is to be Open().
Status ExactKafkaSink::Close(Status status) {
  if (producer_ != nullptr) {
    rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(producer_.get(), kPurgeMs);
  }
  producer_.reset();
  consumer_.reset();
  under_way_ = 0;
  if (is_fenced_) {
    return absl::AbortedError("sink " + options_.name +
                              ": another instance has taken over its transactional id");
  }
  return status;
}

void ExactKafkaSink::OnLog(int level, std::string_view text) {
  options_.log(level, "topic " + options_.topic + ": " + std::string(text));
}

void ExactKafkaSink::OnError(rd_kafka_resp_err_t error, std::string_view text) {
  if (producer_ != nullptr && error == RD_KAFKA_RESP_ERR__FATAL) {
    char ignored[8];
    if (IsFencing(rd_kafka_fatal_error(producer_.get(), ignored, sizeof ignored))) {
      is_fenced_ = true;
    }
  }
  options_.log(
      4, "topic " + options_.topic + ": " + rd_kafka_err2name(error) + ": " + std::string(text));
}

void ExactKafkaSink::OnDelivery(const rd_kafka_message_t& message) {
  --under_way_;
  auto* record = static_cast<Outgoing*>(message._private);
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  if (IsFencing(message.err)) is_fenced_ = true;
  if (IsRefusedForGood(message.err)) {
    record->refusal = rd_kafka_err2str(message.err);
    has_refusals_ = true;
  } else if (failure_.ok()) {
    failure_ = io::KafkaStatus(message.err, "topic " + options_.topic);
  }
}

Status ExactKafkaSink::Retry(const char* what, const std::atomic<bool>& is_giving_up,
                             const std::function<rd_kafka_error_t*()>& call) {
  while (true) {
    const io::KafkaPtr<rd_kafka_error_t> error(call());
    if (error == nullptr) return absl::OkStatus();
    if (IsFencing(rd_kafka_error_code(error.get()))) is_fenced_ = true;
    const bool may_repeat = rd_kafka_error_is_retriable(error.get()) != 0 && !is_fenced_ &&
                            rd_kafka_error_is_fatal(error.get()) == 0;
    if (may_repeat && !is_giving_up) continue;
    return absl::UnavailableError(absl::StrCat("topic ", options_.topic, ": ", what, ": ",
                                               rd_kafka_error_string(error.get())));
  }
}

StatusOr<std::optional<TargetCursor>> ExactKafkaSink::Open(const std::atomic<bool>& is_giving_up) {
  Close(absl::OkStatus()).IgnoreError();
  if (is_fenced_) return Close(absl::OkStatus());
  RETURN_IF_ERROR(OpenClients());
  const Status status = Retry("init_transactions", is_giving_up, [this] {
    return rd_kafka_init_transactions(producer_.get(), kCallMs);
  });
  if (!status.ok()) return Close(status);
  StatusOr<std::optional<TargetCursor>> cursor = ReadCursor();
  if (!cursor.ok()) return Close(cursor.status());
  return cursor;
}

StatusOr<std::optional<TargetCursor>> ExactKafkaSink::ReadCursor() {
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_t* at =
      rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), 0);
  RETURN_IF_ERROR(io::KafkaStatus(rd_kafka_committed(consumer_.get(), list.get(), kRequestMs),
                                  "cursor of sink " + options_.name));
  RETURN_IF_ERROR(io::KafkaStatus(at->err, "cursor of sink " + options_.name));
  if (at->offset < 0) return std::optional<TargetCursor>();
  TargetCursor cursor;
  cursor.sequence = static_cast<uint64_t>(at->offset);
  std::string_view metadata(static_cast<const char*>(at->metadata), at->metadata_size);
  cursor.skips = metadata.size() > kSkipMark.size() &&
                 metadata.substr(metadata.size() - kSkipMark.size()) == kSkipMark;
  if (cursor.skips) metadata.remove_suffix(kSkipMark.size());
  if (!ParseNumber(metadata, 16, &cursor.boot)) {
    return absl::FailedPreconditionError(
        "sink " + options_.name + ": the group of its name has a committed offset for topic " +
        options_.topic + " that is no cursor of ours (metadata `" + std::string(metadata) + "`)");
  }
  return std::optional<TargetCursor>(cursor);
}

Status ExactKafkaSink::Produce(Outgoing* record, const std::atomic<bool>& is_giving_up) {
  while (true) {
    const rd_kafka_resp_err_t error =
        ProduceRecord(producer_.get(), options_.topic, record->boot, record);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++under_way_;
      return absl::OkStatus();
    }
    if (IsRefusedForGood(error)) {
      record->refusal = rd_kafka_err2str(error);
      has_refusals_ = true;
      return absl::OkStatus();
    }
    if (IsFencing(error)) is_fenced_ = true;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      return io::KafkaStatus(error, "topic " + options_.topic);
    }
    if (is_giving_up) return absl::CancelledError("giving up");
    rd_kafka_poll(producer_.get(), kPollMs);
  }
}

Status ExactKafkaSink::ProduceAll(std::vector<Outgoing>* records,
                                  const std::atomic<bool>& is_giving_up) {
  for (Outgoing& record : *records) {
    if (record.refusal.empty()) RETURN_IF_ERROR(Produce(&record, is_giving_up));
  }
  while (under_way_ > 0) {
    if (is_giving_up) return absl::CancelledError("giving up");
    if (is_fenced_ || !failure_.ok()) break;
    rd_kafka_poll(producer_.get(), kPollMs);
  }
  return failure_;
}

Status ExactKafkaSink::SendCursor(const TargetCursor& after,
                                  const std::atomic<bool>& is_giving_up) {
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_t* at =
      rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), 0);
  at->offset = static_cast<int64_t>(after.sequence);
  std::string boot = HexOf(after.boot);
  if (after.skips) boot.append(kSkipMark);
  at->metadata = strdup(boot.c_str());  // the list frees it
  at->metadata_size = boot.size();
  struct Destroy {
    void operator()(rd_kafka_consumer_group_metadata_t* p) const {
      rd_kafka_consumer_group_metadata_destroy(p);
    }
  };
  const std::unique_ptr<rd_kafka_consumer_group_metadata_t, Destroy> group(
      rd_kafka_consumer_group_metadata(consumer_.get()));
  return Retry("send_offsets", is_giving_up, [&] {
    return rd_kafka_send_offsets_to_transaction(producer_.get(), list.get(), group.get(), kCallMs);
  });
}

Status ExactKafkaSink::Deliver(std::vector<Outgoing>* records, const TargetCursor& after,
                               const std::atomic<bool>& is_giving_up) {
  if (producer_ == nullptr) return absl::FailedPreconditionError("sink is to be opened first");
  failure_ = absl::OkStatus();
  has_refusals_ = false;
  const io::KafkaPtr<rd_kafka_error_t> begun(rd_kafka_begin_transaction(producer_.get()));
  if (begun != nullptr) {
    if (IsFencing(rd_kafka_error_code(begun.get()))) is_fenced_ = true;
    return Close(absl::UnavailableError(
        absl::StrCat("topic ", options_.topic, ": begin: ", rd_kafka_error_string(begun.get()))));
  }
  Status status = records == nullptr ? absl::OkStatus() : ProduceAll(records, is_giving_up);
  if (status.ok() && !has_refusals_) status = SendCursor(after, is_giving_up);
  if (status.ok() && has_refusals_) {
    // Reports point to the records: all have come.
    status = Retry("abort_transaction", is_giving_up,
                   [this] { return rd_kafka_abort_transaction(producer_.get(), kCallMs); });
    if (status.ok()) {
      return absl::InvalidArgumentError("topic " + options_.topic + " refuses records for good");
    }
  } else if (status.ok()) {
    status = Retry("commit_transaction", is_giving_up,
                   [this] { return rd_kafka_commit_transaction(producer_.get(), kCallMs); });
    if (status.ok()) {
      if (records == nullptr) return absl::OkStatus();
      for (Outgoing& record : *records) record.is_delivered = record.refusal.empty();
      return absl::OkStatus();
    }
  }
  return Close(status);
}

Status ExactKafkaSink::ReadTopic(int64_t count, const std::atomic<bool>& is_giving_up,
                                 const std::function<void(const rd_kafka_message_t&)>& use) {
  const io::KafkaPtr<rd_kafka_topic_t> topic(
      rd_kafka_topic_new(producer_.get(), options_.topic.c_str(), nullptr));
  const rd_kafka_metadata_t* raw = nullptr;
  RETURN_IF_ERROR(io::KafkaStatus(
      rd_kafka_metadata(producer_.get(), 0, topic.get(), &raw, kRequestMs), "metadata"));
  const io::KafkaPtr<const rd_kafka_metadata_t> metadata(raw);
  rd_kafka_poll_set_consumer(consumer_.get());
  const int partitions = metadata->topic_cnt > 0 ? metadata->topics[0].partition_cnt : 0;
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(partitions));
  for (int p = 0; p < partitions; ++p) {
    int64_t low = 0;
    int64_t high = 0;
    RETURN_IF_ERROR(
        io::KafkaStatus(rd_kafka_query_watermark_offsets(consumer_.get(), options_.topic.c_str(), p,
                                                         &low, &high, kRequestMs),
                        "offsets of " + options_.topic));
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), p)->offset =
        high - low > count ? high - count : low;
  }
  RETURN_IF_ERROR(io::KafkaStatus(rd_kafka_assign(consumer_.get(), list.get()), "assign"));
  for (int ended = 0; ended < partitions;) {
    if (is_giving_up) return absl::CancelledError("giving up");
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_.get(), kPollMs);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ++ended;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) use(*message);
    rd_kafka_message_destroy(message);
  }
  return io::KafkaStatus(rd_kafka_assign(consumer_.get(), nullptr), "assign");
}

// Each record names its place in the outbox, which a sink's records pass in order, so the highest
// is the last.
StatusOr<std::optional<TargetCursor>> ExactKafkaSink::FindLast(
    const std::atomic<bool>& is_giving_up) {
  std::optional<TargetCursor> last;
  RETURN_IF_ERROR(ReadTopic(kLastRecords, is_giving_up, [&](const rd_kafka_message_t& message) {
    const std::optional<TargetCursor> cursor = CursorBehind(message);
    if (cursor && (!last || cursor->sequence > last->sequence)) last = cursor;
  }));
  return last;
}

StatusOr<std::set<std::string>> ExactKafkaSink::FindIds(
    const std::function<bool(const TargetCursor& at)>& wanted,
    const std::atomic<bool>& is_giving_up) {
  std::set<std::string> ids;
  RETURN_IF_ERROR(ReadTopic(std::numeric_limits<int64_t>::max(), is_giving_up,
                            [&](const rd_kafka_message_t& message) {
                              const std::optional<TargetCursor> cursor = CursorBehind(message);
                              if (!cursor || !wanted(*cursor)) return;
                              std::string id(HeaderOf(message, "vigil-id"));
                              if (!id.empty()) ids.insert(std::move(id));
                            }));
  return ids;
}

}  // namespace vigil::alerts
