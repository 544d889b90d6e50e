#include "cmd/progress.h"

#include <ctime>
#include <limits>
#include <unistd.h>

namespace vigil::cmd {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kRedraw{100};

std::string Bar(uint64_t done, uint64_t total) {
  const int filled =
      static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * kBarWidth);
  std::string bar = "[";
  for (int i = 0; i < kBarWidth; ++i) bar += i < filled ? '=' : i == filled ? '>' : ' ';
  return bar + "] ";
}

}  // namespace

ProgressLine::ProgressLine(std::FILE* stream)
    : stream_(stream),
      is_terminal_(isatty(fileno(stream)) != 0),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

void ProgressLine::Update(uint64_t events, int64_t watermark_ms, uint64_t bytes,
                          uint64_t total_bytes) {
  if (!is_terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kRedraw) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const auto rate = static_cast<uint64_t>(static_cast<double>(events) / seconds);
  const std::string bar =
      total_bytes > 0 ? Bar(bytes < total_bytes ? bytes : total_bytes, total_bytes) : "";
  std::fprintf(stream_, "\r\033[K%s%s events, %s/s, watermark %s", bar.c_str(),
               Grouped(events).c_str(), Grouped(rate).c_str(), WatermarkText(watermark_ms).c_str());
  std::fflush(stream_);
  is_drawn_ = true;
}

void ProgressLine::Clear() {
  if (!is_drawn_) return;
  std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
  is_drawn_ = false;
}

std::string WatermarkText(int64_t watermark_ms) {
  if (watermark_ms == std::numeric_limits<int64_t>::min()) return "-";
  if (watermark_ms == std::numeric_limits<int64_t>::max()) return "end";
  const std::time_t seconds = watermark_ms / 1000 - (watermark_ms % 1000 < 0 ? 1 : 0);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string Grouped(uint64_t n) {
  std::string text = std::to_string(n);
  for (int i = static_cast<int>(text.size()) - 3; i > 0; i -= 3)
    text.insert(static_cast<size_t>(i), ",");
  return text;
}

}  // namespace vigil::cmd
