// Receives what the router has routed: one line for one output.
#pragma once

#include <string>
#include <string_view>

#include "cep/event/record.h"

namespace vigil::alerts {

class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  // `line` is without a line end, and borrowed, as `record` is. Never waits.
  virtual void Write(const std::string& output, const cep::Record& record,
                     std::string_view line) = 0;
};

}  // namespace vigil::alerts
