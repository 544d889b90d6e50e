// The HTTP server with TLS: what it speaks, what it refuses, and certificates read again.
#include <arpa/inet.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "io/http_server.h"
#include "tests/support/certificate.h"
#include "tests/support/process.h"

namespace vigil::io {
namespace {

using testing::TempDir;

TlsFiles SelfSigned(const TempDir& dir, const std::string& name, long serial) {
  testing::WriteCertificate(dir.Path(name + ".crt"), dir.Path(name + ".key"), serial);
  return {dir.Path(name + ".crt"), dir.Path(name + ".key")};
}

struct Answer {
  std::string text;      // empty: there was none
  std::string protocol;  // TLSv1.3
  long serial = 0;       // of the certificate
};

// Asks over TLS of the versions up to `max`, trusting what `ca` holds and nothing else.
Answer Ask(uint16_t port, const std::string& ca, int max = 0) {
  Answer answer;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_security_level(context, 0);  // lets the client speak old versions at all
  SSL_CTX_set_max_proto_version(context, max);
  SSL_CTX_load_verify_locations(context, ca.c_str(), nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  const timeval limit{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  SSL* tls = SSL_new(context);
  SSL_set_fd(tls, fd);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), "127.0.0.1");
  if (SSL_connect(tls) == 1) {
    answer.protocol = SSL_get_version(tls);
    X509* cert = SSL_get1_peer_certificate(tls);
    answer.serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
    X509_free(cert);
    const std::string ask =
        "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    SSL_write(tls, ask.data(), static_cast<int>(ask.size()));
    char bytes[4096];
    for (int n; (n = SSL_read(tls, bytes, sizeof(bytes))) > 0;) {
      answer.text.append(bytes, static_cast<size_t>(n));
    }
    // The end was said, not cut off.
    CHECK((SSL_get_shutdown(tls) & SSL_RECEIVED_SHUTDOWN) != 0);
  }
  SSL_free(tls);
  SSL_CTX_free(context);
  close(fd);
  return answer;
}

StatusOr<std::unique_ptr<HttpServer>> Start(const TlsFiles& tls,
                                            const std::string& host = "127.0.0.1") {
  return HttpServer::Start(
      {.host = host, .port = 0, .loopback_only = true, .tls = tls},
      [](const HttpRequest& request) {
        return HttpResponse{200, "text/plain", request.path + " " + request.body};
      },
      [](const HttpRequest& request) { return request.path == "/slow"; });
}

TEST_CASE("HttpServer: TLS 1.2 and 1.3 are spoken, nothing older and nothing unencrypted",
          "[io][unit]") {
  const TempDir dir;
  const TlsFiles files = SelfSigned(dir, "a", 1);
  const auto server = Start(files);
  REQUIRE(server.ok());
  const uint16_t port = (*server)->port();
  const Answer newest = Ask(port, files.certificate);
  CHECK(newest.text.find("/slow abc") != std::string::npos);
  CHECK(newest.protocol == "TLSv1.3");
  CHECK(Ask(port, files.certificate, TLS1_2_VERSION).protocol == "TLSv1.2");
  CHECK(Ask(port, files.certificate, TLS1_1_VERSION).protocol.empty());
  // A client that knows another certificate does not talk to it.
  CHECK(Ask(port, SelfSigned(dir, "other", 9).certificate).text.empty());
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  const std::string plain = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  REQUIRE(send(fd, plain.data(), plain.size(), MSG_NOSIGNAL) > 0);
  std::string got(4096, '\0');
  const ssize_t n = recv(fd, got.data(), got.size(), 0);
  CHECK((n <= 0 || got.find("HTTP/1.1 200") == std::string::npos));
  close(fd);
  CHECK_FALSE(Ask(port, files.certificate).text.empty());
}

TEST_CASE("HttpServer: certificates are read again, bad ones leave the former", "[io][unit]") {
  const TempDir dir;
  const TlsFiles files = SelfSigned(dir, "a", 1);
  const auto server = Start(files);
  REQUIRE(server.ok());
  const uint16_t port = (*server)->port();
  CHECK(Ask(port, files.certificate).serial == 1);
  SelfSigned(dir, "a", 2);
  REQUIRE((*server)->ReloadCertificate().ok());
  CHECK(Ask(port, files.certificate).serial == 2);
  dir.Write("a.key", "none");
  CHECK(absl::IsInvalidArgument((*server)->ReloadCertificate()));
  CHECK(Ask(port, files.certificate).serial == 2);
}

TEST_CASE("HttpServer: files that are no certificate and key are refused", "[io][unit]") {
  const TempDir dir;
  const TlsFiles a = SelfSigned(dir, "a", 1);
  const TlsFiles b = SelfSigned(dir, "b", 2);
  const std::string text = dir.Write("text", "no certificate");
  for (const TlsFiles& files :
       {TlsFiles{text, a.key}, TlsFiles{a.certificate, text}, TlsFiles{a.certificate, b.key},
        TlsFiles{a.certificate, ""}, TlsFiles{dir.Path("none"), a.key}}) {
    const Status status = Start(files).status();
    INFO(status);
    CHECK(absl::IsInvalidArgument(status));
  }
  // What is encrypted may be heard by other machines.
  CHECK(Start(a, "0.0.0.0").ok());
}

}  // namespace
}  // namespace vigil::io
