// Connections that send lines: in pieces, too long, too many, idle, faster than they are read.
#include "ingest/source_tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/ingest/live_support.h"

namespace vigil::ingest {
namespace {

const Fields kFields = {{"a", cep::Type(cep::TypeKind::kInt)}};

class Client {
 public:
  explicit Client(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { close(socket_); }
  // What was sent of it without waiting.
  size_t Send(const std::string& text) const {
    size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t n =
          send(socket_, text.data() + sent, text.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    return sent;
  }
  // Whether the other side has closed it, within so many milliseconds.
  bool IsClosed(int ms) const {
    const timeval limit{ms / 1000, (ms % 1000) * 1000};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char byte = 0;
    return recv(socket_, &byte, 1, 0) == 0;
  }

 private:
  const int socket_;
};

struct Listener {
  explicit Listener(const std::function<void(TcpSourceOptions*)>& change = nullptr) {
    SourceCodec codec = CodecFor(kFields);
    const auto layout = codec.options.layout;
    TcpSourceOptions options;
    options.source.name = "s";
    options.source.codec = std::move(codec);
    options.source.clock = &clock;
    options.host = "127.0.0.1";
    if (change != nullptr) change(&options);
    auto made = std::make_unique<TcpSource>(std::move(options), &log);
    source = made.get();
    reader = std::make_unique<LiveReader>(std::move(made), layout);
    // As if the first record had offset 0.
    if (reader->status.ok()) {
      REQUIRE(reader->Until([&] { return reader->source().has_started(); }));
      first = reader->source().partitions()[0].next_offset;
    }
  }
  std::vector<std::string> rows() const {
    std::vector<std::string> texts;
    for (const std::string& row : reader->rows) {
      const size_t at = row.find(' ') + 1;
      size_t end = at;
      const uint64_t offset = std::stoull(row.substr(at), &end);
      texts.push_back(std::to_string(offset - first) + row.substr(at + end));
    }
    return texts;
  }

  SystemClock clock;
  SilentLog log;
  TcpSource* source = nullptr;
  std::unique_ptr<LiveReader> reader;
  uint64_t first = 0;
};

using Rows = std::vector<std::string>;

TEST_CASE("TcpSource: several connections are one partition, each line whole", "[ingest][unit]") {
  Listener listener;
  const Client one(listener.source->port());
  one.Send("{\"ts\":1,");
  {
    const Client two(listener.source->port());
    two.Send("{\"ts\":2,\"a\":2}\nbad\n{\"ts\":3,\"a\":3}");  // the last line has no end
    REQUIRE(listener.reader->UntilRows(2));
  }
  REQUIRE(listener.reader->UntilRows(3));
  one.Send("\"a\":1}\r\n");
  REQUIRE(listener.reader->UntilRows(4));
  const Rows rows = listener.rows();
  CHECK(rows[0] == "0@2: 2");
  CHECK(rows[1].find("1 rejected: line 2") == 0);
  CHECK(rows[2] == "2@3: 3");
  CHECK(rows[3] == "3@1: 1");
  const cep::LivePartition& partition = listener.reader->source().partitions()[0];
  CHECK(partition.partition->place == "s/tcp/0");
  CHECK(partition.next_offset == listener.first + 4);
  CHECK((partition.is_at_end && partition.is_connected && partition.answered_ms >= 0));
}

TEST_CASE("TcpSource: a line that is too long is rejected, the next one is not", "[ingest][unit]") {
  Listener listener([](TcpSourceOptions* options) { options->split.max_record = 1000; });
  const Client client(listener.source->port());
  client.Send(std::string(50'000, 'x') + "\n{\"ts\":2,\"a\":2}\n");
  REQUIRE(listener.reader->UntilRows(2));
  CHECK(listener.rows()[0] == "0 rejected: line 1: the line is longer than allowed");
  CHECK(listener.rows()[1] == "1@2: 2");
}

TEST_CASE("TcpSource: idle connections and those beyond the limit are closed", "[ingest][unit]") {
  Listener listener([](TcpSourceOptions* options) {
    options->connections_max = 2;
    options->idle_ms = 300;
  });
  const Client one(listener.source->port());
  one.Send("{\"ts\":1,\"a\":1}\n");
  REQUIRE(listener.reader->UntilRows(1));
  const Client two(listener.source->port());
  const Client three(listener.source->port());
  CHECK(three.IsClosed(250));
  CHECK(listener.log.Has("refuses connections beyond 2"));
  CHECK(two.IsClosed(5000));
  CHECK(one.IsClosed(5000));
  const Client four(listener.source->port());
  four.Send("{\"ts\":2,\"a\":2}\n");
  CHECK(listener.reader->UntilRows(2));
}

TEST_CASE("TcpSource: who sends faster than is read has to wait, and loses nothing",
          "[ingest][unit]") {
  Listener listener;
  const Client client(listener.source->port());
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "{\"ts\":1,\"a\":1,\"pad\":\"" + std::string(1000, 'x') + "\"}\n";
  }
  listener.reader->holds = true;
  size_t sent = 0;
  // Until nothing was taken for half a second.
  for (auto last = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - last < std::chrono::milliseconds(500);) {
    const size_t n = client.Send(text.substr(sent % text.size()));
    sent += n;
    if (n > 0) last = std::chrono::steady_clock::now();
    listener.reader->For(10);
    REQUIRE(sent < 64 << 20);
  }
  CHECK(sent >= QueuedSource::kPartitionBytes);
  listener.reader->holds = false;
  CHECK(listener.reader->UntilRows(sent / (text.size() / 1000)));
  // And goes on.
  const size_t more = client.Send(text.substr(sent % text.size()));
  CHECK(more > 0);
  CHECK(listener.reader->UntilRows((sent + more) / (text.size() / 1000)));
}

TEST_CASE("TcpSource: where it may listen", "[ingest][unit]") {
  const Listener open([](TcpSourceOptions* options) { options->host = "0.0.0.0"; });
  CHECK(open.reader->status.code() == absl::StatusCode::kInvalidArgument);
  const Listener forced([](TcpSourceOptions* options) {
    options->host = "0.0.0.0";
    options->loopback_only = false;
  });
  CHECK(forced.reader->status.ok());
  const Listener none([](TcpSourceOptions* options) { options->host = "nowhere.example"; });
  CHECK(none.reader->status.code() == absl::StatusCode::kInvalidArgument);
  const Listener taken([&](TcpSourceOptions* options) {
    options->port = forced.source->port();
    options->host = "127.0.0.1";
  });
  CHECK(taken.reader->status.code() == absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace vigil::ingest
