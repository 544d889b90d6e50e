// A schema registry on loopback for tests: one that answers as it is told, and a real one.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace vigil::testing {

// An HTTP server that answers GET with what it was given, and 404 with code 40403 else. Thread
// safe.
class FakeRegistry {
 public:
  // Listens on a free port of 127.0.0.1, or on `port`.
  explicit FakeRegistry(uint16_t port = 0);
  ~FakeRegistry();

  uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // What GET `path` answers.
  void Set(const std::string& path, int status, const std::string& body);
  // A schema by its id: `type` is AVRO or PROTOBUF.
  void SetSchema(uint32_t id, const std::string& type, const std::string& text);
  // Times that `path` was asked for, and the last request's head.
  int Count(const std::string& path) const;
  std::string last_request() const;

 private:
  void Serve();

  int listener_ = -1;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::pair<int, std::string>> answers_;  // guarded by mutex_
  std::map<std::string, int> counts_;                           // guarded by mutex_
  std::string last_request_;                                    // guarded by mutex_
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// `text` as a JSON string.
std::string QuoteJson(const std::string& text);

// Apicurio Registry, which speaks Confluent's API, in memory; fetched once from Maven's repository
// and kept in the user's cache folder by tests/support/schema_registry.sh.
class RealRegistry {
 public:
  // Nothing, with the reason in `why`, where Java, Maven or curl are not there.
  static std::unique_ptr<RealRegistry> Start(std::string* why);
  ~RealRegistry();

  // Of the Confluent-compatible API.
  const std::string& url() const { return url_; }
  // Registers a schema by curl; its id, or 0.
  uint32_t Register(const std::string& subject, const std::string& type, const std::string& text,
                    const std::string& references = "[]") const;
  // Stops it for a while.
  void Stop() const;
  void Continue() const;

 private:
  RealRegistry() = default;

  std::string folder_;
  std::string url_;
};

}  // namespace vigil::testing
