#include "ingest/source_tcp.h"

#include <chrono>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "ingest/chunk_pool.h"

namespace vigil::ingest {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kPoolChunk = 256 << 10;
constexpr int64_t kSayEveryMs = 10'000;
constexpr std::chrono::milliseconds kRetry{100};

}  // namespace

// All of it belongs to the thread of the connections, but for start and end.
struct TcpSource::Impl {
  explicit Impl(TcpSource* source_in) : source(source_in), pool(kPoolChunk) {}

  void Accept();
  void Refuse();

  TcpSource* source;
  ChunkPool pool;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer retry{context};
  std::set<std::shared_ptr<Connection>> connections;
  std::vector<std::shared_ptr<Connection>> held;  // until there is room
  int64_t said_ms = -kSayEveryMs;                 // that there are too many
  std::thread thread;
};

class TcpSource::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Impl* impl)
      : socket_(std::move(socket)),
        timer_(impl->context),
        impl_(impl),
        splitter_(impl->source->options_.split, &impl->pool) {
    splitter_.Reset(0);
  }

  void Read() {
    if (!impl_->source->HasRoom(0)) {
      timer_.cancel();  // the delay is ours
      impl_->held.push_back(shared_from_this());
      return;
    }
    timer_.expires_after(std::chrono::milliseconds(impl_->source->options_.idle_ms));
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->Close();
    });
    socket_.async_read_some(
        asio::buffer(splitter_.Room(kReadBytes), kReadBytes),
        [self = shared_from_this()](error_code error, size_t n) { self->OnRead(error, n); });
  }

  void Close() {
    error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
  }

 private:
  void OnRead(error_code error, size_t n) {
    splitter_.Added(n);
    RecordBlock block;
    if (splitter_.Take(&block)) impl_->source->Deliver(std::move(block));
    if (!error) return Read();
    if (splitter_.Finish(&block)) impl_->source->Deliver(std::move(block));
    Close();
    impl_->connections.erase(shared_from_this());
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  Impl* impl_;
  RecordSplitter splitter_;
};

void TcpSource::Impl::Accept() {
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // no descriptors left: some may be free soon
      retry.expires_after(kRetry);
      return retry.async_wait([this](error_code stopped) {
        if (!stopped) Accept();
      });
    }
    if (connections.size() < source->options_.connections_max) {
      error_code ignored;
      socket.set_option(asio::socket_base::keep_alive(true), ignored);
      const auto connection = std::make_shared<Connection>(std::move(socket), this);
      connections.insert(connection);
      connection->Read();
    } else {
      Refuse();  // the socket is closed as it goes
    }
    Accept();
  });
}

void TcpSource::Impl::Refuse() {
  const int64_t now = source->clock().SteadyMs();
  if (now - said_ms < kSayEveryMs) return;
  said_ms = now;
  source->Say(4, absl::StrCat("refuses connections beyond ", source->options_.connections_max));
}

TcpSource::TcpSource(TcpSourceOptions options, RecordSourceLog* log)
    : ReceivedSource(std::move(options.source), "tcp", log),
      options_(std::move(options)),
      impl_(std::make_unique<Impl>(this)) {}

TcpSource::~TcpSource() {
  impl_->context.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->held.clear();
  impl_->connections.clear();
}

Status TcpSource::StartProducing() {
  error_code error;
  const std::string host = options_.host == "localhost" ? "127.0.0.1" : options_.host;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("source ", name(), ": `", options_.host,
                                                   "` is no address; name one, or `localhost`"));
  }
  if (options_.loopback_only && !address.is_loopback()) {
    return absl::InvalidArgumentError(
        absl::StrCat("source ", name(), ": ", options_.host,
                     " can be reached by other machines, and what comes is neither encrypted nor "
                     "checked; listen on 127.0.0.1, or say `allow_public: true`"));
  }
  const tcp::endpoint endpoint(address, options_.port);
  tcp::acceptor& acceptor = impl_->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("source ", name(), ": ", options_.host, ":",
                                               options_.port, ": ", error.message()));
  }
  port_ = acceptor.local_endpoint(error).port();
  ASSIGN_OR_RETURN(next_offset_, Begin());
  impl_->Accept();
  impl_->thread = std::thread([this] { impl_->context.run(); });
  Say(6, absl::StrCat("listens on ", options_.host, ":", port_));
  return absl::OkStatus();
}

void TcpSource::OnRoom() {
  asio::post(impl_->context, [impl = impl_.get()] {
    for (const auto& connection : std::exchange(impl->held, {})) connection->Read();
  });
}

void TcpSource::Deliver(RecordBlock block) {
  for (SplitRecord& record : block.records) record.offset = next_offset_++;
  block.next_offset = next_offset_;
  Push(0, std::move(block));
}

Status TcpSource::Serve() {
  SetEnd(0, true, true, -1);
  return QueuedSource::Serve();
}

}  // namespace vigil::ingest
