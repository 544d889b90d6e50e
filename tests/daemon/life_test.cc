// The log's lines, alerts for people, and what a service manager is told.
#include <cstdlib>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <spdlog/sinks/ostream_sink.h>

#include "daemon/log.h"
#include "daemon/service_manager.h"
#include "daemon/text_sink.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

std::string Logged(LogFormat format) {
  std::ostringstream out;
  auto logger = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  logger->set_pattern("%v");
  Log log(format, logger);
  log.Write(spdlog::level::debug, "below the level");
  log.Warn("lost \"it\"", {{"partition", "s/t/3"}, {"error", "no route\nto host"}});
  log.WriteSyslog(3, "bad");
  // The time is 24 characters, its day and hour not ours to know.
  std::string text = out.str();
  const std::string digits = "0123456789";
  for (char& c : text) {
    if (digits.find(c) != std::string::npos && c != '3') c = '0';
  }
  return text;
}

TEST_CASE("Log: one line an event, for people or as JSON", "[daemon][unit]") {
  const std::string text = Logged(LogFormat::kText);
  CHECK(text.find(" warning lost \"it\" partition=s/t/3 error=\"no route\\nto host\"\n") == 24);
  CHECK(text.find(" error bad\n") != std::string::npos);
  CHECK(text.find("below") == std::string::npos);
  const std::string json = Logged(LogFormat::kJson);
  CHECK(json.find("{\"time\":\"") == 0);
  CHECK(json.find("\",\"level\":\"warning\",\"message\":\"lost \\\"it\\\"\","
                  "\"partition\":\"s/t/3\",\"error\":\"no route\\nto host\"}\n") !=
        std::string::npos);
}

TEST_CASE("TextSink: an alert as a line for people, anything else as it is", "[daemon][unit]") {
  CHECK(TextOfAlert(R"({"id":"1","rule":"r","severity":"high","time":"2026-01-31T10:00:00.000Z",)"
                    R"("key":{"a":"A\u001b1","n":3},"summary":"moved"})") ==
        "2026-01-31T10:00:00.000Z high r a=A 1 n=3: moved");
  CHECK(TextOfAlert(R"({"kind":"audit","time":"t"})") == R"({"kind":"audit","time":"t"})");
  CHECK(TextOfAlert("no JSON") == "no JSON");
}

// What arrives at $NOTIFY_SOCKET.
class Manager {
 public:
  Manager() : path_(dir_.Path("notify")) {
    socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    setenv("NOTIFY_SOCKET", path_.c_str(), 1);
    setenv("WATCHDOG_USEC", "2000000", 1);
  }
  ~Manager() {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(socket_);
  }
  std::string Next() {
    char text[256];
    const ssize_t n = recv(socket_, text, sizeof text, 0);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

 private:
  testing::TempDir dir_;
  std::string path_;
  int socket_;
};

TEST_CASE("ServiceManager: ready, stopping, and a sign of life at half the watchdog's interval",
          "[daemon][unit]") {
  Manager manager;
  ServiceManager ours;
  ours.Ready("running x");
  CHECK(manager.Next() == "READY=1\nSTATUS=running x");
  ours.Alive(5000);
  CHECK(manager.Next() == "WATCHDOG=1");
  ours.Alive(5999);
  CHECK(manager.Next().empty());
  ours.Alive(6000);
  CHECK(manager.Next() == "WATCHDOG=1");
  ours.Stopping("delivering");
  CHECK(manager.Next() == "STOPPING=1\nSTATUS=delivering");
}

}  // namespace
}  // namespace vigil::daemon
