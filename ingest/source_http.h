// Requests as a live source: `POST /v1/events`, whose body is records as a file would hold them.
//
// A body is split, queued and answered once all of its records are done with: read, judged, and
// everything before that delivered (LiveSource::Publish()); where state is kept, that is after the
// commit that holds them. The answer says how many were accepted, late and quarantined. All
// requests are one partition, in the order in which they came.
//   200  {"read":3,"accepted":1,"late":1,"quarantined":1}
//   429  the queue is full: nothing of the body was taken; Retry-After says when to ask again
//   503  stopping, or not done with within kAnswerMs: then the records may have been accepted
//   400, 401, 404, 405, 413   as HTTP has them; nothing was taken
// Memory: that of QueuedSource, and a body for each connection.
// Tests: tests/ingest/source_http_test.cc, tests/daemon/live_inputs_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ingest/chunk_pool.h"
#include "ingest/received_source.h"
#include "io/http_server.h"

namespace vigil::ingest {

struct HttpSourceOptions {
  QueuedSourceOptions source;
  SplitOptions split;
  io::HttpServerOptions server;
  std::string token;  // that requests must bear; empty: none
};

class HttpSource : public ReceivedSource {
 public:
  static constexpr int64_t kAnswerMs = 30'000;
  static constexpr const char* kPath = "/v1/events";

  HttpSource(HttpSourceOptions options, RecordSourceLog* log);
  ~HttpSource() override;

  Status Serve() override;
  void NoteVerdicts(size_t partition, const cep::Verdicts& verdicts) override;
  void Publish(const std::vector<uint64_t>& next_offsets) override;
  uint16_t port() const { return server_->port(); }

 private:
  using Respond = io::HttpServer::Respond;
  // A request whose records are queued.
  struct Waiting {
    uint64_t end = 0;  // the offset behind its last record
    uint64_t unread = 0;
    cep::Verdicts verdicts;
    int64_t since_ms = 0;
    Respond respond;
  };

  Status StartProducing() override;
  void OnRoom() override {}
  // On the server's thread.
  void Answer(io::HttpRequest request, Respond respond);
  void Take(const std::string& body, Respond respond);
  bool IsAllowed(const std::string& authorization) const;

  const HttpSourceOptions options_;
  ChunkPool pool_;
  uint64_t next_offset_ = 0;  // the server's thread
  std::mutex waiting_mutex_;
  std::deque<Waiting> waiting_;  // guarded by waiting_mutex_; in order of their records
  bool is_stopping_ = false;     // guarded by waiting_mutex_
  std::unique_ptr<io::HttpServer> server_;
};

}  // namespace vigil::ingest
