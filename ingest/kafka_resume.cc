#include "ingest/kafka_resume.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

namespace vigil::ingest {
namespace {

using cep::ResumeFrom;

constexpr std::chrono::seconds kMarksLimit{20};

class NoEvents : public io::KafkaEvents {
 public:
  void OnLog(int, std::string_view) override {}
  void OnError(rd_kafka_resp_err_t, std::string_view) override {}
};

std::string PlaceOf(const KafkaResumeOptions& options, const ResumeFrom& partition) {
  return absl::StrCat(options.source, "/", partition.topic, "/", partition.number);
}

// Reads the record at each partition's mark, and notes for which another one is there or the
// partition ends before it.
class MarkReader {
 public:
  MarkReader(const KafkaResumeOptions& options, const std::vector<ResumeFrom>& partitions)
      : options_(options), partitions_(partitions), is_done_(partitions.size()) {}

  StatusOr<std::vector<bool>> Run() {
    io::KafkaProperties properties = options_.properties;
    properties["queued.min.messages"] = "1";
    properties["queued.max.messages.kbytes"] = "64";
    properties["fetch.message.max.bytes"] = "65536";
    NoEvents events;
    ASSIGN_OR_RETURN(const io::KafkaPtr<rd_kafka_t> client,
                     io::MakeKafkaClient(RD_KAFKA_CONSUMER, options_.defaults, properties,
                                         options_.forced, &events));
    rd_kafka_poll_set_consumer(client.get());
    const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(
        rd_kafka_topic_partition_list_new(static_cast<int>(partitions_.size())));
    for (size_t i = 0; i < partitions_.size(); ++i) {
      is_done_[i] = !partitions_[i].last.is_known;
      if (is_done_[i]) continue;
      ++left_;
      rd_kafka_topic_partition_list_add(list.get(), partitions_[i].topic.c_str(),
                                        static_cast<int32_t>(partitions_[i].number))
          ->offset = static_cast<int64_t>(partitions_[i].last.offset);
    }
    std::vector<bool> differs(partitions_.size());
    RETURN_IF_ERROR(io::KafkaStatus(rd_kafka_assign(client.get(), list.get()), "assign"));
    const auto end = std::chrono::steady_clock::now() + kMarksLimit;
    while (left_ > 0) {
      if (options_.is_stopping() || std::chrono::steady_clock::now() > end) {
        return absl::UnavailableError("brokers did not give the last records that were read");
      }
      rd_kafka_message_t* message = rd_kafka_consumer_poll(client.get(), 100);
      if (message == nullptr) continue;
      Take(*message, &differs);
      rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(client.get());
    return differs;
  }

 private:
  void Take(const rd_kafka_message_t& message, std::vector<bool>* differs) {
    if (message.rkt == nullptr) return;
    const std::string topic = rd_kafka_topic_name(message.rkt);
    for (size_t i = 0; i < partitions_.size(); ++i) {
      const ResumeFrom& partition = partitions_[i];
      if (is_done_[i] || partition.topic != topic ||
          static_cast<int32_t>(partition.number) != message.partition) {
        continue;
      }
      const auto at = static_cast<int64_t>(partition.last.offset);
      if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        (*differs)[i] = message.offset <= at;
      } else if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        // One that is not there any more says nothing.
        (*differs)[i] =
            message.offset == at && FingerprintOf(message) != partition.last.fingerprint;
      } else if (message.err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        return;  // tried again by the client
      }
      is_done_[i] = true;
      --left_;
    }
  }

  const KafkaResumeOptions& options_;
  const std::vector<ResumeFrom>& partitions_;
  std::vector<bool> is_done_;
  size_t left_ = 0;
};

}  // namespace

Hash128 FingerprintOf(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type;
  std::string bytes = absl::StrCat(rd_kafka_message_timestamp(&message, &type), " ",
                                   message.key == nullptr ? -1 : int64_t(message.key_len), " ");
  bytes.append(static_cast<const char*>(message.key), message.key == nullptr ? 0 : message.key_len);
  bytes.append(static_cast<const char*>(message.payload),
               message.payload == nullptr ? 0 : message.len);
  return HashBytes128(bytes);
}

Status CheckResume(rd_kafka_t* client, const KafkaResumeOptions& options,
                   std::vector<ResumeFrom>* partitions, std::vector<bool>* replaced) {
  replaced->assign(partitions->size(), false);
  ASSIGN_OR_RETURN(const std::vector<bool> differs, MarkReader(options, *partitions).Run());
  std::vector<std::string> lost;
  for (size_t i = 0; i < partitions->size(); ++i) {
    ResumeFrom& partition = (*partitions)[i];
    int64_t low = 0;
    int64_t high = 0;
    const std::string place = PlaceOf(options, partition);
    RETURN_IF_ERROR(
        io::KafkaStatus(rd_kafka_query_watermark_offsets(client, partition.topic.c_str(),
                                                         static_cast<int32_t>(partition.number),
                                                         &low, &high, options.request_ms),
                        "offsets of " + place));
    const auto from = static_cast<int64_t>(partition.from);
    const auto next = static_cast<int64_t>(partition.next_offset);
    const bool is_untouched = next == 0 && !partition.last.is_known;
    if (differs[i] || next > high) {
      (*replaced)[i] = true;
      lost.push_back(
          absl::StrCat(place, ": it is not the partition that was read up to offset ", next,
                       differs[i] ? ", another record is at offset " : ", it ends before that, at ",
                       differs[i] ? static_cast<int64_t>(partition.last.offset) : high));
    } else if (from < low && !is_untouched) {
      lost.push_back(absl::StrCat(place, ": records from offset ", from, " to ", low - 1,
                                  " were deleted before they were processed"));
    } else {
      if (is_untouched) partition.from = static_cast<uint64_t>(std::max(from, low));
      continue;
    }
    partition.from = static_cast<uint64_t>(low);
  }
  if (lost.empty()) return absl::OkStatus();
  const std::string text = absl::StrJoin(lost, "; ");
  if (!options.accepts_loss) {
    return absl::FailedPreconditionError(
        text + "; --accept-loss counts what waited there as lost and goes on");
  }
  options.warn(text + "; accepted as lost");
  return absl::OkStatus();
}

}  // namespace vigil::ingest
