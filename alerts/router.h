// Sends records to their outputs: an alert as one line per output of its rule, late records to
// `late`, errors to `errors`; and counts.
//
// With Format::kText an alert is shown once, whatever its outputs. An alert whose spec has no
// outputs (a rule in shadow mode) is counted and not written. Of errors that are samples, the first
// kErrorSamples of each failure are kept, in the records' order, so it does not depend on the
// number of shards how many there are.
//
// Thread safety: none; the thread that drives the job owns it.
// Tests: tests/alerts/router_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerts/context.h"
#include "alerts/line_sink.h"
#include "alerts/record_writer.h"
#include "cep/base/status.h"
#include "cep/event/record.h"

namespace vigil::alerts {

class Router {
 public:
  // `sink` is borrowed and must outlive the router.
  Router(std::shared_ptr<const AlertContext> context, LineSink* sink);
  // Gives each line to `writer`, borrowed as well, with its output and its record.
  Router(std::shared_ptr<const AlertContext> context, RecordWriter* writer);

  // Writes the lines of `records`, which are in their final order.
  // Errors: the sink's.
  Status Write(const std::vector<cep::Record>& records);
  // Hands on what the sink holds back.
  Status Flush() { return sink_ == nullptr ? absl::OkStatus() : sink_->Flush(); }

  // Alerts raised by each rule, of every kind; one each, whatever its outputs.
  const std::vector<uint64_t>& alerts_by_rule() const { return alerts_by_rule_; }
  // Records by the name of the output that they went to.
  std::map<std::string, uint64_t> records_by_output() const;
  // Errors beyond the samples that are kept.
  uint64_t samples_dropped() const { return samples_dropped_; }

 private:
  struct Output {
    std::string name;
    std::string escaped;  // as it stands inside a JSON string
    uint64_t records = 0;
  };
  // Indices into `outputs_`, in the order of the rule's `to`.
  struct Routes {
    std::vector<uint32_t> on_match;
    std::vector<uint32_t> on_timeout;
  };

  Router(std::shared_ptr<const AlertContext> context, LineSink* sink, RecordWriter* writer);
  uint32_t AddOutput(const std::string& name);
  std::vector<uint32_t> AddOutputs(const std::vector<std::string>& names);
  bool IsWanted(const cep::Record& record);
  void AppendAlert(const cep::Record& record);
  void AppendLine(const cep::Record& record, uint32_t output);

  std::shared_ptr<const AlertContext> context_;
  LineSink* sink_;  // one of the two is null
  RecordWriter* writer_;
  std::vector<Output> outputs_;
  std::vector<Routes> routes_;  // by rule
  uint32_t late_;
  uint32_t errors_;
  std::vector<uint64_t> alerts_by_rule_;
  std::map<std::string, uint32_t> samples_;  // kept so far, by sample group
  uint64_t samples_dropped_ = 0;
  std::string lines_;  // of one Write(), or one line for writer_; its memory is reused
};

}  // namespace vigil::alerts
