#include "io/http_server.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <openssl/ssl.h>

namespace vigil::io {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

struct HttpServer::Impl {
  Impl(Handler handler_in, MayWait may_wait_in, TlsFiles files_in)
      : handler(std::move(handler_in)),
        may_wait(std::move(may_wait_in)),
        files(std::move(files_in)) {}

  void Accept();
  static StatusOr<std::unique_ptr<HttpServer>> Listen(const HttpServerOptions& options,
                                                      const tcp::endpoint& endpoint,
                                                      std::unique_ptr<Impl> impl);
  void Begin(tcp::socket socket);
  std::shared_ptr<asio::ssl::context> tls_now() {
    const std::lock_guard lock(mutex);
    return tls;
  }

  const Handler handler;
  const MayWait may_wait;
  const TlsFiles files;
  LaterHandler later;  // in place of the handlers
  size_t body_max = 0;
  std::atomic<size_t> answering = 0;  // requests whose answer has not been sent
  std::mutex mutex;
  std::shared_ptr<asio::ssl::context> tls;  // guarded by mutex; null: nothing is encrypted
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer retry{context};
  std::optional<asio::thread_pool> worker{1};
  size_t connections = 0;  // the context's thread
  std::thread thread;
};

namespace {

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

// One connection: reads a request, answers it, and so on. Lives in the handlers of what it waits
// for; all of them run on the context's thread.
template <typename Impl, typename Stream>
class Session : public std::enable_shared_from_this<Session<Impl, Stream>> {
 public:
  Session(tcp::socket socket, Impl* impl) : stream_(std::move(socket)), impl_(impl) {
    ++impl_->connections;
  }
  Session(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls, Impl* impl)
      : tls_(std::move(tls)), stream_(std::move(socket), *tls_), impl_(impl) {
    ++impl_->connections;
  }
  ~Session() {
    SetAnswering(false);
    --impl_->connections;
  }

  void Begin() {
    if constexpr (kIsTls) {
      Limit();
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](error_code error) {
                                if (!error) self->Read();
                              });
    } else {
      Read();
    }
  }

 private:
  static constexpr bool kIsTls = std::is_same_v<Stream, TlsStream>;

  void Limit() { beast::get_lowest_layer(stream_).expires_after(HttpServer::kTimeout); }

  void Read() {
    parser_.emplace();
    parser_->header_limit(HttpServer::kMaxHeaderBytes);
    parser_->body_limit(impl_->body_max);
    Limit();
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](error_code error, size_t) { self->OnRead(error); });
  }

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
    const size_t question = std::min(target.find('?'), target.size());
    request.path = target.substr(0, question);
    if (question < target.size()) request.query = target.substr(question + 1);
    request.authorization = std::string(message[http::field::authorization]);
    request.accept = std::string(message[http::field::accept]);
    request.if_match = std::string(message[http::field::if_match]);
    request.if_none_match = std::string(message[http::field::if_none_match]);
    request.body = std::move(message.body());
    SetAnswering(true);
    if (impl_->later) {
      beast::get_lowest_layer(stream_).expires_never();
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
    beast::get_lowest_layer(stream_).expires_never();
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
    if (!response.etag.empty()) response_->set(http::field::etag, response.etag);
    if (response.status == 401) response_->set(http::field::www_authenticate, "Bearer");
    if (response.retry_after_s > 0) {
      response_->set(http::field::retry_after, std::to_string(response.retry_after_s));
    }
    response_->keep_alive(keeps_alive_);
    response_->body() = std::move(response.body);
    response_->prepare_payload();
    Limit();
    http::async_write(stream_, *response_,
                      [self = this->shared_from_this()](error_code error, size_t) {
                        self->SetAnswering(false);
                        if (!error && self->keeps_alive_) return self->Read();
                        self->End();
                      });
  }

  void End() {
    if constexpr (kIsTls) {
      Limit();
      stream_.async_shutdown([self = this->shared_from_this()](error_code) {});
    } else {
      error_code ignored;
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    }
  }

  std::shared_ptr<asio::ssl::context> tls_;  // goes after the stream
  Stream stream_;
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
  const bool is_encrypted = !options.tls.certificate.empty();
  if (options.loopback_only && !address.is_loopback() && !is_encrypted) {
    return absl::InvalidArgumentError(
        "http: " + options.host +
        " can be reached by other machines, and what is said there is not encrypted; listen on "
        "127.0.0.1, give a certificate (`tls`), or say `allow_public: true`");
  }
  return tcp::endpoint(address, options.port);
}

// Null without files.
StatusOr<std::shared_ptr<asio::ssl::context>> ReadTls(const TlsFiles& files) {
  if (files.certificate.empty()) return std::shared_ptr<asio::ssl::context>();
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(tls->native_handle(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                                SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A key with a passphrase would ask for it at the terminal.
  SSL_CTX_set_default_passwd_cb(tls->native_handle(), [](char*, int, int, void*) { return 0; });
  const auto problem = [](const std::string& file, const error_code& error) {
    return absl::InvalidArgumentError("http: tls: " + file + ": " + error.message());
  };
  error_code error;
  tls->use_certificate_chain_file(files.certificate, error);
  if (error) return problem(files.certificate, error);
  // Refuses a key that is not the certificate's.
  tls->use_private_key_file(files.key, asio::ssl::context::pem, error);
  if (error) return problem(files.key, error);
  return tls;
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
      Begin(std::move(socket));
    }
    Accept();
  });
}

void HttpServer::Impl::Begin(tcp::socket socket) {
  if (std::shared_ptr<asio::ssl::context> now = tls_now()) {
    std::make_shared<Session<Impl, TlsStream>>(std::move(socket), std::move(now), this)->Begin();
  } else {
    std::make_shared<Session<Impl, PlainStream>>(std::move(socket), this)->Begin();
  }
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                        Handler handler, MayWait may_wait) {
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, EndpointOf(options));
  return Impl::Listen(options, endpoint,
                      std::make_unique<Impl>(std::move(handler), std::move(may_wait), options.tls));
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                        LaterHandler handler) {
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, EndpointOf(options));
  auto impl = std::make_unique<Impl>(Handler(), MayWait(), options.tls);
  impl->later = std::move(handler);
  return Impl::Listen(options, endpoint, std::move(impl));
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Impl::Listen(const HttpServerOptions& options,
                                                               const tcp::endpoint& endpoint,
                                                               std::unique_ptr<Impl> impl) {
  ASSIGN_OR_RETURN(std::shared_ptr<asio::ssl::context> tls, ReadTls(options.tls));
  impl->tls = std::move(tls);
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

constexpr std::chrono::milliseconds kLastAnswers{1000};

// Until what was answered has been sent.
void HttpServer::WaitAnswered() const {
  const auto end = std::chrono::steady_clock::now() + kLastAnswers;
  while (impl_->answering > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

HttpServer::~HttpServer() {
  impl_->worker->stop();
  impl_->worker->join();
  // Who has asked the process to end is to hear that it does.
  WaitAnswered();
  impl_->context.stop();
  impl_->thread.join();
  impl_->worker.reset();  // drops what it had not begun, and with it those sessions
}

Status HttpServer::ReloadCertificate() {
  ASSIGN_OR_RETURN(std::shared_ptr<asio::ssl::context> tls, ReadTls(impl_->files));
  const std::lock_guard lock(impl_->mutex);
  impl_->tls = std::move(tls);
  return absl::OkStatus();
}

uint16_t HttpServer::port() const {
  error_code error;
  return impl_->acceptor.local_endpoint(error).port();
}

}  // namespace vigil::io
