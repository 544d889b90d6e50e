// The daemon's log: one line an event, on standard error, for people or as JSON.
//
//   text  2026-01-31T10:00:00.000Z warning lost the connection source=auth partition=3
//   JSON  {"time":"2026-01-31T10:00:00.000Z","level":"warning","message":"...","source":"auth",...}
// Fields name what an event is about: rule, source, topic, partition, offset, sink, error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spdlog/logger.h>

namespace vigil::daemon {

enum class LogFormat : uint8_t { kText, kJson };

using LogField = std::pair<std::string_view, std::string>;

// Thread safety: all may be called by any thread.
class Log {
 public:
  Log(LogFormat format, spdlog::level::level_enum level);
  // To a logger of the caller's, for tests; its pattern should be "%v".
  Log(LogFormat format, std::shared_ptr<spdlog::logger> logger);

  void Write(spdlog::level::level_enum level, std::string_view message,
             const std::vector<LogField>& fields = {});
  void Info(std::string_view message, const std::vector<LogField>& fields = {}) {
    Write(spdlog::level::info, message, fields);
  }
  void Warn(std::string_view message, const std::vector<LogField>& fields = {}) {
    Write(spdlog::level::warn, message, fields);
  }
  void Error(std::string_view message, const std::vector<LogField>& fields = {}) {
    Write(spdlog::level::err, message, fields);
  }
  // syslog's levels, as librdkafka has them.
  void WriteSyslog(int level, std::string_view message, const std::vector<LogField>& fields = {});
  void Flush() { logger_->flush(); }

 private:
  LogFormat format_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace vigil::daemon
