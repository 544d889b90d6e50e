// A file of JSON lines that is appended to, and set aside when it is large or old enough.
//
// A file set aside is named PATH.YYYYMMDDTHHMMSSZ, with -2, -3, ... behind it where that is taken.
// A write that failed half way is taken back, so that no line is ever cut or doubled by a retry.
// After a crash the file itself tells what it has: a last line that was cut is taken off, and lines
// that may come again are compared with the last ones there, in the file set aside last, too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alerts/sink.h"
#include "cep/base/hash.h"

namespace vigil::alerts {

struct RotatingFileOptions {
  std::string path;        // `-` is standard output, which is never set aside
  uint64_t size_max = 0;   // bytes; 0: no limit
  int64_t age_max_ms = 0;  // since its first record of this run; 0: no limit
  uint32_t keep = 0;       // files set aside that are kept, the newest; 0: all
  // Milliseconds since the Unix epoch; the system's clock unless a test brings its own.
  std::function<int64_t()> now;
};

class RotatingFileSink : public Sink {
 public:
  // Errors: as open(2), naming the path.
  static StatusOr<std::unique_ptr<RotatingFileSink>> Open(RotatingFileOptions options);
  ~RotatingFileSink() override;

  Status Write(std::vector<Outgoing>* records, const std::atomic<bool>& is_giving_up) override;
  Status ExpectRepeats(uint64_t bytes) override;
  void ForgetRepeats() override { repeats_.clear(); }
  Status Idle() override;

 private:
  explicit RotatingFileSink(RotatingFileOptions options) : options_(std::move(options)) {}
  bool is_stdout() const { return options_.path == "-"; }
  bool IsRotationDue() const;
  Status OpenFile();
  Status Rotate();
  void RemoveOld() const;
  // Files set aside, the oldest first.
  std::vector<std::string> FilesAside() const;
  Status CutTornLine();
  Status NoteLines(const std::string& path, uint64_t bytes);
  std::string AsideName() const;
  Status WriteLines(const std::string& lines);

  const RotatingFileOptions options_;
  int fd_ = -1;
  uint64_t size_ = 0;
  int64_t since_ms_ = 0;       // the first record of the file; 0: none yet
  std::set<Hash128> repeats_;  // lines there that may come again
};

}  // namespace vigil::alerts
