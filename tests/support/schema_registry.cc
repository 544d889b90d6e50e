#include "tests/support/schema_registry.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <filesystem>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/process.h"

namespace vigil::testing {
namespace {

constexpr const char* kScript = VIGIL_REPO_ROOT "/tests/support/schema_registry.sh";

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

std::string QuoteJson(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

FakeRegistry::FakeRegistry(uint16_t port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

FakeRegistry::~FakeRegistry() {
  stop_ = true;
  thread_.join();
  close(listener_);
}

void FakeRegistry::Set(const std::string& path, int status, const std::string& body) {
  const std::lock_guard<std::mutex> lock(mutex_);
  answers_[path] = {status, body};
}

void FakeRegistry::SetSchema(uint32_t id, const std::string& type, const std::string& text) {
  Set("/schemas/ids/" + std::to_string(id), 200,
      "{\"schemaType\":\"" + type + "\",\"schema\":" + QuoteJson(text) + "}");
}

int FakeRegistry::Count(const std::string& path) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = counts_.find(path);
  return found == counts_.end() ? 0 : found->second;
}

std::string FakeRegistry::last_request() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_request_;
}

void FakeRegistry::Serve() {
  while (!stop_) {
    pollfd wait{listener_, POLLIN, 0};
    if (poll(&wait, 1, 20) <= 0) continue;
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = read(client, buffer, sizeof buffer);
      if (n <= 0) break;
      request.append(buffer, static_cast<size_t>(n));
    }
    const size_t end = request.find(' ', 4);
    const std::string path = end == std::string::npos ? "" : request.substr(4, end - 4);
    std::pair<int, std::string> answer = {
        404, "{\"error_code\":40403,\"message\":\"Schema not found\"}"};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++counts_[path];
      last_request_ = request;
      const auto found = answers_.find(path);
      if (found != answers_.end()) answer = found->second;
    }
    const std::string reply = "HTTP/1.1 " + std::to_string(answer.first) +
                              " X\r\nContent-Length: " + std::to_string(answer.second.size()) +
                              "\r\nConnection: close\r\n\r\n" + answer.second;
    for (size_t sent = 0; sent < reply.size();) {
      const ssize_t n = send(client, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    close(client);
  }
}

std::unique_ptr<RealRegistry> RealRegistry::Start(std::string* why) {
  ProcessResult result = RunProcess({kScript, "check"});
  if (result.exit_code == 0) {
    std::unique_ptr<RealRegistry> registry(new RealRegistry());
    char folder[] = "/tmp/vigil-registry-XXXXXX";
    registry->folder_ = mkdtemp(folder);
    result = RunProcess({kScript, "up", registry->folder_});
    registry->url_ = Trimmed(result.out);
    if (result.exit_code == 0) return registry;
  }
  *why = Trimmed(result.err);
  return nullptr;
}

RealRegistry::~RealRegistry() {
  if (!url_.empty()) RunProcess({kScript, "down", folder_});
  std::filesystem::remove_all(folder_);
}

void RealRegistry::Stop() const { RunProcess({kScript, "stop", folder_}); }
void RealRegistry::Continue() const { RunProcess({kScript, "cont", folder_}); }

uint32_t RealRegistry::Register(const std::string& subject, const std::string& type,
                                const std::string& text, const std::string& references) const {
  const ProcessResult result = RunProcess(
      {"curl", "-s", "-X", "POST", "-H", "Content-Type: application/vnd.schemaregistry.v1+json",
       "--data-binary", "@-", url_ + "/subjects/" + subject + "/versions"},
      "{\"schemaType\":\"" + type + "\",\"schema\":" + QuoteJson(text) +
          ",\"references\":" + references + "}");
  const size_t id = result.out.find("\"id\":");
  if (id == std::string::npos) return 0;
  return static_cast<uint32_t>(std::strtoul(result.out.c_str() + id + 5, nullptr, 10));
}

}  // namespace vigil::testing
