#include "alerts/sink_kafka.h"

#include <utility>

#include "alerts/kafka_record.h"

namespace vigil::alerts {
namespace {

constexpr int kPollMs = 50;
// How long a run that gives up waits for reports of what it takes back.
constexpr int kPurgeMs = 1'000;

const io::KafkaProperties& Defaults() {
  static const io::KafkaProperties kDefaults = {
      {"client.id", "vigil"},
      {"linger.ms", "5"},
      {"compression.codec", "lz4"},
      {"partitioner", "murmur2_random"},  // as Java's producers: equal keys meet
      {"message.timeout.ms", "0"},        // a broker that is away is waited for
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "2000"},
      {"retry.backoff.ms", "100"},
      {"allow.auto.create.topics", "false"},
      {"socket.keepalive.enable", "true"},
  };
  return kDefaults;
}

}  // namespace

StatusOr<std::unique_ptr<KafkaSink>> KafkaSink::Create(KafkaSinkOptions options) {
  std::unique_ptr<KafkaSink> sink(new KafkaSink(std::move(options)));
  RETURN_IF_ERROR(sink->OpenProducer());
  return sink;
}

KafkaSink::~KafkaSink() {
  if (producer_ != nullptr) GiveUp();
}

Status KafkaSink::OpenProducer() {
  const io::KafkaProperties forced = {{"bootstrap.servers", options_.brokers},
                                      {"enable.idempotence", "true"}};
  ASSIGN_OR_RETURN(producer_, io::MakeKafkaClient(RD_KAFKA_PRODUCER, Defaults(),
                                                  options_.properties, forced, this));
  is_fatal_ = false;
  under_way_ = 0;
  return absl::OkStatus();
}

void KafkaSink::OnLog(int level, std::string_view text) {
  options_.log(level, "topic " + options_.topic + ": " + std::string(text));
}

void KafkaSink::OnError(rd_kafka_resp_err_t error, std::string_view text) {
  if (error == RD_KAFKA_RESP_ERR__FATAL) is_fatal_ = true;
  options_.log(
      4, "topic " + options_.topic + ": " + rd_kafka_err2name(error) + ": " + std::string(text));
}

void KafkaSink::OnDelivery(const rd_kafka_message_t& message) {
  --under_way_;
  auto* record = static_cast<Outgoing*>(message._private);
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    record->is_delivered = true;
  } else if (IsRefusedForGood(message.err)) {
    ++refused_;
    record->is_delivered = true;
    options_.log(3, "topic " + options_.topic + " refuses record " + record->id + " of " +
                        std::to_string(record->line.size()) +
                        " bytes: " + rd_kafka_err2str(message.err));
  } else if (failure_.ok()) {
    failure_ = io::KafkaStatus(message.err, "topic " + options_.topic);
  }
}

Status KafkaSink::Produce(Outgoing* record, const std::atomic<bool>& is_giving_up) {
  while (true) {
    const rd_kafka_resp_err_t error =
        ProduceRecord(producer_.get(), options_.topic, options_.boot, record);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++under_way_;
      return absl::OkStatus();
    }
    if (IsRefusedForGood(error)) {
      ++under_way_;
      rd_kafka_message_t refused{};
      refused.err = error;
      refused._private = record;
      OnDelivery(refused);
      return absl::OkStatus();
    }
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      return io::KafkaStatus(error, "topic " + options_.topic);
    }
    if (is_giving_up) return absl::CancelledError("giving up");
    rd_kafka_poll(producer_.get(), kPollMs);
  }
}

Status KafkaSink::Write(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up) {
  if (producer_ == nullptr) RETURN_IF_ERROR(OpenProducer());
  failure_ = absl::OkStatus();
  Status status;
  for (Outgoing& record : *records) {
    if (record.is_delivered) continue;
    status = Produce(&record, is_giving_up);
    if (!status.ok()) break;
  }
  // Every message must be reported before the records may go: reports point to them.
  while (under_way_ > 0 && !is_giving_up && !is_fatal_) rd_kafka_poll(producer_.get(), kPollMs);
  if (under_way_ > 0 || is_fatal_) {
    GiveUp();
    if (status.ok())
      status = absl::UnavailableError("the producer of topic " + options_.topic +
                                      " failed for good and is replaced");
  }
  return status.ok() ? failure_ : status;
}

// Takes back what is not delivered and closes the producer; the next Write() opens another one.
void KafkaSink::GiveUp() {
  rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(producer_.get(), kPurgeMs);
  producer_.reset();
  under_way_ = 0;
}

Status KafkaSink::Idle() {
  if (producer_ != nullptr) rd_kafka_poll(producer_.get(), 0);
  return absl::OkStatus();
}

}  // namespace vigil::alerts
