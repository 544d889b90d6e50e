// A sink for people: alerts as short lines of text in place of JSON.
//
//   2026-01-31T10:00:00.000Z critical account-takeover account=A1: A1 moved 12000.0 after a login
// Records that are no alerts stay JSON.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/sink.h"

namespace vigil::daemon {

// The line of an alert, or `json` itself if it is none.
std::string TextOfAlert(std::string_view json);

class TextSink : public alerts::Sink {
 public:
  explicit TextSink(std::unique_ptr<alerts::Sink> sink) : sink_(std::move(sink)) {}

  Status Write(std::vector<alerts::Outgoing>* records,
               const std::atomic<bool>& is_giving_up) override;
  Status Idle() override { return sink_->Idle(); }
  uint64_t refused() const override { return sink_->refused(); }

 private:
  std::unique_ptr<alerts::Sink> sink_;
};

}  // namespace vigil::daemon
