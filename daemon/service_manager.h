// Tells systemd how the daemon does: sd_notify(3)'s protocol, a datagram to $NOTIFY_SOCKET.
//
// Written by hand: the protocol is one sendto(), the library would be a dependency.
#pragma once

#include <cstdint>
#include <string>

namespace vigil::daemon {

// Thread safety: none; one thread owns it. Without a service manager all of it does nothing.
class ServiceManager {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  void Ready(const std::string& status);
  void Stopping(const std::string& status);
  // A sign of life, sent at most at half the watchdog's interval. `now_ms`: of a steady clock.
  void Alive(int64_t now_ms);

 private:
  void Send(const std::string& state) const;

  int socket_ = -1;
  std::string address_;  // of the manager; an abstract one begins with NUL
  int64_t interval_ms_ = 0;
  int64_t last_ms_ = 0;
};

}  // namespace vigil::daemon
