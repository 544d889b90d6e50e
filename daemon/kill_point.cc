#include "daemon/kill_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

namespace vigil::daemon {
namespace {

constexpr const char* kNames[] = {"before_commit", "chunks_written", "after_commit", "cleaning",
                                  "cleaned"};

}  // namespace

std::function<Status(state::KillPoint)> KillPointOfEnvironment() {
  const char* value = std::getenv("VIGIL_KILL_POINT");
  if (value == nullptr) return {};
  const std::vector<std::string> parts = absl::StrSplit(value, ':');
  const bool hangs = parts.size() == 3 && parts[2] == "hang";
  int left = 0;
  if (parts.size() != (hangs ? 3 : 2) || !absl::SimpleAtoi(parts[1], &left)) return {};
  auto count = std::make_shared<std::atomic<int>>(left);
  return [name = parts[0], count, hangs](state::KillPoint point) {
    if (name != kNames[static_cast<size_t>(point)] || --*count != 0) return absl::OkStatus();
    while (hangs) pause();
    std::raise(SIGKILL);
    return absl::OkStatus();
  };
}

}  // namespace vigil::daemon
