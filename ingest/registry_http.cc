#include "ingest/registry_http.h"

#include <functional>
#include <optional>
#include <utility>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace vigil::ingest {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr auto kSlice = std::chrono::milliseconds(20);

// `%40` and its like; false for a malformed one.
bool Unescape(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out->push_back(text[i]);
      continue;
    }
    const auto digit = [&](size_t at) {
      if (at >= text.size()) return -1;
      const char c = text[at];
      if (c >= '0' && c <= '9') return c - '0';
      const char lower = static_cast<char>(c | 0x20);
      return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    };
    const int high = digit(i + 1);
    const int low = digit(i + 2);
    if (high < 0 || low < 0) return false;
    out->push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

// One request. Members are destroyed from the last to the first: the streams before the context
// whose handlers refer to what stands above it.
class Exchange {
 public:
  Exchange(const std::atomic<bool>& stop, std::chrono::milliseconds timeout,
           asio::ssl::context* tls)
      : stop_(stop), deadline_(Clock::now() + timeout), resolver_(context_) {
    if (tls != nullptr) {
      tls_stream_.emplace(context_, *tls);
    } else {
      plain_stream_.emplace(context_);
    }
  }

  Status Connect(const std::string& host, const std::string& port) {
    RETURN_IF_ERROR(Step("resolve", [&] {
      resolver_.async_resolve(
          host, port, [this](error_code error, asio::ip::tcp::resolver::results_type found) {
            found_ = std::move(found);
            Done(error);
          });
    }));
    RETURN_IF_ERROR(Step("connect", [&] {
      Lowest().async_connect(found_, [this](error_code error, const auto&) { Done(error); });
    }));
    if (!tls_stream_) return absl::OkStatus();
    SSL_set_tlsext_host_name(tls_stream_->native_handle(), host.c_str());
    tls_stream_->set_verify_callback(asio::ssl::host_name_verification(host));
    return Step("TLS", [&] {
      tls_stream_->async_handshake(asio::ssl::stream_base::client,
                                   [this](error_code error) { Done(error); });
    });
  }

  StatusOr<HttpAnswer> Ask(const http::request<http::empty_body>& request) {
    parser_.body_limit(RegistryHttp::kMaxBody);
    if (tls_stream_) {
      RETURN_IF_ERROR(Talk(*tls_stream_, request));
    } else {
      RETURN_IF_ERROR(Talk(*plain_stream_, request));
    }
    return HttpAnswer{static_cast<int>(parser_.get().result_int()),
                      std::move(parser_.get().body())};
  }

 private:
  template <typename Stream>
  Status Talk(Stream& stream, const http::request<http::empty_body>& request) {
    RETURN_IF_ERROR(Step("send", [&] {
      http::async_write(stream, request, [this](error_code error, size_t) { Done(error); });
    }));
    return Step("receive", [&] {
      http::async_read(stream, buffer_, parser_, [this](error_code error, size_t) { Done(error); });
    });
  }

  beast::tcp_stream& Lowest() { return tls_stream_ ? tls_stream_->next_layer() : *plain_stream_; }

  void Done(error_code error) {
    is_done_ = true;
    error_ = error;
  }

  // Starts an operation and runs until it ends, time is over or `stop` is set.
  Status Step(const char* name, const std::function<void()>& start) {
    is_done_ = false;
    start();
    while (!is_done_) {
      if (stop_.load(std::memory_order_relaxed)) {
        return absl::UnavailableError(absl::StrCat(name, ": stopped"));
      }
      if (Clock::now() > deadline_) {
        return absl::UnavailableError(absl::StrCat(name, ": no answer in time"));
      }
      context_.restart();
      context_.run_for(kSlice);
    }
    if (!error_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(name, ": ", error_.message()));
  }

  const std::atomic<bool>& stop_;
  const Clock::time_point deadline_;
  bool is_done_ = false;
  error_code error_;
  asio::ip::tcp::resolver::results_type found_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  asio::io_context context_;
  asio::ip::tcp::resolver resolver_;
  std::optional<beast::tcp_stream> plain_stream_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> tls_stream_;
};

// Null for plain TCP.
StatusOr<std::unique_ptr<asio::ssl::context>> MakeTls(bool is_tls, const std::string& ca_file) {
  if (!is_tls) return nullptr;
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
  error_code error;
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1,
                   error);
  tls->set_verify_mode(asio::ssl::verify_peer, error);
  if (ca_file.empty()) {
    tls->set_default_verify_paths(error);
  } else {
    tls->load_verify_file(ca_file, error);
  }
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(ca_file, ": certificates cannot be read: ", error.message()));
  }
  return tls;
}

}  // namespace

StatusOr<RegistryHttp> RegistryHttp::Create(const RegistryOptions& options) {
  const auto bad = [](const char* what) {
    return absl::InvalidArgumentError(absl::StrCat("the registry's URL ", what));
  };
  RegistryHttp http;
  std::string_view rest = options.url;
  for (const auto& [scheme, port, is_tls] :
       {std::tuple("http://", "80", false), std::tuple("https://", "443", true)}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(std::string_view(scheme).size());
    http.port_ = port;
    http.is_tls_ = is_tls;
    http.shown_ = scheme;
    break;
  }
  if (http.port_.empty()) return bad("begins with neither http:// nor https://");
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  http.path_ = std::string(rest.substr(slash));
  while (!http.path_.empty() && http.path_.back() == '/') http.path_.pop_back();
  std::string user = options.user;
  std::string password = options.password;
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const size_t colon = std::min(info.find(':'), info.size());
    std::string url_user;
    std::string url_password;
    if (!Unescape(info.substr(0, colon), &url_user) ||
        !Unescape(info.substr(std::min(colon + 1, info.size())), &url_password)) {
      return bad("has a malformed %XX before `@`");
    }
    if (user.empty()) {
      user = std::move(url_user);
      password = std::move(url_password);
    }
  }
  const size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  if (has_port) {
    http.port_ = std::string(authority.substr(colon + 1));
    authority = authority.substr(0, colon);
  }
  http.host_ = std::string(authority);
  if (http.host_.size() > 2 && http.host_.front() == '[') {
    http.host_ = http.host_.substr(1, http.host_.size() - 2);
  }
  if (http.host_.empty() || http.port_.empty() ||
      http.port_.find_first_not_of("0123456789") != std::string::npos) {
    return bad("has no host, or a port that is no number");
  }
  for (const std::string* part : {&http.host_, &http.path_}) {
    for (const char c : *part) {
      if (c <= ' ' || c == 0x7f) return bad("has a space or control character");
    }
  }
  if (!user.empty()) {
    http.authorization_ = "Basic " + absl::Base64Escape(absl::StrCat(user, ":", password));
  }
  absl::StrAppend(&http.shown_, http.host_, has_port ? ":" : "", has_port ? http.port_ : "",
                  http.path_);
  http.ca_file_ = options.ca_file;
  http.timeout_ = options.timeout;
  ASSIGN_OR_RETURN(const auto tls, MakeTls(http.is_tls_, http.ca_file_));
  return http;
}

StatusOr<HttpAnswer> RegistryHttp::Get(const std::string& path,
                                       const std::atomic<bool>& stop) const {
  ASSIGN_OR_RETURN(const std::unique_ptr<asio::ssl::context> tls, MakeTls(is_tls_, ca_file_));
  try {
    Exchange exchange(stop, timeout_, tls.get());
    RETURN_IF_ERROR(exchange.Connect(host_, port_));
    http::request<http::empty_body> request{http::verb::get, path_ + path, 11};
    request.set(http::field::host, absl::StrCat(host_, ":", port_));
    request.set(http::field::user_agent, "vigil");
    request.set(http::field::accept, "application/vnd.schemaregistry.v1+json, application/json");
    if (!authorization_.empty()) request.set(http::field::authorization, authorization_);
    return exchange.Ask(request);
  } catch (const std::exception& e) {
    return absl::UnavailableError(e.what());
  }
}

}  // namespace vigil::ingest
