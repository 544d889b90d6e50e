// `vigil run` as a process of its own, and what it said and wrote.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/support/process.h"

namespace vigil::testing {

inline bool WaitFor(double seconds, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return condition();
}

inline std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline size_t Count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// `id rule at` of each alert of `output`, in order.
inline std::vector<std::string> AlertsOf(const std::string& text,
                                         const std::string& output = "alerts") {
  simdjson::dom::parser parser;
  std::vector<std::string> alerts;
  for (const std::string& line : LinesOf(text)) {
    const simdjson::padded_string padded(line);
    const simdjson::dom::element alert = parser.parse(padded);
    if (std::string_view(alert["output"]) != output) continue;
    std::string_view id;
    if (alert["id"].get(id) != simdjson::SUCCESS) continue;
    alerts.push_back(std::string(id) + " " + std::string(std::string_view(alert["rule"])) + " " +
                     std::to_string(int64_t(alert["at"])));
  }
  return alerts;
}

// The numbers of the daemon's closing line: read=N processed=N ...
inline std::map<std::string, int64_t> Totals(const std::string& log) {
  std::map<std::string, int64_t> totals;
  for (const std::string& line : LinesOf(log)) {
    if (line.find(" info done ") == std::string::npos) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      if (equals != std::string::npos) {
        totals[word.substr(0, equals)] = std::stoll(word.substr(equals + 1));
      }
    }
  }
  return totals;
}

inline void CheckLedger(const std::map<std::string, int64_t>& totals, int64_t read,
                        int64_t lost = 0) {
  REQUIRE(totals.count("read") == 1);
  CHECK(totals.at("read") == read);
  CHECK(totals.at("processed") + totals.at("late") + totals.at("quarantined") +
            totals.at("waiting") + totals.at("lost") ==
        read);
  CHECK(totals.at("lost") == lost);
}

// A daemon with its configuration, in a folder of its own.
class Daemon {
 public:
  // `prepare` writes what the configuration names.
  explicit Daemon(const std::string& config,
                  const std::function<void(const TempDir&)>& prepare = {}) {
    dir.Write("vigil.yaml", config);
    if (prepare) prepare(dir);
    Start();
  }
  // Again, once the last one has ended; its log begins anew.
  void Start() {
    process = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{VigilBinary(), "run", "-c", dir.Path("vigil.yaml")},
        dir.Path("out"), dir.Path("log"));
  }
  std::string Log() const { return ReadFile(dir.Path("log")); }
  std::string File(const std::string& name) const { return ReadFile(dir.Path(name)); }
  // Its last step has begun.
  bool IsRunning() const { return Log().find("name=job") != std::string::npos; }
  // HOST:PORT of its admin API; empty before it listens.
  std::string Address() const {
    constexpr std::string_view kListening = "listening address=";
    const std::string log = Log();
    const size_t at = log.find(kListening);
    if (at == std::string::npos) return "";
    const size_t begin = at + kListening.size();
    return log.substr(begin, log.find('\n', begin) - begin);
  }

  TempDir dir;
  std::unique_ptr<BackgroundProcess> process;
};

}  // namespace vigil::testing
