// Rules kept in a compacted Kafka topic: a message is a rule file, or one rule, under the file's
// name or the rule's id as key; one without a value (a tombstone) takes it away.
//
// All partitions that there are at the start are read from their beginnings to their ends before
// any rule runs, and watched from then on. What is read in one go is one change. Bounded: what is
// longer than a rule file may be, or comes when all together are longer than kMaxTopicBytes or more
// than kMaxTopicFiles, makes the set bad until it is replaced.
// Tests: tests/daemon/rule_topic_test.cc, tests/integration/rule_topic_test.cc.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/log.h"
#include "daemon/rule_store.h"
#include "io/kafka_client.h"

namespace vigil::daemon {

inline constexpr size_t kMaxTopicBytes = size_t{64} << 20;
inline constexpr size_t kMaxTopicFiles = 100'000;
inline constexpr size_t kMaxTopicKeyBytes = 512;

// What the messages of such a topic say, the last one of each key. Thread safety: none.
class RuleTable {
 public:
  // A message; without a value it is a tombstone. Errors: INVALID_ARGUMENT for a key that names
  // nothing: then it counts for nothing.
  Status Take(std::string_view key, std::optional<std::string_view> value);
  // By key, bytewise.
  rules::RuleTexts Texts() const;

 private:
  struct Kept {
    std::string text;
    bool is_too_much = false;  // and then without its text
  };
  std::map<std::string, Kept> files_;
  size_t bytes_ = 0;
  bool has_too_many_ = false;
};

struct RuleTopicOptions {
  std::string topic;
  std::string brokers;
  std::string group;  // names the client; nothing is committed
  io::KafkaProperties properties;
};

class RuleTopic : public RuleStore, private io::KafkaEvents {
 public:
  // `log` is borrowed. Errors: INVALID_ARGUMENT naming a property that is wrong.
  static StatusOr<std::unique_ptr<RuleTopic>> Create(const RuleTopicOptions& options, Log* log);
  ~RuleTopic() override;

  // Reads the topic to its end, waiting for brokers and topic to be there, and watches it from then
  // on. Once. Errors: CANCELLED as soon as `is_cancelled` says so, which is asked every 100 ms.
  Status ReadToEnd(const std::function<bool()>& is_cancelled);

  rules::RuleTexts Read() override;
  Change Wait(int limit_ms) override;
  void Wake() override;
  void Rewatch() override {}
  Status CanEdit() const override;
  StatusOr<std::string> FileFor(std::string_view name) const override;
  Status Stage(const RuleEdit& edit) override;
  Status Finish() override { return absl::OkStatus(); }
  Status Drop() override { return absl::OkStatus(); }

 private:
  RuleTopic(RuleTopicOptions options, Log* log) : options_(std::move(options)), log_(log) {}
  void OnLog(int syslog_level, std::string_view text) override;
  void OnError(rd_kafka_resp_err_t error, std::string_view text) override;
  StatusOr<int> FindPartitions();
  Status Assign(int partitions);
  bool Poll();
  void TakeMessage(const rd_kafka_message_t& message);

  const RuleTopicOptions options_;
  Log* log_;
  io::KafkaPtr<rd_kafka_t> client_;
  int partitions_ = 0;
  std::map<int, bool> at_end_;  // by partition; the polling thread's
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable wakeup_;
  RuleTable table_;           // guarded by mutex_
  bool has_news_ = false;     // guarded by mutex_; since the last end
  bool has_changed_ = false;  // guarded by mutex_
  bool is_woken_ = false;     // guarded by mutex_
};

}  // namespace vigil::daemon
