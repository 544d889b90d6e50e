// GET requests to a schema registry, over TCP or TLS.
//
// One connection a request: schemas are fetched once and kept. Source: RFC 9110, RFC 7617 (basic
// authentication).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "cep/base/status.h"

namespace vigil::ingest {

struct RegistryOptions {
  std::string url;   // http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH]
  std::string user;  // in place of those in the URL
  std::string password;
  std::string ca_file;  // PEM certificates to trust; empty: the system's
  std::chrono::milliseconds timeout = std::chrono::seconds(5);  // of one request
  std::chrono::milliseconds min_backoff{100};                   // after a failed try; doubles
  std::chrono::milliseconds max_backoff = std::chrono::seconds(30);
  std::chrono::milliseconds missing_for = std::chrono::seconds(1);  // an unknown id is not asked
                                                                    // for again; doubles as well
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// Thread safety: Get() may be called from any thread.
class RegistryHttp {
 public:
  static constexpr uint64_t kMaxBody = 16 << 20;

  // Errors: INVALID_ARGUMENT for a URL that is none, or certificates that cannot be read.
  static StatusOr<RegistryHttp> Create(const RegistryOptions& options);

  // The answer to GET `path`, which is put behind the URL's own. Blocks, at most for the time-out;
  // ends early when `stop` is set. Errors: UNAVAILABLE, saying at which step and why.
  StatusOr<HttpAnswer> Get(const std::string& path, const std::atomic<bool>& stop) const;

  // Without user and password: for messages.
  const std::string& url() const { return shown_; }

 private:
  bool is_tls_ = false;
  std::string host_;
  std::string port_;
  std::string path_;  // without a slash at its end
  std::string authorization_;
  std::string ca_file_;
  std::string shown_;
  std::chrono::milliseconds timeout_{0};
};

}  // namespace vigil::ingest
