// Where lines go: a file here, a broker or a web hook elsewhere.
#pragma once

#include <string_view>

#include "cep/base/status.h"

namespace vigil::alerts {

class LineSink {
 public:
  virtual ~LineSink() = default;
  // Takes whole lines, each with its end. They may wait in memory until Flush().
  // Errors: what the target failed with, naming it; the sink is then of no further use.
  virtual Status Write(std::string_view lines) = 0;
  virtual Status Flush() = 0;
};

}  // namespace vigil::alerts
