// A small HTTP/1.1 server for operators, with TLS (1.2 and later) or without: bounded in every
// direction, so that hostile clients cost it nothing but the connections it grants them.
//
// One thread does all input and output; requests that may wait are answered by a second one, in
// order. A request has at most kMaxHeaderBytes of header and `body_max` of body, and as long as
// kTimeout to arrive, a handshake as long again; beyond kMaxConnections, connections are closed as
// they come. Tests: tests/io/http_server_test.cc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cep/base/status.h"

namespace vigil::io {

struct HttpRequest {
  std::string method;
  std::string path;  // without the query
  // Of headers the value; empty without one.
  std::string authorization;
  std::string body;
  std::string query;  // behind the `?`
  std::string accept;
  std::string if_match;
  std::string if_none_match;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string etag;       // empty: no such header
  int retry_after_s = 0;  // 0: the answer says nothing of it
};

// PEM files; both or none.
struct TlsFiles {
  std::string certificate;  // the server's, followed by those that lead to a known one
  std::string key;          // without a passphrase
};

struct HttpServerOptions {
  std::string host;  // an address, or `localhost`
  uint16_t port = 0;
  // Refuses addresses that other machines reach, unless what is said there is encrypted.
  bool loopback_only = true;
  TlsFiles tls;                       // empty: nothing is encrypted
  size_t body_max = 4 * 1024 * 1024;  // bytes
};

class HttpServer {
 public:
  static constexpr size_t kMaxHeaderBytes = 8 * 1024;
  static constexpr size_t kMaxConnections = 64;
  static constexpr std::chrono::seconds kTimeout{10};

  // Answers a request; must not throw. Called on one of the two threads, so it must be thread safe.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  // Whether answering may wait.
  using MayWait = std::function<bool(const HttpRequest&)>;

  // Listens and starts. Errors: INVALID_ARGUMENT for an address that is none or not allowed and for
  // certificates and keys that are none or do not belong together, UNAVAILABLE where it cannot be
  // bound.
  static StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                     Handler handler, MayWait may_wait);
  // Answers with `respond`, which any thread may call, once, at any time before the server goes.
  using Respond = std::function<void(HttpResponse)>;
  using LaterHandler = std::function<void(HttpRequest, Respond)>;
  // The same for answers that take long: the handler, called on the server's thread, keeps
  // `respond`. All that were kept must be gone before the server.
  static StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                     LaterHandler handler);
  // Waits for a request that is being answered, and up to a second for answers to be sent; then
  // ends the connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // Reads certificate and key again, for the connections to come; any thread may. Those that were
  // read before stay upon an error, which is INVALID_ARGUMENT. Nothing without TLS.
  Status ReloadCertificate();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  void WaitAnswered() const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vigil::io
