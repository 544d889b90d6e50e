// Connections as a live source: each sends records as a file would hold them, most often JSON
// lines.
//
// All connections are one partition, in the order in which their records arrive: connections come
// and go, and a partition would stay for each. So the bound of the source's watermark must cover
// how far senders are apart. Nothing is answered; whoever must know that records have arrived
// posts them (source_http.h). Each connection may take so long to say something (`idle_ms`), and a
// record so many bytes (SplitOptions); a longer one is quarantined. When the queue is full nothing
// is read, so that senders feel it. What is left of a record when its connection ends is a record.
// Memory: that of QueuedSource, and a record and a read for each connection. Tests:
// tests/ingest/source_tcp_test.cc, tests/daemon/live_inputs_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "ingest/received_source.h"

namespace vigil::ingest {

struct TcpSourceOptions {
  QueuedSourceOptions source;
  SplitOptions split;
  std::string host;  // an address, or `localhost`
  uint16_t port = 0;
  bool loopback_only = true;  // refuses addresses that other machines reach: nothing is encrypted
  size_t connections_max = 64;
  int64_t idle_ms = 300'000;
};

class TcpSource : public ReceivedSource {
 public:
  TcpSource(TcpSourceOptions options, RecordSourceLog* log);
  ~TcpSource() override;

  Status Serve() override;
  uint16_t port() const { return port_; }

 private:
  struct Impl;
  class Connection;

  Status StartProducing() override;
  void OnRoom() override;
  void Deliver(RecordBlock block);

  const TcpSourceOptions options_;
  uint16_t port_ = 0;
  uint64_t next_offset_ = 0;  // the thread of the connections
  std::unique_ptr<Impl> impl_;
};

}  // namespace vigil::ingest
