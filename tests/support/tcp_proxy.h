// A network between a program and a server, of a test's own: connections to it are forwarded to a
// port until it is cut. Then nothing gets through either way, and nobody is told: connections stay
// open, new ones are taken and stay silent. Once mended all of them go on, as after lost packets.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace vigil::testing {

// Thread safety: Cut() and Mend() may be called by any thread.
class TcpProxy {
 public:
  // Listens on 127.0.0.1:`port` and forwards to 127.0.0.1:`to`.
  TcpProxy(uint16_t port, uint16_t to);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  void Cut() { is_cut_ = true; }
  void Mend() { is_cut_ = false; }

 private:
  void Run();

  const uint16_t to_;
  int listener_ = -1;
  std::atomic<bool> is_cut_ = false;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

}  // namespace vigil::testing
