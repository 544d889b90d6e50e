#include "daemon/log.h"

#include <chrono>

#include <spdlog/sinks/stdout_sinks.h>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "daemon/json_parts.h"

namespace vigil::daemon {
namespace {

std::string NowText() {
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  std::string text;
  alerts::AppendTimeMs(ms, &text);
  return text;
}

std::string_view LevelName(spdlog::level::level_enum level) {
  const spdlog::string_view_t name = spdlog::level::to_string_view(level);
  return {name.data(), name.size()};
}

// A value with blanks or quotes in it is quoted.
void AppendTextValue(const std::string& value, std::string* out) {
  if (!value.empty() && value.find_first_of(" \t\n\"=") == std::string::npos) {
    out->append(value);
  } else {
    alerts::AppendJsonString(value, out);
  }
}

}  // namespace

Log::Log(LogFormat format, spdlog::level::level_enum level)
    : Log(format, std::make_shared<spdlog::logger>(
                      "vigil", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_pattern("%v");
  logger_->set_level(level);
  logger_->flush_on(spdlog::level::trace);
}

Log::Log(LogFormat format, std::shared_ptr<spdlog::logger> logger)
    : format_(format), logger_(std::move(logger)) {}

void Log::Write(spdlog::level::level_enum level, std::string_view message,
                const std::vector<LogField>& fields) {
  if (!logger_->should_log(level)) return;
  std::string line;
  if (format_ == LogFormat::kJson) {
    line = "{\"time\":\"" + NowText() + "\",\"level\":\"";
    line.append(LevelName(level)).append("\",\"message\":");
    alerts::AppendJsonString(message, &line);
    AppendFields(fields, &line);
    line.push_back('}');
  } else {
    line = NowText();
    line.append(" ").append(LevelName(level)).append(" ").append(message);
    for (const auto& [name, value] : fields) {
      line.append(" ").append(name).push_back('=');
      AppendTextValue(value, &line);
    }
  }
  logger_->log(level, spdlog::string_view_t(line.data(), line.size()));
}

void Log::WriteSyslog(int level, std::string_view message, const std::vector<LogField>& fields) {
  const auto of_ours = level <= 3   ? spdlog::level::err
                       : level <= 4 ? spdlog::level::warn
                       : level <= 6 ? spdlog::level::info
                                    : spdlog::level::debug;
  Write(of_ours, message, fields);
}

}  // namespace vigil::daemon
