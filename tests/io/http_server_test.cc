// The HTTP server against clients that mean well, and others.
#include "io/http_server.h"

#include <arpa/inet.h>
#include <atomic>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

namespace vigil::io {
namespace {

// A connection of bytes; what comes is read until the server closes, or a second has passed.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const timeval limit{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has closed: its answer tells
      sent += static_cast<size_t>(n);
    }
  }
  std::string Receive() {
    std::string all;
    char bytes[4096];
    for (ssize_t n; (n = recv(socket_, bytes, sizeof(bytes), 0)) > 0;) {
      all.append(bytes, static_cast<size_t>(n));
    }
    return all;
  }

 private:
  int socket_;
};

std::unique_ptr<HttpServer> Echo(std::atomic<int>* answered = nullptr) {
  auto server = HttpServer::Start(
      {.host = "127.0.0.1"},
      [answered](const HttpRequest& request) {
        if (answered != nullptr) ++*answered;
        return HttpResponse{200, "text/plain",
                            request.method + " " + request.path + " " + request.authorization +
                                " " + std::to_string(request.body.size()) + " " + request.query +
                                " " + request.if_match,
                            "\"tag\""};
      },
      [](const HttpRequest& request) { return request.path == "/slow"; });
  REQUIRE(server.ok());
  return *std::move(server);
}

TEST_CASE("HttpServer: requests, one after the other, on one connection", "[io][unit]") {
  const auto server = Echo();
  Client client(server->port());
  client.Send(
      "GET /a?x=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nIf-Match: \"m\"\r\n\r\n"
      "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
  const std::string all = client.Receive();
  CHECK(all.find("GET /a Bearer t 0 x=1 \"m\"") != std::string::npos);
  CHECK(all.find("ETag: \"tag\"\r\n") != std::string::npos);
  CHECK(all.find("POST /slow  3") != std::string::npos);
}

TEST_CASE("HttpServer: what is hostile is refused, and the next client is served", "[io][unit]") {
  std::atomic<int> answered = 0;
  const auto server = Echo(&answered);
  struct Case {
    std::string bytes;
    std::string status;  // empty: no answer
  };
  const std::string kHead = "POST /a HTTP/1.1\r\nHost: h\r\n";
  const Case cases[] = {
      {"\x16\x03\x01\x02\x00garbage\r\n\r\n", "HTTP/1.1 400"},
      {kHead + "Content-Length: 99999999999\r\n\r\n", "HTTP/1.1 413"},
      {kHead + "Content-Length: 18446744073709551616\r\n\r\n", "HTTP/1.1 400"},
      {kHead + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "HTTP/1.1 400"},
      {kHead + "X: " + std::string(20'000, 'x') + "\r\n\r\n", "HTTP/1.1 431"},
      {kHead + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "HTTP/1.1 400"},
      {"GET /a HTTP/9.9\r\n\r\n", "HTTP/1.1 400"},
      {"GET /cut HTTP/1.1\r\nHo", ""},
  };
  for (const Case& c : cases) {
    INFO(c.bytes.substr(0, 80));
    Client client(server->port());
    client.Send(c.bytes);
    CHECK(client.Receive().substr(0, c.status.size()) == c.status);
  }
  CHECK(answered == 0);
  Client client(server->port());
  client.Send("GET /b HTTP/1.0\r\n\r\n");
  CHECK(client.Receive().find("GET /b") != std::string::npos);
}

TEST_CASE("HttpServer: an answer that a handler gave is sent, also when the server ends at once",
          "[io][unit]") {
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> answered = 0;
    auto server = Echo(&answered);
    Client client(server->port());
    client.Send("POST /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    while (answered == 0) std::this_thread::yield();
    server.reset();
    REQUIRE(client.Receive().find("POST /slow") != std::string::npos);
  }
}

TEST_CASE("HttpServer: connections beyond the limit are closed, and there is room afterwards",
          "[io][unit]") {
  const auto server = Echo();
  const std::string ask = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  {
    std::vector<std::unique_ptr<Client>> idle;
    for (size_t i = 0; i < HttpServer::kMaxConnections; ++i) {
      idle.push_back(std::make_unique<Client>(server->port()));
    }
    Client beyond(server->port());
    beyond.Send(ask);
    CHECK(beyond.Receive().empty());
  }
  std::string answer;
  for (int i = 0; i < 200 && answer.empty(); ++i) {  // until their ends have been seen
    Client client(server->port());
    client.Send(ask);
    answer = client.Receive();
    if (answer.empty()) usleep(10'000);
  }
  CHECK(answer.find("GET /x") != std::string::npos);
}

TEST_CASE("HttpServer: public addresses are refused unless forced", "[io][unit]") {
  const auto start = [](const std::string& host, bool loopback_only) {
    return HttpServer::Start(
               {.host = host, .port = 0, .loopback_only = loopback_only},
               [](const HttpRequest&) { return HttpResponse(); },
               [](const HttpRequest&) { return false; })
        .status();
  };
  CHECK(start("localhost", true).ok());
  CHECK(absl::IsInvalidArgument(start("0.0.0.0", true)));
  CHECK(absl::IsInvalidArgument(start("example.org", true)));
  CHECK(start("0.0.0.0", false).ok());
}

}  // namespace
}  // namespace vigil::io
