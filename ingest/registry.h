// A Confluent-compatible schema registry: schemas by the ids that records carry, fetched on a
// thread of its own and kept.
//
// Get() never blocks. An id that was never asked for is fetched in the background; whoever needs it
// waits for its Pending. A registry that cannot be reached, refuses or answers with an error is
// asked again, with a back-off that doubles, until it answers: it delays records and never drops
// them. Only its word that there is no such id (404 with error code 40403) is an answer; it is kept
// for a short while, longer each time, since a producer may have registered the id on another node
// just now. Source: docs.confluent.io/platform/current/schema-registry/develop/api.html.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cep/base/status.h"
#include "ingest/codec.h"
#include "ingest/registry_http.h"

namespace vigil::ingest {

struct RegisteredSchema {
  enum class Kind : uint8_t { kAvro, kProtobuf, kOther };
  struct Reference {
    std::string name;
    std::string text;
  };
  Kind kind = Kind::kAvro;
  std::string text;
  std::vector<Reference> references;  // and theirs; each after those that it refers to
};

// Thread safety: any number of threads may call it.
class SchemaRegistry {
 public:
  // Ids without a schema that are remembered.
  static constexpr size_t kMaxMissing = 10'000;
  static constexpr size_t kMaxReferences = 100;

  // Starts the thread. Errors: RegistryHttp::Create()'s.
  static StatusOr<std::shared_ptr<SchemaRegistry>> Create(const RegistryOptions& options);
  ~SchemaRegistry();
  SchemaRegistry(const SchemaRegistry&) = delete;
  SchemaRegistry& operator=(const SchemaRegistry&) = delete;

  struct Answer {
    std::shared_ptr<const RegisteredSchema> schema;  // if it is known
    std::shared_ptr<const Pending> pending;          // if it is being fetched
    // Else there is no such schema.
  };
  Answer Get(uint32_t id);

  const std::string& url() const { return http_.url(); }

  // Of one subject, at once: `url` is http(s)://.../subjects/SUBJECT/versions/VERSION. Errors:
  // RegistryHttp's; INVALID_ARGUMENT for another URL; NOT_FOUND if there is no such subject or
  // version.
  static StatusOr<RegisteredSchema> FetchVersion(RegistryOptions options);

 private:
  struct Entry;
  class Waiter;

  explicit SchemaRegistry(const RegistryOptions& options, RegistryHttp http);
  void Run();
  void Fetch(uint32_t id, const std::shared_ptr<Entry>& entry);
  void Forget();

  const RegistryOptions options_;
  const RegistryHttp http_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<uint32_t, std::shared_ptr<Entry>> entries_;  // guarded by mutex_
  std::deque<uint32_t> queue_;                          // to be fetched; guarded by mutex_
  std::deque<uint32_t> missing_;                        // oldest first; guarded by mutex_
  std::chrono::steady_clock::time_point next_try_;      // guarded by mutex_
  std::chrono::milliseconds backoff_{0};                // guarded by mutex_
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace vigil::ingest
