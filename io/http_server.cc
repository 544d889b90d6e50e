#include "io/http_server.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace vigil::io {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

struct HttpServer::Impl {
  Impl(Handler handler_in, MayWait may_wait_in)
      : handler(std::move(handler_in)), may_wait(std::move(may_wait_in)) {}

  void Accept();
  static StatusOr<std::unique_ptr<HttpServer>> Listen(const HttpServerOptions& options,
                                                      const tcp::endpoint& endpoint,
                                                      std::unique_ptr<Impl> impl);

  const Handler handler;
  const MayWait may_wait;
  LaterHandler later;  // in place of both
  size_t body_max = 0;
  std::atomic<size_t> answering = 0;  // requests whose answer has not been sent
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer retry{context};
  std::optional<asio::thread_pool> worker{1};
  size_t connections = 0;  // the context's thread
  std::thread thread;
};

namespace {

// One connection: reads a request, answers it, and so on. Lives in the handlers of what it waits
// for; all of them run on the context's thread.
template <typename Impl>
class Session : public std::enable_shared_from_this<Session<Impl>> {
 public:
  Session(tcp::socket socket, Impl* impl) : stream_(std::move(socket)), impl_(impl) {
    ++impl_->connections;
  }
  ~Session() {
    SetAnswering(false);
    --impl_->connections;
  }

  void Read() {
    parser_.emplace();
    parser_->header_limit(HttpServer::kMaxHeaderBytes);
    parser_->body_limit(impl_->body_max);
    stream_.expires_after(HttpServer::kTimeout);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](error_code error, size_t) { self->OnRead(error); });
  }

 private:
  void SetAnswering(bool is_answering) {
    if (is_answering == is_answering_) return;
    is_answering_ = is_answering;
    impl_->answering += is_answering ? 1 : -1;
  }

  void OnRead(error_code error) {
    if (error == http::error::body_limit) return Refuse(http::status::payload_too_large);
    if (error == http::error::header_limit) {
      return Refuse(http::status::request_header_fields_too_large);
    }
    // A client that broke off, or took too long, gets no answer; one that speaks no HTTP does.
    if (error && error.category() != http::make_error_code(http::error::bad_method).category()) {
      return;
    }
    if (error == http::error::end_of_stream || error == http::error::partial_message) return;
    if (error) return Refuse(http::status::bad_request);
    http::request<http::string_body> message = parser_->release();
    version_ = message.version();
    keeps_alive_ = message.keep_alive();
    HttpRequest request;
    request.method = std::string(message.method_string());
    const std::string target(message.target());
    request.path = target.substr(0, target.find('?'));
    request.authorization = std::string(message[http::field::authorization]);
    request.body = std::move(message.body());
    SetAnswering(true);
    if (impl_->later) {
      stream_.expires_never();
      return impl_->later(
          std::move(request), [self = this->shared_from_this()](HttpResponse response) mutable {
            // The last reference goes on the context's thread.
            Impl* const impl = self->impl_;
            asio::post(impl->context,
                       [self = std::move(self), response = std::move(response)]() mutable {
                         self->Write(std::move(response));
                       });
          });
    }
    if (!impl_->may_wait(request)) return Write(impl_->handler(request));
    // While the answer is made nothing is asked of the client.
    stream_.expires_never();
    asio::post(*impl_->worker, [self = this->shared_from_this(),
                                request = std::move(request)]() mutable {
      HttpResponse response = self->impl_->handler(request);
      // The last reference goes on the context's thread.
      Impl* const impl = self->impl_;
      asio::post(impl->context, [self = std::move(self), response = std::move(response)]() mutable {
        self->Write(std::move(response));
      });
    });
  }

  void Refuse(http::status status) {
    keeps_alive_ = false;
    Write({static_cast<int>(status), "application/json",
           "{\"error\":\"" + std::string(http::obsolete_reason(status)) + "\"}\n"});
  }

  void Write(HttpResponse response) {
    response_.emplace();
    response_->version(version_);
    response_->result(static_cast<unsigned>(response.status));
    response_->set(http::field::content_type, response.content_type);
    response_->set(http::field::cache_control, "no-store");
    response_->set("X-Content-Type-Options", "nosniff");
    if (response.status == 401) response_->set(http::field::www_authenticate, "Bearer");
    if (response.retry_after_s > 0) {
      response_->set(http::field::retry_after, std::to_string(response.retry_after_s));
    }
    response_->keep_alive(keeps_alive_);
    response_->body() = std::move(response.body);
    response_->prepare_payload();
    stream_.expires_after(HttpServer::kTimeout);
    http::async_write(stream_, *response_,
                      [self = this->shared_from_this()](error_code error, size_t) {
                        self->SetAnswering(false);
                        if (!error && self->keeps_alive_) return self->Read();
                        error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  beast::tcp_stream stream_;
  Impl* impl_;
  beast::flat_buffer buffer_{HttpServer::kMaxHeaderBytes + 64 * 1024};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  unsigned version_ = 11;
  bool keeps_alive_ = false;
  bool is_answering_ = false;
};

StatusOr<tcp::endpoint> EndpointOf(const HttpServerOptions& options) {
  error_code error;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) {
    return absl::InvalidArgumentError("http: `" + options.host +
                                      "` is no address; name one, or `localhost`");
  }
  if (options.loopback_only && !address.is_loopback()) {
    return absl::InvalidArgumentError(
        "http: " + options.host +
        " can be reached by other machines, and what is said there is not encrypted; listen on "
        "127.0.0.1, or say `allow_public: true`");
  }
  return tcp::endpoint(address, options.port);
}

}  // namespace

void HttpServer::Impl::Accept() {
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // no descriptors left: some may be free soon
      retry.expires_after(std::chrono::milliseconds(100));
      return retry.async_wait([this](error_code stopped) {
        if (!stopped) Accept();
      });
    }
    // Beyond the limit the socket is closed as it goes.
    if (connections < kMaxConnections) {
      std::make_shared<Session<Impl>>(std::move(socket), this)->Read();
    }
    Accept();
  });
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                        Handler handler, MayWait may_wait) {
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, EndpointOf(options));
  return Impl::Listen(options, endpoint,
                      std::make_unique<Impl>(std::move(handler), std::move(may_wait)));
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                        LaterHandler handler) {
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, EndpointOf(options));
  auto impl = std::make_unique<Impl>(Handler(), MayWait());
  impl->later = std::move(handler);
  return Impl::Listen(options, endpoint, std::move(impl));
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Impl::Listen(const HttpServerOptions& options,
                                                               const tcp::endpoint& endpoint,
                                                               std::unique_ptr<Impl> impl) {
  error_code error;
  impl->body_max = options.body_max;
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError("http: " + options.host + ":" + std::to_string(options.port) +
                                  ": " + error.message());
  }
  impl->Accept();
  impl->thread = std::thread([raw = impl.get()] { raw->context.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->worker->stop();
  impl_->worker->join();
  impl_->context.stop();
  impl_->thread.join();
  impl_->worker.reset();  // drops what it had not begun, and with it those sessions
}

void HttpServer::WaitAnswered(std::chrono::milliseconds limit) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (impl_->answering > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

uint16_t HttpServer::port() const {
  error_code error;
  return impl_->acceptor.local_endpoint(error).port();
}

}  // namespace vigil::io
