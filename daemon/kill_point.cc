#include "daemon/kill_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>

#include <absl/strings/numbers.h>

namespace vigil::daemon {
namespace {

constexpr const char* kNames[] = {"before_commit", "chunks_written", "after_commit", "cleaning",
                                  "cleaned"};

}  // namespace

std::function<Status(state::KillPoint)> KillPointOfEnvironment() {
  const char* value = std::getenv("VIGIL_KILL_POINT");
  if (value == nullptr) return {};
  const std::string text = value;
  const size_t colon = text.find(':');
  int left = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &left)) return {};
  auto count = std::make_shared<std::atomic<int>>(left);
  return [name = text.substr(0, colon), count](state::KillPoint point) {
    if (name == kNames[static_cast<size_t>(point)] && --*count == 0) std::raise(SIGKILL);
    return absl::OkStatus();
  };
}

}  // namespace vigil::daemon
