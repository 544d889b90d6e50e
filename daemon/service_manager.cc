#include "daemon/service_manager.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace vigil::daemon {

ServiceManager::ServiceManager() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  if (address == nullptr || (address[0] != '/' && address[0] != '@')) return;
  address_ = address;
  if (address_.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (address_[0] == '@') address_[0] = '\0';
  socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const char* pid = std::getenv("WATCHDOG_PID");
  if (pid != nullptr && std::atoll(pid) != getpid()) return;
  const char* interval = std::getenv("WATCHDOG_USEC");
  if (interval != nullptr) interval_ms_ = std::atoll(interval) / 1000 / 2;
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) close(socket_);
}

void ServiceManager::Send(const std::string& state) const {
  if (socket_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // Nobody listening is no error of ours.
  (void)sendto(socket_, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to),
               size);
}

void ServiceManager::Ready(const std::string& status) { Send("READY=1\nSTATUS=" + status); }

void ServiceManager::Stopping(const std::string& status) { Send("STOPPING=1\nSTATUS=" + status); }

void ServiceManager::Alive(int64_t now_ms) {
  if (interval_ms_ <= 0 || now_ms - last_ms_ < interval_ms_) return;
  last_ms_ = now_ms;
  Send("WATCHDOG=1");
}

}  // namespace vigil::daemon
