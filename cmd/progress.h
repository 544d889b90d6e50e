// A progress line on standard error for people who wait: bar, events per second, watermark.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace vigil::cmd {

// Thread safety: none. Prints nothing unless `stream` is a terminal.
class ProgressLine {
 public:
  explicit ProgressLine(std::FILE* stream);
  ~ProgressLine() { Clear(); }

  // Redraws the line if the last time is more than a tenth of a second ago. `total_bytes` 0:
  // unknown, no bar.
  void Update(uint64_t events, int64_t watermark_ms, uint64_t bytes, uint64_t total_bytes);
  // Removes the line, so that other output may follow.
  void Clear();

 private:
  std::FILE* stream_;
  bool is_terminal_;
  bool is_drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

// `2023-11-14T22:13:20Z`, to the second; `-` before any event and `end` when all time has passed.
std::string WatermarkText(int64_t watermark_ms);

// 12,345,678.
std::string Grouped(uint64_t n);

}  // namespace vigil::cmd
