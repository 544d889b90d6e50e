#include "daemon/rule_topic.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <absl/strings/str_cat.h>

#include "alerts/utf8.h"
#include "rules/rule_edit.h"
#include "rules/yaml_reader.h"

namespace vigil::daemon {
namespace {

constexpr int kPollMs = 100;
constexpr int kMetadataMs = 2'000;

}  // namespace

Status RuleTable::Take(std::string_view key, std::optional<std::string_view> value) {
  if (key.empty() || key.size() > kMaxTopicKeyBytes || !alerts::IsUtf8(key)) {
    return absl::InvalidArgumentError("its key names no rule file: 1 to 512 bytes of UTF-8");
  }
  const std::string name(key);
  if (const auto old = files_.find(name); old != files_.end()) {
    bytes_ -= old->second.text.size();
    files_.erase(old);
  }
  if (!value) return absl::OkStatus();
  if (files_.size() >= kMaxTopicFiles) {
    has_too_many_ = true;  // not even its name is kept
    return absl::OkStatus();
  }
  Kept kept;
  kept.is_too_much =
      value->size() > rules::kMaxFileBytes || bytes_ + value->size() > kMaxTopicBytes;
  if (!kept.is_too_much) kept.text = std::string(*value);
  bytes_ += kept.text.size();
  files_.emplace(name, std::move(kept));
  return absl::OkStatus();
}

rules::RuleTexts RuleTable::Texts() const {
  rules::RuleTexts texts;
  rules::Reporter reporter;
  for (const auto& [name, kept] : files_) {
    if (kept.is_too_much) {
      reporter.ReportFile(rules::Code::kCannotRead, name,
                          "the message is longer than 16 MiB, or the topic held more than 64 MiB",
                          "produce it again, or a tombstone of its key");
      continue;
    }
    rules::NamedText file{name, kept.text};
    // One rule stands for a file with nothing else.
    if (rules::RuleIds(file).empty()) {
      const StatusOr<rules::EditedFile> alone = rules::NewRuleFile(name, kept.text);
      if (alone.ok()) file.text = alone->text;
    }
    texts.texts.push_back(std::move(file));
  }
  if (has_too_many_) {
    reporter.ReportFile(rules::Code::kCannotRead, "the topic",
                        "it held more than 100,000 files: some are missing here",
                        "start again when it holds fewer");
  }
  texts.diagnostics = reporter.Take();
  return texts;
}

StatusOr<std::unique_ptr<RuleTopic>> RuleTopic::Create(const RuleTopicOptions& options, Log* log) {
  std::unique_ptr<RuleTopic> topic(new RuleTopic(options, log));
  ASSIGN_OR_RETURN(topic->client_, io::MakeKafkaClient(RD_KAFKA_CONSUMER,
                                                       {{"bootstrap.servers", options.brokers},
                                                        {"group.id", options.group},
                                                        {"auto.offset.reset", "earliest"},
                                                        {"fetch.wait.max.ms", "100"}},
                                                       options.properties,
                                                       {{"enable.auto.commit", "false"},
                                                        {"enable.partition.eof", "true"}},
                                                       topic.get()));
  rd_kafka_poll_set_consumer(topic->client_.get());
  return topic;
}

RuleTopic::~RuleTopic() {
  is_stopping_ = true;
  Wake();
  if (thread_.joinable()) thread_.join();
  if (client_ != nullptr) rd_kafka_consumer_close(client_.get());
}

void RuleTopic::OnLog(int syslog_level, std::string_view text) {
  log_->WriteSyslog(syslog_level, text, {{"topic", options_.topic}});
}

void RuleTopic::OnError(rd_kafka_resp_err_t /*error*/, std::string_view text) {
  log_->Warn("rules: the broker fails, trying again",
             {{"topic", options_.topic}, {"error", std::string(text)}});
}

StatusOr<int> RuleTopic::FindPartitions() {
  const io::KafkaPtr<rd_kafka_topic_t> handle(
      rd_kafka_topic_new(client_.get(), options_.topic.c_str(), nullptr));
  const rd_kafka_metadata_t* found = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(client_.get(), 0, handle.get(), &found, kMetadataMs);
  RETURN_IF_ERROR(io::KafkaStatus(error, options_.topic));
  const io::KafkaPtr<const rd_kafka_metadata_t> owned(found);
  for (int i = 0; i < found->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = found->topics[i];
    RETURN_IF_ERROR(io::KafkaStatus(topic.err, options_.topic));
    if (topic.partition_cnt > 0) return topic.partition_cnt;
  }
  return absl::NotFoundError(options_.topic + ": it has no partitions yet");
}

Status RuleTopic::Assign(int partitions) {
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(partitions));
  for (int p = 0; p < partitions; ++p) {
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), p)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    at_end_[p] = false;
  }
  return io::KafkaStatus(rd_kafka_assign(client_.get(), list.get()), options_.topic);
}

Status RuleTopic::ReadToEnd(const std::function<bool()>& is_cancelled) {
  const Status cancelled = absl::CancelledError("stopped while the rules were read");
  bool has_said = false;
  StatusOr<int> partitions = absl::UnavailableError("");
  while (!partitions.ok()) {
    if (is_cancelled()) return cancelled;
    partitions = FindPartitions();
    if (partitions.ok()) break;
    if (!std::exchange(has_said, true)) {
      log_->Warn(
          "waiting for the topic of rules",
          {{"topic", options_.topic}, {"error", std::string(partitions.status().message())}});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
  }
  RETURN_IF_ERROR(Assign(*partitions));
  while (!Poll()) {
    if (is_cancelled()) return cancelled;
  }
  {
    const std::lock_guard lock(mutex_);
    has_changed_ = false;
  }
  thread_ = std::thread([this] {
    while (!is_stopping_) Poll();
  });
  return absl::OkStatus();
}

// Takes what there is, for kPollMs at most if there is nothing. True once every partition has been
// read to its end.
bool RuleTopic::Poll() {
  struct Destroy {
    void operator()(rd_kafka_message_t* m) const { rd_kafka_message_destroy(m); }
  };
  const std::unique_ptr<rd_kafka_message_t, Destroy> message(
      rd_kafka_consumer_poll(client_.get(), kPollMs));
  if (message == nullptr) return false;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    at_end_[message->partition] = false;
    TakeMessage(*message);
    return false;
  }
  if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    OnError(message->err, rd_kafka_message_errstr(message.get()));
    return false;
  }
  at_end_[message->partition] = true;
  const bool is_end = std::all_of(at_end_.begin(), at_end_.end(),
                                  [](const auto& partition) { return partition.second; });
  if (!is_end) return false;
  const std::lock_guard lock(mutex_);
  if (std::exchange(has_news_, false)) {
    has_changed_ = true;
    wakeup_.notify_all();
  }
  return true;
}

void RuleTopic::TakeMessage(const rd_kafka_message_t& message) {
  const std::string_view key(static_cast<const char*>(message.key), message.key_len);
  std::optional<std::string_view> value;
  if (message.payload != nullptr) {
    value = std::string_view(static_cast<const char*>(message.payload), message.len);
  }
  Status taken;
  {
    const std::lock_guard lock(mutex_);
    taken = table_.Take(key, value);
    has_news_ = true;
  }
  if (taken.ok()) return;
  log_->Error("a message of the topic of rules counts for nothing",
              {{"topic", options_.topic},
               {"partition", std::to_string(message.partition)},
               {"offset", std::to_string(message.offset)},
               {"error", std::string(taken.message())}});
}

rules::RuleTexts RuleTopic::Read() {
  const std::lock_guard lock(mutex_);
  return table_.Texts();
}

RuleStore::Change RuleTopic::Wait(int limit_ms) {
  std::unique_lock lock(mutex_);
  const auto is_over = [this] { return has_changed_ || is_woken_; };
  if (limit_ms < 0) {
    wakeup_.wait(lock, is_over);
  } else if (!wakeup_.wait_for(lock, std::chrono::milliseconds(limit_ms), is_over)) {
    return Change::kNone;
  }
  if (std::exchange(is_woken_, false)) return Change::kWoken;
  has_changed_ = false;
  return Change::kKept;
}

void RuleTopic::Wake() {
  {
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
  }
  wakeup_.notify_all();
}

Status RuleTopic::CanEdit() const {
  return absl::FailedPreconditionError("the rules are kept in the topic `" + options_.topic +
                                       "`: produce to it");
}

StatusOr<std::string> RuleTopic::FileFor(std::string_view name) const { return std::string(name); }

Status RuleTopic::Stage(const RuleEdit& /*edit*/) { return CanEdit(); }

}  // namespace vigil::daemon
