#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <list>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace vigil::testing {
namespace {

constexpr int kLookMs = 20;
constexpr size_t kBytes = 64 << 10;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One direction of a connection.
struct Pipe {
  int from;
  int to;
  std::string bytes;  // read and not yet written
  bool has_ended = false;
};

struct Connection {
  explicit Connection(int client_in) : client(client_in) {}
  ~Connection() {
    close(client);
    if (server >= 0) close(server);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool Connect(uint16_t to) {
    server = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(to);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return false;
    }
    for (const int fd : {client, server}) fcntl(fd, F_SETFL, O_NONBLOCK);
    pipes = {{client, server, "", false}, {server, client, "", false}};
    return true;
  }

  int client;
  int server = -1;
  std::vector<Pipe> pipes;  // both directions, once connected
};

// Moves what can be moved at once; false once the connection is of no use.
bool Forward(Pipe* pipe) {
  if (pipe->bytes.empty() && !pipe->has_ended) {
    char buffer[kBytes];
    const ssize_t n = recv(pipe->from, buffer, sizeof buffer, 0);
    if (n == 0) pipe->has_ended = true;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) pipe->bytes.assign(buffer, static_cast<size_t>(n));
  }
  if (!pipe->bytes.empty()) {
    const ssize_t n = send(pipe->to, pipe->bytes.data(), pipe->bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) pipe->bytes.erase(0, static_cast<size_t>(n));
  }
  return !pipe->has_ended || !pipe->bytes.empty();
}

}  // namespace

TcpProxy::TcpProxy(uint16_t port, uint16_t to)
    : to_(to), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 64) != 0) {
    close(listener_);
    throw std::runtime_error("no proxy on port " + std::to_string(port));
  }
  fcntl(listener_, F_SETFL, O_NONBLOCK);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  is_stopping_ = true;
  thread_.join();
  close(listener_);
}

void TcpProxy::Run() {
  std::list<Connection> connections;
  std::vector<pollfd> polled;
  while (!is_stopping_) {
    polled.assign(1, {listener_, POLLIN, 0});
    const bool is_cut = is_cut_;
    for (const Connection& connection : connections) {
      for (const Pipe& pipe : connection.pipes) {
        if (is_cut) continue;
        polled.push_back(pipe.bytes.empty() ? pollfd{pipe.from, POLLIN, 0}
                                            : pollfd{pipe.to, POLLOUT, 0});
      }
    }
    poll(polled.data(), polled.size(), kLookMs);
    for (int client = accept(listener_, nullptr, nullptr); client >= 0;
         client = accept(listener_, nullptr, nullptr)) {
      connections.emplace_back(client);
    }
    if (is_cut_) continue;
    for (auto it = connections.begin(); it != connections.end();) {
      bool is_alive = !it->pipes.empty() || it->Connect(to_);
      for (Pipe& pipe : it->pipes) is_alive = is_alive && Forward(&pipe);
      it = is_alive ? std::next(it) : connections.erase(it);
    }
  }
}

}  // namespace vigil::testing
