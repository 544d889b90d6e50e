// The outputs of a live job: each name with its own sinks, each sink behind its own bounded queue.
//
// Records are numbered in the order in which they are written; DoneBefore() says up to which number
// every sink has delivered, which is how far a job may say that it has come. A record of an output
// without sinks is counted and goes nowhere.
// Tests: tests/alerts/sink_queue_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/context.h"
#include "alerts/record_writer.h"
#include "alerts/sink_queue.h"

namespace vigil::alerts {

// Thread safety: Write(), WriteLine() and AddSink() belong to one thread, the job's; all else may
// be called by any thread once the sinks are there.
class Delivery : public RecordWriter {
 public:
  // `on_room` and `on_failure` as SinkQueue's; called on the sinks' threads.
  Delivery(std::shared_ptr<const AlertContext> context, std::function<void()> on_room,
           std::function<void(const std::string& sink, const Status&)> on_failure);

  // `key_field`: the field of an alert's key that keys its message; empty: none.
  void AddSink(const std::string& output, SinkQueueOptions options, std::string key_field,
               std::unique_ptr<Sink> sink);
  // From now on alerts are those of another rule set.
  void SetContext(std::shared_ptr<const AlertContext> context) { context_ = std::move(context); }

  void Write(const std::string& output, const cep::Record& record, std::string_view line) override;
  // The names and texts of an alert's key fields; none of other records.
  std::vector<std::pair<std::string, std::string>> KeyFieldsOf(const cep::Record& record) const;
  // A record that is no alert, such as a line of the audit.
  void WriteLine(const std::string& output, std::string line);

  // False: a sink that blocks has no room.
  bool HasRoom() const;
  // The number that the next record gets.
  uint64_t next_sequence() const { return next_sequence_; }
  // All records with lower numbers are done with.
  uint64_t DoneBefore() const;
  // Waits until everything is delivered; false if that took longer than until `deadline`.
  bool Drain(std::chrono::steady_clock::time_point deadline);

  // By the sink's name.
  std::map<std::string, SinkCounters> counters() const;
  // By the output's name.
  const std::map<std::string, uint64_t>& records_by_output() const { return records_; }

 private:
  struct Target {
    std::string key_field;
    std::unique_ptr<SinkQueue> queue;
  };

  void Push(const std::string& output, Outgoing record, const cep::Record* alert);
  // The text of the record's key field; false if it has none of this name.
  bool KeyOf(const cep::Record& record, const std::string& field, std::string* key) const;

  std::shared_ptr<const AlertContext> context_;
  const std::function<void()> on_room_;
  const std::function<void(const std::string&, const Status&)> on_failure_;
  std::map<std::string, std::vector<Target>> targets_;  // by output
  std::map<std::string, uint64_t> records_;
  uint64_t next_sequence_ = 0;
};

}  // namespace vigil::alerts
